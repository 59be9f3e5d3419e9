# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that one run writes to fstab, and what stays of them when a mount fails. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry


@dataclass(frozen=True)
class Line:
    """The line of the filesystem with this label. ``old`` are the lines that it may take the place of."""

    label: str
    entry: Entry
    old: tuple[Entry, ...] = ()

    def written_to(self, text: str) -> str:
        """The text with this line.

        :raises VirtiofsError: somebody gave the mount point to something else since it was looked at.
        """
        for other in fstab.entries(text):
            if other.mount_point == self.entry.mount_point and other not in (*self.old, self.entry):
                raise VirtiofsError(
                    at(self.label, "path") + f"someone else wrote a line for {other.spec} on {other.path} to fstab "
                    "in the meantime, run it again"
                )
        return with_lines(text, (self,))

    def replaced(self, text: str) -> tuple[Entry, ...]:
        """The lines of the mount point that the filesystem had before; none when this one has a line already."""
        there = fstab.entries(text)
        before = line_of(there, self.label, self.entry.mount_point)
        return tuple(
            other
            for other in there
            if before is not None
            and mounts(other, self.label)
            and other.mount_point == before.mount_point != self.entry.mount_point
        )


def mounts(entry: Entry, label: str) -> bool:
    """Whether a line mounts the filesystem of this label. One of swap names a label too, and no mount point."""
    return entry.tag == ("LABEL", label) and entry.path.startswith("/")


class Filesystem(Protocol):
    """By what a line of fstab can name a filesystem."""

    @property
    def uuid(self) -> str | None:
        """Of the filesystem."""

    @property
    def partuuid(self) -> str | None:
        """Of its partition."""

    @property
    def node(self) -> str | None:
        """Its device."""

    @property
    def devnum(self) -> str | None:
        """The number of its device."""


def names(entry: Entry, label: str, filesystem: Filesystem, devnums: Mapping[str, str]) -> bool:
    """Whether a line is of this filesystem, however it names it. ``devnums`` are those of the nodes that lines name."""
    name, value = entry.tag or ("", "")
    if name in ("LABEL", "PARTLABEL"):
        return value == label
    if name in ("UUID", "PARTUUID"):
        known = filesystem.uuid if name == "UUID" else filesystem.partuuid
        return known is not None and value.lower() == known.lower()
    if not entry.spec.startswith("/dev/"):
        return False
    return entry.spec == filesystem.node or (
        filesystem.devnum is not None and devnums.get(entry.spec) == filesystem.devnum
    )


def line_of(entries: Iterable[Entry], label: str, mount_point: str) -> Entry | None:
    """The line for the mount point, or else the first one for the label: its mount point has changed."""
    labelled = None
    for entry in entries:
        if entry.mount_point == mount_point:
            return entry
        if labelled is None and mounts(entry, label):
            labelled = entry
    return labelled


@dataclass
class Written:
    """Lines that are in fstab now, the text that they were written to, and the mount points that still wait."""

    before: str
    lines: tuple[Line, ...]
    waiting: set[str]

    def rollback(self, now: str) -> str:
        """The text without the lines that wait: as it was, byte for byte, but for the lines that are mounted."""
        if now == with_lines(self.before, self.lines):
            return with_lines(self.before, (line for line in self.lines if line.entry.mount_point not in self.waiting))
        # Somebody else has changed another line since.
        for line in self.lines:
            if line.entry.mount_point in self.waiting:
                now = self._without(line, now)
        return now

    def _without(self, line: Line, now: str) -> str:
        old = fstab.entries(self.before)
        same = [other for other in old if other.mount_point == line.entry.mount_point]
        now = fstab.with_entry(now, same[0]) if same else fstab.without_entries(now, lambda other: other == line.entry)
        for other in line.replaced(self.before):
            now = fstab.with_entry(now, other)
        return now


def with_lines(text: str, lines: Iterable[Line]) -> str:
    for line in lines:
        replaced = line.replaced(text)
        text = fstab.with_entry(fstab.without_entries(text, replaced.__contains__), line.entry)
    return text
