# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about each kind of filesystem. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB

DEFAULT = "ext4"


@dataclass(frozen=True)
class Kind:
    """``label_bytes`` is what mkfs would silently cut a label to, ``least`` the smallest size it takes."""

    label_bytes: int
    least: int
    package: str


KINDS = {
    "ext4": Kind(label_bytes=16, least=8 * MIB, package="e2fsprogs"),
    "xfs": Kind(label_bytes=12, least=300 * MIB, package="xfsprogs"),
    # The filesystem would take 255, the name of a GPT partition holds 36.
    "btrfs": Kind(label_bytes=36, least=128 * MIB, package="btrfs-progs"),
}


# What mkfs.ext4 makes is one of these by its features, and the same commands look after all of them.
EXT = ("ext2", "ext3", "ext4")

# What is used as it is where it has the label of an item: ext4 was ext3 once. Members of something, containers and
# swap have labels too (LUKS, ZFS, RAID), and are never an item's filesystem.
TAKEN = frozenset({*KINDS, *EXT})


@dataclass(frozen=True)
class Superblock:
    """What a filesystem says about itself: its size in bytes, and for ext4 the reserved percentage."""

    size: int
    reserved_percent: int | None = None


@dataclass(frozen=True)
class NewFilesystem:
    """One that is to be made. ``reserved_percent`` is for ext4, ``options`` are more arguments for mkfs."""

    label: str
    fstype: str
    reserved_percent: int | None = None
    options: tuple[str, ...] = ()
