# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change a text file so that it is the old one or the new one, whole, whatever happens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from typing import Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

_LOCK_SECONDS = 60.0
_NEW_FILE_MODE = 0o644


def read(path: str) -> str:
    """The text of a file, '' where it is missing. Bytes that are not UTF-8 survive a round trip.

    :raises VirtiofsError: it is not a regular file, or cannot be read.
    """
    try:
        # Non-blocking, so that a FIFO in the file's place cannot hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise VirtiofsError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise VirtiofsError(f"{path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        try:
            return file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise VirtiofsError(f"cannot read {path}: {error.strerror}") from error


def edit(path: str, change: Callable[[str], str], *, timeout: float = _LOCK_SECONDS) -> bool:
    """Replace the text of ``path`` by ``change(text)``; True when that made a difference.

    The file is read again under the lock, so no edit of another run is lost. Owner, mode, extended
    attributes (with them ACLs and SELinux labels) and a symbolic link to the file are kept. ``timeout`` is
    how many seconds to wait for the lock.

    :raises VirtiofsError: with the system's own message; the old file is then in place, untouched.
    """
    real = os.path.realpath(path)
    directory = os.path.dirname(real)
    with locked(directory, path, timeout) as descriptor:
        before = read(real)
        after = change(before)
        if after == before:
            return False
        try:
            _replace(real, after.encode("utf-8", "surrogateescape"))
            os.fsync(descriptor)
        except OSError as error:
            raise VirtiofsError(f"cannot write {path}: {error.strerror}") from error
    return True


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error.

    :raises VirtiofsError: with the system's own message.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise VirtiofsError(f"cannot remove {path}: {error.strerror}") from error


@contextlib.contextmanager
def locked(directory: str, path: str, timeout: float = _LOCK_SECONDS) -> Iterator[int]:
    """Hold the lock of everything that replaces this file of the directory. Yields the directory's descriptor.

    :raises VirtiofsError: somebody else held it for all the ``timeout`` seconds.
    """
    # The lock is on the directory: the file itself is replaced under the feet of who waits for it, and a
    # lock file of its own would stay behind.
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise VirtiofsError(f"cannot open the directory of {path}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise VirtiofsError(f"{path} is locked by another process for over {timeout:g} seconds") from error
                time.sleep(0.05)
            except OSError as error:
                raise VirtiofsError(f"cannot lock the directory of {path}: {error.strerror}") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(path: str, content: bytes) -> None:
    directory, name = os.path.split(path)
    # Always the same name: under the lock it can only be what a killed run left, so it is ours to remove.
    temporary = os.path.join(directory, f".{name}.virtiofs")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[os.write(descriptor, remaining) :]
            _keep_attributes(path, descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _keep_attributes(path: str, descriptor: int) -> None:
    try:
        old = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, _NEW_FILE_MODE)
        return
    os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return
        raise
    for name in names:
        os.setxattr(descriptor, name, os.getxattr(path, name))
