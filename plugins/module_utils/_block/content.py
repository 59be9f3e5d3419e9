# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be on a device, as a value: filesystems, tables, members of something, or data that nobody knows. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# GPT types. The second one is ours alone: between writing the table and the end of mkfs a partition has it,
# so the next run knows what it may complete, and everybody else that there is nothing to mount yet.
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
UNFINISHED = "23C66744-549D-4C00-8FAE-58E95F8B679C"


@dataclass(frozen=True)
class Content:
    """What was found. ``types`` names every signature; ``data`` says that something is there without one."""

    types: tuple[str, ...] = ()
    fstype: str | None = None
    label: str | None = None
    uuid: str | None = None
    table: str | None = None
    data: bool = False

    @property
    def blank(self) -> bool:
        return not self.types and not self.data

    @property
    def description(self) -> str:
        if len(self.types) > 1:
            return "several signatures (" + ", ".join(self.types) + ")"
        if self.table is not None:
            return f"a partition table ({self.table})"
        if self.types:
            label = f" labelled {self.label}" if self.label else ""
            return f"{self.types[0]}{label}"
        return "data that no tool knows" if self.data else "nothing"
