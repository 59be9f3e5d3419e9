# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom an item names, asked of this machine."""

from __future__ import annotations

import grp

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.read_owners import read_gids, read_uids
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition


def item(label: str = "data", **options: str) -> WantedPartition:
    return WantedPartition(label, f"/shared/{label}", owner=options.get("owner"), group=options.get("group"))


def test_names_and_numbers_by_label() -> None:
    items = [item("a", owner="root", group=grp.getgrgid(0).gr_name), item("b", owner="7", group="8"), item("c")]
    assert read_uids(items) == {"a": 0, "b": 7}
    assert read_gids(items) == {"a": 0, "b": 8}


@pytest.mark.parametrize("name", ["nobody-here", "²", "4294967295", "a\0b", ""])
def test_one_that_is_not_there_is_named_with_the_item_and_the_option(name: str) -> None:
    with pytest.raises(VirtiofsError, match=r"^data, owner: there is no user "):
        read_uids([item(owner=name)])
    with pytest.raises(VirtiofsError, match=r"^data, group: there is no group "):
        read_gids([item(group=name)])
