# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a directory can be changed at all: the immutable flag, ioctl_iflags(2).

A bare mount point that is immutable cannot be filled by a guest when its filesystem is not there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import struct

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

_FS_IMMUTABLE_FL = 0x10

# Filesystems without flags (tmpfs before Linux 6.6, NFS, overlayfs over them), and kernels that lack the call.
_NO_FLAGS = (errno.ENOTTY, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def _request(number: int, read: bool) -> int:
    # _IOR('f', 1, long) and _IOW('f', 2, long), asm-generic/ioctl.h and its older relatives.
    old = platform.machine().startswith(("ppc", "mips", "sparc", "alpha"))
    direction = (2 if read else 4) << 29 if old else (2 if read else 1) << 30
    return direction | struct.calcsize("l") << 16 | ord("f") << 8 | number


def is_immutable(path: str) -> bool | None:
    """None where the filesystem has no such flag, or there is no such directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VirtiofsError(f"cannot open {path}: {error.strerror}") from error
    try:
        return bool(_flags(descriptor) & _FS_IMMUTABLE_FL)
    except OSError as error:
        if error.errno in _NO_FLAGS:
            return None
        raise VirtiofsError(f"cannot read the flags of {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def set_immutable(path: str, immutable: bool) -> bool:
    """Set or take off the flag of a directory. False where the filesystem has no such flag.

    :raises VirtiofsError: it does, and refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            before = _flags(descriptor)
            after = before | _FS_IMMUTABLE_FL if immutable else before & ~_FS_IMMUTABLE_FL
            if after != before:
                # The kernel takes an int, whatever the request's number says.
                fcntl.ioctl(descriptor, _request(2, read=False), struct.pack("=i4x", after))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _NO_FLAGS:
            return False
        what = f"make {path} immutable" if immutable else f"stop {path} being immutable"
        raise VirtiofsError(f"cannot {what}: {error.strerror}") from error
    return True


def _flags(descriptor: int) -> int:
    answer = fcntl.ioctl(descriptor, _request(1, read=True), bytes(8))
    return int(struct.unpack_from("=i", answer)[0])
