# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on the partition tables of disks. One effect each."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.content import UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.erase import erase, refuse_in_use
from ansible_collections.virtio.fs.plugins.module_utils._partition.gpt import (
    delete,
    dump,
    known,
    present,
    set_type,
    sfdisk,
    tell_kernel,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import NewPartition
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target


@dataclass(frozen=True)
class WriteTable:
    """Add partitions to the GPT of a disk, or begin with a new GPT. They are marked as unfinished."""

    disk: str
    partitions: tuple[NewPartition, ...]
    sector: int
    new: bool = False
    replaced: str | None = None  # what the disk holds, where it may be overwritten

    @property
    def summary(self) -> str:
        names = ", ".join(f"{new.label} ({in_words(new.extent.size)})" for new in self.partitions)
        if self.new:
            over = f" over {self.replaced}" if self.replaced else ""
            return f"write a GPT to {self.disk}{over}, with {names}"
        return f"add to the GPT of {self.disk}: {names}"

    def apply(self, target: Target) -> None:
        if self.new:
            refuse_in_use(self.disk, self.partitions[0].label)
        else:
            dump(target, self.disk)
        if self.replaced is not None:
            erase(self.disk)
        lines = ["label: gpt"] if self.new else []
        lines += [
            f"start={new.extent.start // self.sector}, size={new.extent.size // self.sector}, "
            f'type={UNFINISHED}, name="{new.label}"'
            for new in self.partitions
        ]
        sfdisk(target, self.disk, *([] if self.new else ["--append"]), script="\n".join(lines) + "\n")


@dataclass(frozen=True)
class TellKernel:
    """Let the kernel know the partitions as they are in the table."""

    disk: str

    @property
    def summary(self) -> str:
        return f"tell the kernel about the partitions of {self.disk}"

    def apply(self, target: Target) -> None:
        tell_kernel(target, self.disk)


@dataclass(frozen=True)
class WaitForUdev:
    """Unlock the disks and wait for udev: from here on nothing writes to a device but its filesystem."""

    labels: tuple[str, ...]

    @property
    def summary(self) -> str:
        return "wait until the devices of " + ", ".join(self.labels) + " are known"

    def apply(self, target: Target) -> None:
        target.release()


@dataclass(frozen=True)
class GrowPartition:
    disk: str
    label: str
    size: int
    sector: int

    @property
    def summary(self) -> str:
        return f"enlarge the partition {self.label} of {self.disk} to {in_words(self.size)}"

    def apply(self, target: Target) -> None:
        partition = present(self.disk, self.label)
        if partition.extent.size > self.size:
            raise VirtiofsError(f"{at(self.label)}its partition is larger already, and it is never made smaller")
        dump(target, self.disk)
        sfdisk(target, self.disk, "-N", str(partition.number), script=f"size={self.size // self.sector}\n")
        target.touched.append(known(present(self.disk, self.label)).node or self.disk)


@dataclass(frozen=True)
class DeletePartition:
    """Erase the signatures of a partition, then its entry in the table."""

    disk: str
    label: str
    number: int

    @property
    def summary(self) -> str:
        return f"delete the partition {self.label} of {self.disk}, with its signatures"

    def apply(self, target: Target) -> None:
        target.lock(self.disk)
        partition = present(self.disk, self.label)
        if partition.number != self.number:
            raise VirtiofsError(f"{at(self.label)}the table of {self.disk} was changed in the meantime, run it again")
        node = known(partition).node or ""
        refuse_in_use(node, self.label)
        dump(target, self.disk)
        # From here on it is known to hold nothing, however little of this is done.
        set_type(target, self.disk, self.number, UNFINISHED)
        erase(node)
        delete(target, self.disk, self.number)
        target.touched.append(self.disk)
