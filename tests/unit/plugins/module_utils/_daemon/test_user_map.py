# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose ids are whose, and what virtiofsd is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._daemon.user_map import (
    Accounts,
    Pair,
    arguments,
    problem_with,
    translations,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import UserPair

LAST = 4294967294
ACCOUNTS = Accounts(
    user={"alice": 2000, "bob": 2001, "root": 0}.__getitem__,
    group={"alice": 3000, "staff": 50, "wheel": 0}.__getitem__,
    primary_group={2000: 3000, 2001: 3001, 7: 0}.__getitem__,
)


def pairs(*given: tuple[int, Any]) -> tuple[UserPair, ...]:
    return tuple(UserPair(guest, str(host)) for guest, host in given)


def test_names_are_those_of_this_machine_and_groups_follow() -> None:
    told = arguments({"map_users": pairs((1000, "alice"), (1001, "2001"))}, ACCOUNTS)
    assert {"--translate-uid=map:1000:2000:1", "--translate-uid=map:1001:2001:1"} <= {*told}
    assert {"--translate-gid=map:1000:3000:1", "--translate-gid=map:1001:3001:1"} <= {*told}


def test_groups_can_be_said() -> None:
    told = arguments({"map_users": pairs((1000, "alice")), "map_groups": pairs((1000, "staff"))}, ACCOUNTS)
    assert "--translate-gid=map:1000:50:1" in told


def test_without_users_there_is_nothing_to_tell() -> None:
    assert arguments({"posix_acl": "always"}, ACCOUNTS) == ()


@pytest.mark.parametrize(
    ("users", "groups", "option", "message"),
    [
        ([(1000, "carol")], [], "map_users", "there is no 'carol' on this machine"),
        ([(1000, "alice; rm -rf /")], [], "map_users", "there is no 'alice; rm -rf /' on this machine"),
        ([(1000, "root")], [], "map_users", "a user of the guest cannot be root of the hypervisor"),
        ([(1000, 4711)], [], "map_users", "there is no user 4711 on this machine, whose group could be taken"),
        ([(1000, 7)], [], "map_users", "a user's primary group is root's"),
        ([(1000, "alice")], [(1000, "nobodys")], "map_groups", "there is no 'nobodys' on this machine"),
        ([(1000, "alice")], [(1000, "wheel")], "map_groups", "cannot be root of the hypervisor"),
    ],
)
def test_who_is_not_here_is_refused_by_name(users: Any, groups: Any, option: str, message: str) -> None:
    with pytest.raises(Refused) as error:
        arguments({"map_users": pairs(*users), "map_groups": pairs(*groups)}, ACCOUNTS)
    assert (error.value.option, message in str(error.value)) == (option, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([(1000, "alice"), (1000, "bob")], "the id 1000 of the guest is there twice"),
        ([(-1, "alice")], "-1 is not an id of a guest"),
        ([(LAST + 1, "alice")], "is not an id of a guest"),
        ([(65534, "alice")], "65534 in the guest stands for everybody"),
        ([(1000, 0)], "cannot be root of the hypervisor"),
        ([(1000, "00")], "cannot be root of the hypervisor"),
        ([(1000, LAST + 1)], "is not an id of the hypervisor"),
    ],
)
def test_what_no_machine_can_have_is_a_problem(given: Any, message: str) -> None:
    assert message in str(problem_with(pairs(*given)))
    assert problem_with(pairs((0, "alice"), (LAST, 1))) is None


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
