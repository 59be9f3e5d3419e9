# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk image holds, byte for byte, in the time that its data takes and not its holes."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path


def bytes_of_sparse_file(path: Path) -> str:
    """A checksum of every block that is not all zeros, with its place, and of the size."""
    digest = hashlib.sha256()
    with path.open("rb") as image:
        descriptor = image.fileno()
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
        digest.update(f"size {size}\n".encode())
        at = 0
        while at < size:
            try:
                at = os.lseek(descriptor, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # only a hole is left
                    break
                raise
            end = os.lseek(descriptor, at, os.SEEK_HOLE)
            for start in range(at - at % 4096, end, 4096):
                block = os.pread(descriptor, 4096, start)
                # Reading a hole may have allocated it: zeros that are stored and holes are the same bytes.
                if block.strip(b"\0"):
                    digest.update(f"{start}\n".encode() + block)
            at = end
    return digest.hexdigest()
