# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens: files whose content follows from a nonce, written on one side and read on the other.

Because both sides can compute what has to be there, a token proves more than a checksum written beside it:
that this run wrote it, and that every byte went through.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from io import FileIO
from typing import Any, BinaryIO

from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import (
    NAME,
    Unproven,
    create,
    names,
    open_regular,
    probe_directory,
    remove_directory,
    remove_old,
    share,
    sync,
)

_BLOCK = 1 << 16
_HEADER = 1 << 10
# A guest that looked a moment ago may believe for this long that nothing is there.
_CACHE_SECONDS = 3.0
# Another guest of the same share may remove the empty directory just after we made it.
_TRIES = 5


def write(path: str, nonce: str, size: int) -> dict[str, Any]:
    """Write a token of ``size`` bytes and have it on the disk.

    :raises OSError: the share cannot be written to.
    """
    started = time.monotonic()
    with share(path) as root:
        for last in range(_TRIES):
            try:
                with probe_directory(root, make=True) as directory:
                    remove_old(directory)
                    result = _write(directory, nonce, size)
                    sync(directory)
                break
            except FileNotFoundError:
                if last == _TRIES - 1:
                    raise
        sync(root)
    return {**result, "seconds": round(time.monotonic() - started, 3)}


def check(path: str, nonce: str, size: int | None) -> dict[str, Any]:
    """Read a token, and compare every byte with what has to be there.

    :raises Unproven: it is not there, or not what was written.
    """
    started = time.monotonic()
    while True:
        try:
            result = _check(path, nonce, size)
            break
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESTALE):
                raise
            if time.monotonic() - started > _CACHE_SECONDS:
                raise Unproven(
                    f"{NAME}/{nonce}, which the other side wrote, is not there: not the same directory, "
                    "or the share is not mounted",
                    errno.errorcode[error.errno],
                ) from error
            time.sleep(0.3)
    return {**result, "seconds": round(time.monotonic() - started, 3)}


def clean(path: str, nonce: str) -> dict[str, Any]:
    """Remove the tokens of this nonce, and of those that begin with it and a dot, and what is left of old runs."""
    removed = 0
    with share(path) as root:
        try:
            with probe_directory(root, make=False) as directory:
                remove_old(directory)
                for name in names(directory):
                    if nonce and (name == nonce or name.startswith(nonce + ".")):
                        os.unlink(name, dir_fd=directory)
                        removed += 1
        except FileNotFoundError:
            # Nobody wrote anything.
            return {"removed": 0}
        remove_directory(root)
    return {"removed": removed}


def _write(directory: int, nonce: str, size: int) -> dict[str, Any]:
    with FileIO(create(directory, nonce), "r+") as file:
        status = os.fstat(file.fileno())
        header = json.dumps({"nonce": nonce, "size": size}).encode()
        digest = hashlib.sha256()
        try:
            _all(file, header.ljust(_HEADER - 1) + b"\n")
            for block in content(nonce, size):
                digest.update(block)
                _all(file, block)
            os.fsync(file.fileno())
        except OSError:
            # A full filesystem: what was written of it would only be in the way.
            os.unlink(nonce, dir_fd=directory)
            raise
    return {"sha256": digest.hexdigest(), "bytes": size, **_owner(status)}


def _all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _check(path: str, nonce: str, size: int | None) -> dict[str, Any]:
    with share(path) as root, probe_directory(root, make=False) as directory:
        file = os.fdopen(open_regular(directory, nonce), "rb")
    with file:
        status = os.fstat(file.fileno())
        reported = _reported_size(file, nonce)
        if size is not None and reported != size:
            raise Unproven(f"the token has {reported} bytes, and should have {size}")
        if status.st_size != _HEADER + reported:
            raise Unproven(f"the token is {status.st_size} bytes long, and should be {_HEADER + reported}")
        digest = hashlib.sha256()
        for number, block in enumerate(content(nonce, reported)):
            read = file.read(len(block))
            if read != block:
                raise Unproven(f"the content differs from what was written, between {_where(number, block)}")
            digest.update(read)
    return {"sha256": digest.hexdigest(), "bytes": reported, **_owner(status)}


def _reported_size(file: BinaryIO, nonce: str) -> int:
    try:
        header = json.loads(file.read(_HEADER))
        reported = header["size"] if header["nonce"] == nonce else None
    except (ValueError, KeyError, TypeError, RecursionError):
        reported = None
    if not isinstance(reported, int) or reported < 0:
        raise Unproven("what is there was not written by a probe with this nonce")
    return reported


def content(nonce: str, size: int) -> Iterator[bytes]:
    for number in range(0, size, _BLOCK):
        yield hashlib.shake_128(f"{nonce}:{number}".encode()).digest(min(_BLOCK, size - number))


def _where(number: int, block: bytes) -> str:
    return f"byte {number * _BLOCK} and {number * _BLOCK + len(block)}"


def _owner(status: os.stat_result) -> dict[str, Any]:
    return {"uid": status.st_uid, "gid": status.st_gid, "mode": f"{status.st_mode & 0o7777:04o}"}
