# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about each kind of filesystem, and the commands that make and enlarge one."""

from __future__ import annotations

import fcntl
import os
import struct
import uuid
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import probe
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check

DEFAULT = "ext4"

# The longest is a slow disk that discards every block first.
_MAKE_SECONDS = 3600
_GROW_SECONDS = 3600

# _IOR('X', 100, struct xfs_fsop_geom_v1), xfsprogs' xfs_fs.h.
_XFS_GEOMETRY = 0x80705864


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

    def make(self, node: str, identity: uuid.UUID) -> None:
        """Make it, over whatever is there: the caller has looked.

        :raises VirtiofsError: with mkfs' own message, or because its options made it something else.
        """
        commands = {
            # -F once: a whole device is fine. A mounted one would need it twice.
            "ext4": ["mkfs.ext4", "-q", "-F", "-L", self.label, "-U", str(identity)]
            + ["-m", str(1 if self.reserved_percent is None else self.reserved_percent)],
            "xfs": ["mkfs.xfs", "-q", "-f", "-L", self.label, "-m", f"uuid={identity}"],
            "btrfs": ["mkfs.btrfs", "-q", "-f", "-L", self.label, "-U", str(identity)],
        }
        check([*commands[self.fstype], *self.options, node], timeout=_MAKE_SECONDS)
        made = probe(node)
        if (made.label, made.uuid) != (self.label, str(identity)):
            # Nobody would find it by its label. Without a signature the next run may make another one.
            check(["wipefs", "--all", "--quiet", node], timeout=60)
            options = " ".join(self.options)
            raise VirtiofsError(
                f"{self.label}, mkfs_options: with {options!r}, mkfs.{self.fstype} made {made.description}, and not a "
                f"whole filesystem with this label and the UUID {identity}; it was erased again"
            )


def grow(fstype: str, node: str, path: str) -> None:
    """Enlarge a mounted filesystem to the size of its device."""
    commands = {
        **{kind: ["resize2fs", node] for kind in EXT},
        "xfs": ["xfs_growfs", "-d", path],
        "btrfs": ["btrfs", "filesystem", "resize", "max", path],
    }
    check(commands[fstype], timeout=_GROW_SECONDS)


def superblock(fstype: str | None, node: str, offset: int = 0) -> Superblock | None:
    """The superblock of a filesystem that is there; None for one that we cannot read.

    :raises VirtiofsError: the device cannot be read.
    """
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = os.pread(descriptor, 128 * 1024, offset)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot read {node}: {error.strerror}") from error
    return parsed_superblock(fstype, first)


def parsed_superblock(fstype: str | None, first: bytes) -> Superblock | None:
    """From the first 128 KiB of a filesystem. Pure."""
    if len(first) < 128 * 1024:
        return None
    if fstype in EXT:
        # struct ext4_super_block: Linux, Documentation/filesystems/ext4/super.rst.
        low, reserved_low = struct.unpack_from("<II", first, 1024 + 0x4)
        (log_block,) = struct.unpack_from("<I", first, 1024 + 0x18)
        (incompatible,) = struct.unpack_from("<I", first, 1024 + 0x60)
        high, reserved_high = struct.unpack_from("<II", first, 1024 + 0x150)
        if not incompatible & 0x80:  # 64bit
            high = reserved_high = 0
        blocks, reserved = low | high << 32, reserved_low | reserved_high << 32
        percent = -(-reserved * 100 // blocks) if blocks else None
        return Superblock(blocks * (1024 << log_block), percent)
    if fstype == "xfs":
        (block_size,) = struct.unpack_from(">I", first, 4)
        (blocks,) = struct.unpack_from(">Q", first, 8)
        return Superblock(blocks * block_size)
    if fstype == "btrfs":
        # struct btrfs_super_block: total_bytes of the device is in the embedded dev_item.
        (size,) = struct.unpack_from("<Q", first, 64 * 1024 + 0xC9 + 8)
        return Superblock(size)
    return None


def mounted_size(fstype: str, path: str) -> int | None:
    """The size in bytes of a mounted filesystem, where its superblock on disk may be behind."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise VirtiofsError(f"cannot open {path}: {error.strerror}") from error
    try:
        if fstype == "xfs":
            geometry = bytearray(112)
            fcntl.ioctl(descriptor, _XFS_GEOMETRY, geometry)
            (block_size,) = struct.unpack_from("=I", geometry, 0)
            (blocks,) = struct.unpack_from("=Q", geometry, 32)
            return int(block_size * blocks)
        if fstype == "btrfs":
            status = os.fstatvfs(descriptor)
            return status.f_blocks * status.f_frsize
    except OSError as error:
        raise VirtiofsError(f"cannot ask {path} for its size: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return None
