# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of fstab that are shares: which item has which, and the last look when one is written. Pure.

What a line says is decided by ``WantedMount.line``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import WantedMount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries, with_entry


@dataclass(frozen=True)
class ShareLine:
    """The line to write for one share. It takes the place of that share's older line, and of no other."""

    entry: Entry

    def written_to(self, text: str) -> str:
        """The text of fstab with this line.

        :raises VirtiofsError: the mount point has a line of something else, which was not there when this was planned.
        """
        ours = (self.entry.spec, self.entry.fstype)
        for other in entries(text):
            if other.mount_point == self.entry.mount_point and (other.spec, other.fstype) != ours:
                raise VirtiofsError(
                    at(f"share {self.entry.spec}", "path") + "someone else wrote a line for "
                    f"{other.spec} ({other.fstype}) on {other.mount_point} to fstab in the meantime, run it again"
                )
        return with_entry(text, self.entry)


@dataclass(frozen=True)
class Lines:
    """The lines of fstab on the mount point of an item: those of its share, and those of something else."""

    own: tuple[Entry, ...]
    others: tuple[Entry, ...]

    @property
    def last(self) -> Entry | None:
        """Of several of its own the last counts."""
        return self.own[-1] if self.own else None


def lines_on(text: str, item: WantedMount) -> Lines:
    """The lines on the mount point of this item."""
    there = [entry for entry in entries(text) if entry.mount_point == item.path]
    own = tuple(entry for entry in there if is_share_line(entry) and entry.spec == item.tag)
    return Lines(own, tuple(entry for entry in there if entry not in own))


def is_share_line(entry: Entry) -> bool:
    return entry.fstype == "virtiofs"


def lines_of_no_item(lines: Iterable[Entry], items: Iterable[WantedMount]) -> tuple[Entry, ...]:
    """Those of these lines that no item names by its tag and path."""
    listed = {(item.tag, item.path) for item in items}
    return tuple(entry for entry in lines if (entry.spec, entry.mount_point) not in listed)


def same_line(line: Entry | None, entry: Entry) -> bool:
    """Whether the line says what ``entry`` says, whatever the order of its options."""
    return line is not None and (
        (line.spec, line.mount_point, line.fstype, frozenset(line.options), line.dump, line.passno)
        == (entry.spec, entry.mount_point, entry.fstype, frozenset(entry.options), entry.dump, entry.passno)
    )
