# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on disks: tables, filesystems, and taking both away. One effect each."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block import filesystem as block_filesystem
from ansible_collections.virtio.fs.plugins.module_utils._block import image as block_image
from ansible_collections.virtio.fs.plugins.module_utils._block import sysfs
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import LINUX, UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent, in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.gpt import (
    delete,
    dump,
    known,
    present,
    set_type,
    sfdisk,
    tell_kernel,
)
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check

_NAMESPACE = uuid.UUID("6a6688e4-9f83-4e36-ad9c-12c858ff1424")


def identity_for(partuuid: str) -> uuid.UUID:
    """The UUID of the filesystem that we make in a partition: so an unfinished one is known to be ours."""
    return uuid.uuid5(_NAMESPACE, partuuid.lower())


@dataclass(frozen=True)
class Source:
    """What a filesystem is on: the partition with this name on a disk, a device, or the loop device of an image."""

    label: str
    disk: str | None = None
    device: str | None = None
    image: str | None = None

    def node(self) -> str:
        """:raises VirtiofsError: it is not there."""
        if self.disk is not None:
            return known(present(self.disk, self.label)).node or ""
        if self.image is not None:
            loops = block_image.loops_of(self.image)
            if not loops:
                raise VirtiofsError(f"{self.label}: {self.image} has no loop device")
            return loops[0]
        return self.device or ""


@dataclass(frozen=True)
class NewPartition:
    label: str
    extent: Extent


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
            _refuse_in_use(self.disk, self.partitions[0].label)
        else:
            dump(target, self.disk)
        if self.replaced is not None:
            _erase(self.disk)
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
class FormatPartition:
    """Make the filesystem of a partition. It is marked as unfinished for as long as that takes."""

    disk: str
    new: NewFilesystem
    replaced: str | None = None

    @property
    def summary(self) -> str:
        over = f" over {self.replaced}" if self.replaced else ""
        return f"make a filesystem ({self.new.fstype}) {self.new.label} in its partition of {self.disk}{over}"

    def apply(self, target: Target) -> None:
        partition = known(present(self.disk, self.new.label))
        _refuse_in_use(partition.node or "", self.new.label)
        if not partition.unfinished:
            dump(target, self.disk)
            set_type(target, self.disk, partition.number, UNFINISHED)
            partition = known(present(self.disk, self.new.label))
        node = partition.node or ""
        _erase(node)
        self.new.make(node, identity_for(partition.uuid))
        _written(node)
        set_type(target, self.disk, partition.number, LINUX)
        target.touched.append(node)


@dataclass(frozen=True)
class FormatDevice:
    """Make the filesystem of a whole device. That it was begun is noted, so that a later run may complete it."""

    node: str
    identity: str
    new: NewFilesystem
    replaced: str | None = None

    @property
    def summary(self) -> str:
        over = f" over {self.replaced}" if self.replaced else ""
        return f"make a filesystem ({self.new.fstype}) {self.new.label} on {self.node}{over}"

    def apply(self, target: Target) -> None:
        _refuse_in_use(self.node, self.new.label)
        filesystem = uuid.uuid4()
        note = _note_begun(target, self.new.label, self.identity, str(filesystem))
        _erase(self.node)
        if self.new.fstype == "btrfs":
            # mkfs.btrfs takes the same lock on the device by itself.
            target.loosen(self.node)
        self.new.make(self.node, filesystem)
        target.lock(self.node)
        _written(self.node)
        files.remove(note)
        target.touched.append(self.node)


@dataclass(frozen=True)
class ForgetBegun:
    """Remove the note about a device whose filesystem was completed."""

    label: str

    @property
    def summary(self) -> str:
        return f"note that {self.label} is complete"

    def apply(self, target: Target) -> None:
        files.remove(target.begun_path(self.label))


@dataclass(frozen=True)
class Settle:
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
            raise VirtiofsError(f"{self.label}: its partition is larger already, and it is never made smaller")
        dump(target, self.disk)
        sfdisk(target, self.disk, "-N", str(partition.number), script=f"size={self.size // self.sector}\n")
        target.touched.append(known(present(self.disk, self.label)).node or self.disk)


@dataclass(frozen=True)
class GrowFilesystem:
    source: Source
    fstype: str
    path: str

    @property
    def summary(self) -> str:
        return f"enlarge the filesystem on {self.path} to the size of its device"

    def apply(self, target: Target) -> None:
        block_filesystem.grow(self.fstype, self.source.node(), self.path)


@dataclass(frozen=True)
class Reserve:
    source: Source
    percent: int

    @property
    def summary(self) -> str:
        return f"reserve {self.percent}% of {self.source.label} for root"

    def apply(self, target: Target) -> None:
        check(["tune2fs", "-m", str(self.percent), self.source.node()], timeout=60)


@dataclass(frozen=True)
class WipeDevice:
    """Erase what tells that there is a filesystem."""

    node: str
    identity: str
    label: str
    filesystem: str

    @property
    def summary(self) -> str:
        return f"erase the signatures of {self.label} on {self.node}"

    def apply(self, target: Target) -> None:
        target.lock(sysfs.whole_disk(self.node))
        _refuse_in_use(self.node, self.label)
        note = _note_begun(target, self.label, self.identity, self.filesystem)
        _erase(self.node)
        files.remove(note)
        target.touched.append(self.node)


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
            raise VirtiofsError(f"{self.label}: the table of {self.disk} was changed meanwhile, run it again")
        node = known(partition).node or ""
        _refuse_in_use(node, self.label)
        dump(target, self.disk)
        # From here on it is known to hold nothing, however little of this is done.
        set_type(target, self.disk, self.number, UNFINISHED)
        _erase(node)
        delete(target, self.disk, self.number)
        target.touched.append(self.disk)


def _note_begun(target: Target, label: str, identity: str, filesystem: str) -> str:
    """Note that the content of a device is ours to write over, until it is whole or gone."""
    note = target.begun_path(label)
    record = json.dumps({"device": identity, "filesystem": filesystem}, sort_keys=True) + "\n"
    try:
        os.makedirs(os.path.dirname(note), mode=0o700, exist_ok=True)
    except OSError as error:
        raise VirtiofsError(f"cannot make {os.path.dirname(note)}: {error.strerror}") from error
    files.edit(note, lambda _old: record)
    return note


def _refuse_in_use(node: str, label: str) -> None:
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        raise VirtiofsError(f"{label}: {node} is in use, nothing was written to it: {error.strerror}") from error


def _erase(node: str) -> None:
    """Erase every signature, and the ends of the device, where the next look would find data."""
    check(["wipefs", "--all", "--quiet", node], timeout=60)
    try:
        descriptor = os.open(node, os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            part = min(MIB, size)
            for offset in (0, size - part):
                os.pwrite(descriptor, bytes(part), offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot erase {node}: {error.strerror}") from error


def _written(node: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
