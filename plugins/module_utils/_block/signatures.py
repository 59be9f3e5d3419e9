# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what is written on a device: filesystems, tables, members of something, or data that nobody knows.

Blank is what nobody knows anything about: not libblkid, not wipefs, and zero where anything would begin.
"""

from __future__ import annotations

import json
import os
import re

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run

_PROBE_SECONDS = 60

# blkid(8): nothing found, and several signatures that contradict each other.
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8


def probe(node: str, offset: int = 0, size: int | None = None) -> Content:
    """Look at a whole device, or at ``size`` bytes of it from ``offset`` on.

    :raises VirtiofsError: it cannot be read.
    """
    argv = ["blkid", "-p", "-o", "export"]
    if size is not None:
        argv += ["-O", str(offset), "-S", str(size)]
    found = run([*argv, node], timeout=_PROBE_SECONDS)
    if found.returncode not in (0, _BLKID_NOTHING, _BLKID_AMBIVALENT):
        raise VirtiofsError(f"cannot look at {node}: {found.message}")
    values = parse_export(found.stdout) if found.returncode == 0 else {}
    types = [value for value in (values.get("TYPE"), values.get("PTTYPE")) if value]
    if found.returncode == _BLKID_AMBIVALENT:
        types = ["two or more that contradict each other"]
    if size is None:
        types = merged(types, wipefs_types(node))
    return Content(
        types=tuple(types),
        fstype=values.get("TYPE"),
        label=values.get("LABEL"),
        uuid=values.get("UUID"),
        table=values.get("PTTYPE"),
        data=_has_data(node, offset, size),
    )


def parse_export(text: str) -> dict[str, str]:
    """``blkid -o export``: NAME=value lines, the value with backslashes before what a shell would touch."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: re.sub(r"\\(.)", r"\1", value) for name, equals, value in pairs if equals}


def wipefs_types(node: str) -> list[str]:
    """Every signature that wipefs would erase, without erasing one."""
    found = run(["wipefs", "--json", node], timeout=_PROBE_SECONDS)
    if found.returncode != 0:
        raise VirtiofsError(f"cannot look at {node}: {found.message}")
    if not found.stdout.strip():
        return []
    return sorted({str(signature["type"]) for signature in json.loads(found.stdout)["signatures"]})


def merged(blkid: list[str], wipefs: list[str]) -> list[str]:
    """One name for each thing: a GPT has three signatures, and one of them is called PMBR."""
    rest = [name for name in wipefs if not (name == "PMBR" and "gpt" in [*blkid, *wipefs])]
    # wipefs knows everything that made blkid give up.
    known = [name for name in blkid if name in rest or not rest]
    return known + [name for name in rest if name not in known]


def ends(node: str, offset: int = 0, size: int | None = None) -> tuple[bytes, bytes]:
    """The first and the last mebibyte of a device or of a stretch of it."""
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            length = os.lseek(descriptor, 0, os.SEEK_END) - offset if size is None else size
            part = min(MIB, length)
            return os.pread(descriptor, part, offset), os.pread(descriptor, part, offset + length - part)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot read {node}: {error.strerror}") from error


def _has_data(node: str, offset: int, size: int | None) -> bool:
    return any(part.count(0) != len(part) for part in ends(node, offset, size))
