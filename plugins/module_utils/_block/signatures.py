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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, run

_PROBE_SECONDS = 60

# blkid(8): nothing found, and several signatures that contradict each other.
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8

# Old versions of blkid have room for 128.
_DEVICES_AT_ONCE = 100


class Signatures:
    """What is written on the devices of one reading: one blkid and one wipefs for all that are looked at together.

    From these only what they found is taken. That a device holds nothing is never concluded from an answer about
    several, as it may be formatted for that: such a device is then looked at alone.
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = {}
        self._types: dict[str, list[str]] = {}

    def look_at(self, nodes: Iterable[str], labels_of: Iterable[str] = ()) -> None:
        """At all of each of ``nodes``, and at what blkid alone knows of ``labels_of``."""
        whole = list(nodes)
        self._values.update(values_of([*whole, *labels_of]))
        self._types.update(_wipefs_types_of(whole))

    def values(self, node: str) -> Mapping[str, str]:
        """What blkid knows of a device, by its names of it; nothing where several things contradict each other."""
        return self._values[node] if node in self._values else values_of([node]).get(node, {})

    def content(self, node: str) -> Content:
        """:raises VirtiofsError: it cannot be read."""
        if node not in self._values or node not in self._types:
            return probe(node)
        values = self._values[node]
        return _content(values, merged(_types(values), self._types[node]), _has_data(node, 0, None))


def probe(node: str, offset: int = 0, size: int | None = None) -> Content:
    """Look at a whole device, or at ``size`` bytes of it from ``offset`` on.

    :raises VirtiofsError: it cannot be read.
    """
    place = [] if size is None else ["-O", str(offset), "-S", str(size)]
    found = run(["blkid", "-p", "-o", "export", *place, node], timeout=_PROBE_SECONDS)
    if found.returncode not in (0, _BLKID_NOTHING, _BLKID_AMBIVALENT):
        raise VirtiofsError(f"cannot look at {node}: {found.message}")
    values = parse_export(found.stdout) if found.returncode == 0 else {}
    types = _types(values)
    if found.returncode == _BLKID_AMBIVALENT:
        types = ["two or more that contradict each other"]
    if size is None:
        types = merged(types, wipefs_types(node))
    return _content(values, types, _has_data(node, offset, size))


def _types(values: Mapping[str, str]) -> list[str]:
    return [value for value in (values.get("TYPE"), values.get("PTTYPE")) if value]


def _content(values: Mapping[str, str], types: Sequence[str], data: bool) -> Content:
    return Content(
        types=tuple(types),
        fstype=values.get("TYPE"),
        label=values.get("LABEL"),
        uuid=values.get("UUID"),
        table=values.get("PTTYPE"),
        data=data,
    )


def values_of(nodes: Iterable[str]) -> dict[str, dict[str, str]]:
    """What blkid knows, of each device that it knows anything of.

    Asked about several, it ends at the first that it knows nothing of or finds contradictions on, without a word on
    those behind it (seen with util-linux 2.38 and 2.41); these it is asked again.
    """
    found = {}
    pending = list(dict.fromkeys(nodes))
    while pending:
        asked = pending[:_DEVICES_AT_ONCE]
        answered = _blkid(asked)
        found.update(answered)
        unanswered = [node for node in asked if node not in answered]
        pending = unanswered[1:] + pending[len(asked) :]
    return found


def _blkid(nodes: Sequence[str]) -> dict[str, dict[str, str]]:
    """The answers up to the first device without one; of a single device, whether it has one.

    :raises CommandTimeout: one of them does not answer in time. It is named.
    """
    try:
        found = run(["blkid", "-p", "-o", "export", *nodes], timeout=_PROBE_SECONDS)
    except CommandTimeout:
        if len(nodes) == 1:
            raise
        return _one_by_one(nodes)
    if len(nodes) == 1:
        return {nodes[0]: parse_export(found.stdout)} if found.returncode == 0 else {}
    answers = parse_exports(found.stdout)
    known = found.returncode in (0, _BLKID_NOTHING, _BLKID_AMBIVALENT)
    return dict(answers) if known and _are_of(answers, nodes) else _one_by_one(nodes)


def _one_by_one(nodes: Sequence[str]) -> dict[str, dict[str, str]]:
    return {name: values for node in nodes for name, values in _blkid([node]).items()}


def _are_of(answers: Sequence[tuple[str, dict[str, str]]], nodes: Sequence[str]) -> bool:
    names = [name for name, values in answers]
    return len(names) == len(set(names)) and set(names) <= set(nodes)


def parse_export(text: str) -> dict[str, str]:
    """``blkid -o export``: NAME=value lines, the value with backslashes before what a shell would touch."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: re.sub(r"\\(.)", r"\1", value) for name, equals, value in pairs if equals}


def parse_exports(text: str) -> list[tuple[str, dict[str, str]]]:
    """The same of several devices, each with its name, which is the first value of each."""
    parts = re.split(r"^DEVNAME=(.*)\n", text, flags=re.M)
    return [(name, parse_export(f"DEVNAME={name}\n{rest}")) for name, rest in zip(parts[1::2], parts[2::2])]


def _wipefs_types_of(nodes: Sequence[str]) -> dict[str, list[str]]:
    """As :func:`wipefs_types`, of each device that has a signature. One that cannot be read spoils the answer for all.

    wipefs names a device by the last part of its path alone.
    """
    names = Counter(os.path.basename(node) for node in nodes)
    alone = {os.path.basename(node): node for node in nodes if names[os.path.basename(node)] == 1}
    types: dict[str, set[str]] = {}
    for start in range(0, len(alone), _DEVICES_AT_ONCE):
        try:
            asked = list(alone.values())[start : start + _DEVICES_AT_ONCE]
            found = run(["wipefs", "--json", "--output", "DEVICE,TYPE", *asked], timeout=_PROBE_SECONDS)
        except CommandTimeout:
            continue
        if found.returncode == 0 and found.stdout.strip():
            for signature in json.loads(found.stdout)["signatures"]:
                if signature["device"] in alone:
                    types.setdefault(alone[signature["device"]], set()).add(str(signature["type"]))
    return {node: sorted(found_types) for node, found_types in types.items()}


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
