# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of a guest for the items that stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.leaving import after_leaving, layers
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import GuestState
from ansible_collections.virtio.fs.tests.unit.guest_machine import AUTOFS, LINE, LIVE, ROOT, guest, mount, wanted_mounts

UPPER = replace(LIVE, mount_id=11, parent_id=10)


def after(guest_state: GuestState, **item: Any) -> GuestState:
    return after_leaving(guest_state, wanted_mounts(item).mounts)


def test_the_layers_of_a_share_end_at_something_else() -> None:
    assert layers((ROOT, LIVE, UPPER), "media", "/srv/media") == (UPPER, LIVE)
    assert layers((ROOT, LIVE, replace(UPPER, source="vm1")), "media", "/srv/media") == ()
    assert layers((ROOT, LIVE, replace(UPPER, root="/below")), "media", "/srv/media") == ()


def test_what_is_absent_leaves_neither_mount_nor_line() -> None:
    state = guest(LIVE, UPPER, fstab="# first\n" + LINE + "vm1 /mnt virtiofs rw\n")
    assert after(state, state="absent") == replace(state, mounts=(ROOT,), fstab="# first\nvm1 /mnt virtiofs rw\n")


def test_what_is_unmounted_keeps_its_line() -> None:
    state = guest(LIVE, fstab=LINE)
    assert after(state, state="unmounted") == replace(state, mounts=(ROOT,))


def test_an_automount_is_stopped_where_a_line_says_that_it_is_of_the_share() -> None:
    mounted = replace(LIVE, parent_id=9)
    assert after(guest(AUTOFS, mounted, fstab=LINE), state="absent").mounts == (ROOT,)
    assert after(guest(AUTOFS, mounted), state="absent").mounts == (ROOT, AUTOFS)


def test_what_is_of_others_stays() -> None:
    state = guest(mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\nhost:/x /srv/media nfs rw\n")
    assert after(state, state="absent") == state
