# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a share is like from here: owner and mode, and what works on it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import mmap
import os
import pwd
import stat
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current, holding
from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import (
    create,
    probe_directory,
    remove_directory,
    remove_old,
    share,
    temporary_name,
)


def inspect(path: str, writing: bool) -> dict[str, Any]:
    """Everything that can be told of this path; without ``writing``, what can be told without a file in it.

    A share that cannot be written to is no error here: ``writable`` says so, and ``errno`` why.
    """
    with share(path) as root:
        status, space = os.fstat(root), os.fstatvfs(root)
        mount = holding(current(), path)
        result: dict[str, Any] = {
            "uid": status.st_uid,
            "gid": status.st_gid,
            "owner": _name(lambda: pwd.getpwuid(status.st_uid).pw_name),
            "group": _name(lambda: grp.getgrgid(status.st_gid).gr_name),
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "fstype": mount.fstype if mount else None,
            "source": mount.source if mount else None,
            "mount_point": mount.path if mount else None,
            "mounted_readonly": mount.readonly if mount else None,
            "bytes_total": space.f_blocks * space.f_frsize,
            "bytes_available": space.f_bavail * space.f_frsize,
            "inodes_total": space.f_files,
            "inodes_available": space.f_favail,
        }
        return {**result, **_tried(root)} if writing else result


def _tried(root: int) -> dict[str, Any]:
    name = temporary_name()
    try:
        with probe_directory(root, make=True) as directory:
            remove_old(directory)
            file = create(directory, name)
            try:
                return {"writable": True, **_owner(file), "works": _behaviour(directory, name, file)}
            finally:
                os.close(file)
                for left in (name, name + ".link"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(left, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT):
            raise
        return {"writable": False, "errno": errno.errorcode[error.errno]}
    finally:
        with contextlib.suppress(OSError):
            remove_directory(root)


def _owner(file: int) -> dict[str, Any]:
    status = os.fstat(file)
    return {"new_file_uid": status.st_uid, "new_file_gid": status.st_gid}


def _behaviour(directory: int, name: str, file: int) -> dict[str, str | bool]:
    """For each thing: True, or the name of the error it gives."""
    os.write(file, b"virtiofs".ljust(mmap.PAGESIZE, b"."))
    return {
        "xattr": _works(lambda: _xattr(file)),
        "flock": _works(lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        "posix_lock": _works(lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        "mmap_private": _works(lambda: _map(file, mmap.MAP_PRIVATE)),
        "mmap_shared": _works(lambda: _map(file, mmap.MAP_SHARED)),
        "hard_link": _works(lambda: _link(directory, name)),
        "direct_io": _works(lambda: _direct(file)),
    }


def _works(attempt: Callable[[], Any]) -> str | bool:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unknown")
    return True


def _xattr(file: int) -> None:
    os.setxattr(file, "user.virtiofs", b"probe")
    if os.getxattr(file, "user.virtiofs") != b"probe":
        raise OSError(errno.EIO, "what was set is not what is read")


def _map(file: int, flags: int) -> None:
    with mmap.mmap(file, mmap.PAGESIZE, flags=flags) as memory:
        memory[:8] = b"mmapped!"
        if flags == mmap.MAP_SHARED:
            memory.flush()
            if os.pread(file, 8, 0) != b"mmapped!":
                raise OSError(errno.EIO, "what was written through the mapping is not in the file")


def _link(directory: int, name: str) -> None:
    # Not following: else a symbolic link in the file's place would bring a file of the host into the share.
    os.link(name, name + ".link", src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)


def _direct(file: int) -> None:
    # The file that we made, not its name: a device node may be there by now.
    again = os.open(f"/proc/self/fd/{file}", os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
    try:
        # Memory of a mapping is aligned as direct I/O wants it.
        with mmap.mmap(-1, mmap.PAGESIZE) as memory:
            os.preadv(again, [memory], 0)
    finally:
        os.close(again)


def _name(look_up: Callable[[], str]) -> str | None:
    try:
        return look_up()
    except KeyError:
        return None
