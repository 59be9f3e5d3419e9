# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose ids are whose, checked before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import Accounts, Pair, wanted

LAST = 4294967294
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


def options(*maps: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"maps": list(maps), "virtiofsd": None, "directory": "/usr/sbin", **given}


def test_names_are_those_of_this_machine_and_groups_follow():
    (found,) = wanted(options(item((1000, "alice"), (1001, "2001"))), ACCOUNTS).maps
    assert found.users == (Pair(1000, 2000), Pair(1001, 2001))
    assert found.groups == (Pair(1000, 3000), Pair(1001, 3001))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (item((1000, "carol")), "users: there is no 'carol' on this machine"),
        (item((1000, "alice"), (1000, "bob")), "1000 of the guest is there twice"),
        (item((-1, "alice")), "-1 is not an id"),
        (item((LAST + 1, "alice")), "is not an id"),
        (item((65534, "alice")), "65534 in the guest stands for everybody"),
        (item((1000, "root")), "cannot be root of the hypervisor"),
        (item((1000, 0)), "cannot be root of the hypervisor"),
        (item((1000, "00")), "cannot be root of the hypervisor"),
        (item((1000, LAST + 1)), "is not an id"),
        (item((1000, "alice; rm -rf /")), "there is no 'alice; rm -rf /' on this machine"),
        (item((1000, 4711)), "users: there is no user 4711 on this machine, whose group could be taken: give groups"),
        (item((1000, 7)), "primary group is root's"),
        (item((1000, "alice"), groups=[(1000, "wheel")]), "groups: there is no 'wheel' on this machine"),
        (item((1000, "alice"), groups=[]), "users and groups, or an empty list of both"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], message: str):
    with pytest.raises(VirtiofsError, match=r"^maps, homes, ") as error:
        wanted(options(given), ACCOUNTS)
    assert message in str(error.value)
