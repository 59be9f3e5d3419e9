# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about each kind of filesystem."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import DEFAULT, EXT, KINDS, TAKEN
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB


def test_what_a_new_filesystem_can_be() -> None:
    assert set(KINDS) == {"ext4", "xfs", "btrfs"}
    assert DEFAULT in KINDS
    # The name of a GPT partition holds 36 characters.
    assert {name: kind.label_bytes for name, kind in KINDS.items()} == {"ext4": 16, "xfs": 12, "btrfs": 36}
    assert {name: kind.least for name, kind in KINDS.items()} == {"ext4": 8 * MIB, "xfs": 300 * MIB, "btrfs": 128 * MIB}


def test_what_is_taken_over_is_a_filesystem_and_never_a_container() -> None:
    assert {"ext4", "xfs", "btrfs", *EXT} == TAKEN
    assert not {"crypto_LUKS", "LVM2_member", "swap", "linux_raid_member", "zfs_member", "vfat"} & TAKEN
