# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real mount that never answers, as under a dead virtiofsd.

The kernel's FUSE protocol spoken by hand (include/uapi/linux/fuse.h): a daemon that takes every request
and answers only the first, FUSE_INIT. A process that touches the mount is then in uninterruptible sleep and
survives SIGKILL, until the connection is aborted.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_INIT = 26
_DETACH = 2


@contextmanager
def unresponsive_filesystem(path: str, source: str = "unresponsive") -> Iterator[int]:
    """Mounted on ``path`` for as long as the block lasts. Yields the pid of its daemon."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    data = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(source.encode(), path.encode(), b"fuse", 0, data.encode()) != 0:
        os.close(device)
        raise OSError(ctypes.get_errno(), "cannot mount a FUSE filesystem", path)
    daemon = os.fork()
    if daemon == 0:
        try:
            _serve(device)
        finally:
            os._exit(0)
    # The connection ends, and whoever waits gets ENOTCONN, when nobody has the device open.
    os.close(device)
    try:
        yield daemon
    finally:
        with suppress(ProcessLookupError):
            os.kill(daemon, 9)
        os.waitpid(daemon, 0)
        libc.umount2(path.encode(), _DETACH)


def _serve(device: int) -> None:
    while True:
        request = os.read(device, 1 << 20)
        _length, opcode, unique = struct.unpack_from("<IIQ", request)
        if opcode == _INIT:
            # major, minor, max_readahead, flags, max_background, congestion_threshold, max_write
            body = struct.pack("<IIIIHHI40x", 7, 31, 0, 0, 0, 0, 1 << 17)
            os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
