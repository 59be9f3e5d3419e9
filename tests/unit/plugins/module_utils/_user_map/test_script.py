# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What virtiofsd is told of a map, and the script that tells it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._user_map.script import place, script, translations
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import Pair

LAST = 4294967294


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
