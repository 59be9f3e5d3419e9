# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a filesystem says of itself: its superblock on disk, or the kernel where that is behind."""

from __future__ import annotations

import fcntl
import os
import struct

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import EXT, Superblock
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# _IOR('X', 100, struct xfs_fsop_geom_v1), xfsprogs' xfs_fs.h.
_XFS_GEOMETRY = 0x80705864


def read_superblock(fstype: str | None, node: str, offset: int = 0) -> Superblock | None:
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


def read_mounted_size(fstype: str, path: str) -> int | None:
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
