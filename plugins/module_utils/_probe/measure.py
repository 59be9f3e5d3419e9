# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast a share is: one big file in sequence, many small ones, all with fsync."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import (
    create,
    open_regular,
    probe_directory,
    remove_directory,
    remove_old,
    share,
    temporary_name,
)

_BLOCK = 1 << 20
_SMALL_FILES = 200
_SMALL_BYTES = 4096
# Of the time there is, for each of the four parts; the rest is for what a part does past its time.
_PART = 0.15


def measure(path: str, size: int, seconds: float) -> dict[str, Any]:
    """Figures for this path. Each part stops early when its time is over, and tells what it did until then.

    :raises OSError: the share cannot be written to.
    """
    part = seconds * _PART
    with share(path) as root:
        try:
            with probe_directory(root, make=True) as directory:
                remove_old(directory)
                return {**_sequential(directory, size, part), **_small_files(directory, part)}
        finally:
            with contextlib.suppress(OSError):
                remove_directory(root)


def _sequential(directory: int, size: int, part: float) -> dict[str, Any]:
    name = temporary_name()
    # Not zeros, which a filesystem may leave out.
    block = os.urandom(_BLOCK)
    file = create(directory, name)
    try:
        started = time.monotonic()
        written = 0
        while written < size and time.monotonic() - started < part:
            written += os.write(file, block[: size - written])
        os.fsync(file)
        write_seconds = time.monotonic() - started
        # Else the cache of this side would be measured. It keeps what the other side has cached.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(file, 0, os.SEEK_SET)
        started = time.monotonic()
        read = 0
        while read < written and time.monotonic() - started < part:
            got = len(os.read(file, _BLOCK))
            if got == 0:
                raise OSError(f"the file ended after {read} of {written} bytes")
            read += got
        read_seconds = time.monotonic() - started
    finally:
        os.close(file)
        os.unlink(name, dir_fd=directory)
    return {
        "bytes": written,
        "write_mib_per_second": _rate(written / _BLOCK, write_seconds),
        "read_mib_per_second": _rate(read / _BLOCK, read_seconds),
    }


def _small_files(directory: int, part: float) -> dict[str, Any]:
    content = os.urandom(_SMALL_BYTES)
    made: list[str] = []
    try:
        started = time.monotonic()
        while len(made) < _SMALL_FILES and time.monotonic() - started < part:
            name = temporary_name()
            with os.fdopen(create(directory, name), "wb", buffering=0) as file:
                made.append(name)
                file.write(content)
                os.fsync(file.fileno())
        make_seconds = time.monotonic() - started
        started = time.monotonic()
        read = 0
        for name in made:
            if time.monotonic() - started >= part:
                break
            with os.fdopen(open_regular(directory, name), "rb") as file:
                # One byte more than there should be, not all: the other side may have made it huge.
                if file.read(_SMALL_BYTES + 1) != content:
                    raise OSError("a small file has another content than was written to it")
            read += 1
        read_seconds = time.monotonic() - started
    finally:
        started = time.monotonic()
        for name in made:
            os.unlink(name, dir_fd=directory)
        remove_seconds = time.monotonic() - started
    return {
        "files": len(made),
        "create_files_per_second": _rate(len(made), make_seconds),
        "read_files_per_second": _rate(read, read_seconds),
        "remove_files_per_second": _rate(len(made), remove_seconds),
    }


def _rate(amount: float, seconds: float) -> float:
    return round(amount / max(seconds, 1e-6), 1)
