# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory in a share where probes work, opened so that the other side cannot lead us elsewhere.

Root of the guest can plant anything in a share while the host works in it. So every step down is openat(2)
without following links, a file is known to be a regular one before it is opened, and no path is used twice.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current

NAME = ".virtiofs-probe"

# What a run left that was cut off: older than any run lasts.
_STALE_SECONDS = 3600
_ENTRIES = 10_000

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unproven(Exception):
    """Something answered, but not what it has to. ``name`` is the errno's where there was one."""

    def __init__(self, sentence: str, name: str | None = None) -> None:
        super().__init__(sentence)
        self.name = name


@contextlib.contextmanager
def share(path: str) -> Iterator[int]:
    """The directory that is shared, open for reading, reached without any symbolic link."""
    here = os.open("/", _OPEN)
    try:
        for name in filter(None, path.split("/")):
            try:
                below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            except OSError as error:
                raise _explained(error, path, name) from error
            os.close(here)
            here = below
        # What O_PATH opened cannot be listed or synced.
        below = os.open(".", _OPEN, dir_fd=here)
        os.close(here)
        here = below
        yield here
    finally:
        os.close(here)


def require_mounted(path: str, tag: str) -> None:
    """Refuse to go on where the share with this tag is not what is mounted on the path.

    Asks the directory that was opened, not the path: what is mounted on demand is there by then.

    :raises Unproven: what is there instead.
    """
    with share(path) as root, open(f"/proc/self/fdinfo/{root}", encoding="ascii") as file:
        mount_id = int(next(line.split()[1] for line in file if line.startswith("mnt_id:")))
    mount = next((mount for mount in current() if mount.mount_id == mount_id), None)
    if mount is None or mount.path != path:
        raise Unproven(f"the share {tag} is not mounted on {path}: nothing is mounted there")
    if (mount.fstype, mount.source) != ("virtiofs", tag):
        raise Unproven(f"the share {tag} is not mounted on {path}: {mount.source} ({mount.fstype}) is")


@contextlib.contextmanager
def probe_directory(root: int, make: bool) -> Iterator[int]:
    """The probes' directory in an open share. Made with the owner of the share, and as open as it is.

    With a uid mapping, root of the guest could not write into a directory of root of the host.
    """
    made = False
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(NAME, 0o700, dir_fd=root)
            made = True
    try:
        directory = os.open(NAME, _OPEN, dir_fd=root)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Unproven(f"{NAME} in the share is not a directory, somebody put something else there") from error
        raise
    try:
        above, here = os.fstat(root), os.fstat(directory)
        if above.st_dev != here.st_dev:
            raise Unproven(f"something is mounted on {NAME} in the share")
        if made:
            _like(directory, above)
        yield directory
    finally:
        os.close(directory)


def remove_directory(root: int) -> None:
    """Leave no directory behind that is empty; one that is in use stays."""
    try:
        os.rmdir(NAME, dir_fd=root)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EROFS):
            raise


def create(directory: int, name: str) -> int:
    """A new file, open for reading and writing, with the owner of its directory and readable for all."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        above = os.fstat(directory)
        if os.geteuid() == 0 and os.fstat(file).st_uid != above.st_uid:
            # Not allowed where root is mapped or squashed: then it belongs to whom it belongs.
            with contextlib.suppress(PermissionError):
                os.fchown(file, above.st_uid, above.st_gid)
        os.fchmod(file, 0o644)
    except BaseException:
        os.close(file)
        raise
    return file


def open_regular(directory: int, name: str) -> int:
    """An existing regular file, open for reading. Nothing else is opened: a device node may act on it."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise Unproven(f"{NAME}/{name} is not a regular file, somebody put something else there")
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(found)


def remove_old(directory: int) -> None:
    """Remove what runs left that were cut off."""
    for name in names(directory):
        with contextlib.suppress(OSError):
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < time.time() - _STALE_SECONDS:
                os.unlink(name, dir_fd=directory)


def names(directory: int) -> list[str]:
    """What is in it; of very many, the first few: the other side decides how many there are."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            found.append(entry.name)
            if len(found) == _ENTRIES:
                break
    return found


def sync(directory: int) -> None:
    try:
        os.fsync(directory)
    except OSError as error:
        # Not every filesystem under a share can sync a directory; the file is synced all the same.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def temporary_name() -> str:
    return f"temporary-{secrets.token_hex(8)}"


def _like(directory: int, above: os.stat_result) -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):
            os.fchown(directory, above.st_uid, above.st_gid)
    with contextlib.suppress(PermissionError):
        os.fchmod(directory, stat.S_IMODE(above.st_mode) & 0o1777 | 0o700)


def _explained(error: OSError, path: str, name: str) -> Exception:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Unproven(f"{name} in {path} is a symbolic link, or no directory: give the path that it means")
    if error.errno == errno.ENOENT:
        return Unproven(f"there is no directory {path}", "ENOENT")
    return error
