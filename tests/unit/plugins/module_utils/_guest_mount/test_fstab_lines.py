# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lines of fstab belong to an item, and what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import (
    ShareLine,
    lines_of_no_item,
    lines_on,
    same_line,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries
from ansible_collections.virtio.fs.tests.unit.guest_machine import ENTRY, LINE, wanted_mounts

_THEIRS = "host:/x /srv//media/ nfs ro 0 0\n"


def test_a_line_of_somebody_else_that_came_meanwhile_stays() -> None:
    with pytest.raises(VirtiofsError) as caught:
        ShareLine(ENTRY).written_to(_THEIRS)
    assert str(caught.value) == (
        "share media, path: someone else wrote a line for host:/x (nfs) on /srv/media to fstab in the meantime, "
        "run it again"
    )


def test_a_line_of_the_share_is_replaced_whatever_it_had_become() -> None:
    assert ShareLine(ENTRY).written_to("# first\nmedia /srv/media/ virtiofs ro\n") == (
        "# first\nmedia /srv/media virtiofs rw,_netdev,nosuid,nodev,nofail 0 0\n"
    )


def test_the_lines_on_a_mount_point_are_the_items_own_and_those_of_others() -> None:
    (item,) = wanted_mounts({}).mounts
    second = "media /srv/../srv/media virtiofs ro\n"
    found = lines_on(LINE + _THEIRS + second + "media /elsewhere virtiofs rw\n", item)
    assert found.own == (ENTRY, Entry("media", "/srv/../srv/media", "virtiofs", ("ro",)))
    assert found.last == found.own[1]
    assert found.others == entries(_THEIRS)
    assert lines_on("", item).last is None


def test_a_line_is_an_items_by_its_tag_and_its_path() -> None:
    other = replace(ENTRY, path="/elsewhere")
    third = replace(ENTRY, spec="vm1")
    assert lines_of_no_item([ENTRY, other, third], wanted_mounts({}).mounts) == (other, third)


def test_the_order_of_options_is_no_difference() -> None:
    assert same_line(replace(ENTRY, options=ENTRY.options[::-1], path="/srv/media/"), ENTRY)
    assert not same_line(replace(ENTRY, options=("ro",)), ENTRY)
    assert not same_line(replace(ENTRY, passno=2), ENTRY)
    assert not same_line(None, ENTRY)
