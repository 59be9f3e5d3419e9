# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._user_map.plan import Found, Write, plan
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import (
    Accounts,
    Pair,
    UserMap,
    place,
    script,
    translations,
    wanted,
)
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

LAST = 4294967294
DAEMON = Virtiofsd("/usr/libexec/virtiofsd", "rust", (1, 13, 2))
ACCOUNTS = Accounts(
    user={"alice": 2000, "bob": 2001, "root": 0}.__getitem__,
    group={"alice": 3000, "staff": 50}.__getitem__,
    primary_group={2000: 3000, 2001: 3001, 7: 0}.__getitem__,
)


def item(*users: tuple[int, Any], groups: Any = None) -> dict[str, Any]:
    return {
        "name": "homes",
        "users": [{"guest": guest, "host": host} for guest, host in users],
        "groups": None if groups is None else [{"guest": guest, "host": host} for guest, host in groups],
    }


def test_names_are_those_of_this_machine_and_groups_follow():
    (found,) = wanted([item((1000, "alice"), (1001, "2001"))], ACCOUNTS)
    assert found.users == (Pair(1000, 2000), Pair(1001, 2001))
    assert found.groups == (Pair(1000, 3000), Pair(1001, 3001))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (item((1000, "carol")), "users: this machine knows no 'carol'"),
        (item((1000, "alice"), (1000, "bob")), "1000 of the guest is there twice"),
        (item((-1, "alice")), "-1 is no id"),
        (item((LAST + 1, "alice")), "is no id"),
        (item((65534, "alice")), "65534 in the guest stands for everybody"),
        (item((1000, "root")), "cannot be root of the hypervisor"),
        (item((1000, 0)), "cannot be root of the hypervisor"),
        (item((1000, "00")), "cannot be root of the hypervisor"),
        (item((1000, LAST + 1)), "is no id"),
        (item((1000, "alice; rm -rf /")), "this machine knows no"),
        (item((1000, 4711)), "no user 4711, whose group could be taken: give groups"),
        (item((1000, 7)), "primary group is root's"),
        (item((1000, "alice"), groups=[(1000, "wheel")]), "groups: this machine knows no 'wheel'"),
        (item((1000, "alice"), groups=[]), "users and groups, or an empty list of both"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], message: str):
    with pytest.raises(VirtiofsError, match="maps: homes") as error:
        wanted([given], ACCOUNTS)
    assert message in str(error.value)


def test_everybody_else_is_forbidden_and_root_is_the_first_user():
    assert translations([Pair(1000, 2000), Pair(1001, 2001)]) == (
        "map:1000:2000:1",
        "map:1001:2001:1",
        "guest:0:2000:1",
        "forbid-guest:1:999",
        f"forbid-guest:1002:{LAST - 1001}",
        "squash-host:0:65534:2000",
        f"squash-host:2002:65534:{LAST - 2001}",
    )


def test_root_of_the_guest_can_be_somebody_of_its_own():
    told = translations([Pair(1000, 2000), Pair(0, 2001)])
    assert "map:0:2001:1" in told
    assert "guest:0:2000:1" not in told


def test_two_users_of_the_guest_can_be_one_of_the_hypervisor():
    told = translations([Pair(1000, 2000), Pair(1001, 2000)])
    assert told[:3] == ("map:1000:2000:1", "guest:1001:2000:1", "guest:0:2000:1")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, LAST), st.integers(1, LAST)),
        min_size=1,
        max_size=6,
        unique_by=lambda pair: pair[0],
    )
)
def test_every_id_is_told_exactly_once_in_each_direction(pairs: list[tuple[int, int]]):
    guests: list[tuple[int, int]] = []
    hosts: list[tuple[int, int]] = []
    for each in translations([Pair(*pair) for pair in pairs]):
        kind, start, *rest = each.split(":")
        count = int(rest[-1])
        if kind in ("map", "guest", "forbid-guest"):
            guests.append((int(start), count))
        if kind == "map":
            hosts.append((int(rest[0]), 1))
        if kind == "squash-host":
            hosts.append((int(start), count))
    for ranges in (guests, hosts):
        at = 0
        for first, length in sorted(ranges):
            assert first == at
            at += length
        assert at == LAST + 1


def test_another_map_is_another_script():
    users = [Pair(1000, 2000)]
    one, other = (script("/usr/libexec/virtiofsd", users, [Pair(1000, host)]) for host in (3000, 3001))
    assert place("/usr/sbin", one) != place("/usr/sbin", other)
    assert one.startswith("#!/bin/sh\n")
    assert one.rstrip().endswith(' "$@"')
    assert "--translate-gid=map:1000:3000:1" in one


def test_the_script_quotes_the_daemon():
    assert "exec '/opt/a b/virtiofsd' --translate-uid=" in script("/opt/a b/virtiofsd", [Pair(1, 2)], [Pair(1, 2)])


def test_a_script_is_written_once_and_no_users_are_the_daemon_itself():
    maps = (UserMap("homes", (Pair(1000, 2000),), (Pair(1000, 3000),)), UserMap("plain", (), ()))
    text = script(DAEMON.path, maps[0].users, maps[0].groups)
    where = place("/usr/sbin", text)
    first = plan(Found(DAEMON, {}), "/usr/sbin", maps)
    assert first.steps == (Write(where, text),)
    assert first.result == {"binaries": {"homes": where, "plain": DAEMON.path}}
    assert plan(Found(DAEMON, {where: text}), "/usr/sbin", maps).steps == ()
    assert plan(Found(DAEMON, {where: "exec true\n"}), "/usr/sbin", maps).steps == (Write(where, text),)
