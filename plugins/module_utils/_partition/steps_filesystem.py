# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on filesystems: making, enlarging and erasing one. One effect each."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.content import LINUX, UNFINISHED
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import EXT, NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import probe
from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import whole_disk
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition import format_marker
from ansible_collections.virtio.fs.plugins.module_utils._partition.erase import erase, flush, refuse_in_use
from ansible_collections.virtio.fs.plugins.module_utils._partition.gpt import dump, known, present, set_type
from ansible_collections.virtio.fs.plugins.module_utils._partition.source import Source, identity_for
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check

# The longest is a slow disk that discards every block first.
_MAKE_SECONDS = 3600
_GROW_SECONDS = 3600


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
        refuse_in_use(partition.node or "", self.new.label)
        if not partition.unfinished:
            dump(target, self.disk)
            set_type(target, self.disk, partition.number, UNFINISHED)
            partition = known(present(self.disk, self.new.label))
        node = partition.node or ""
        erase(node)
        make_filesystem(self.new, node, identity_for(partition.uuid))
        flush(node)
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
        refuse_in_use(self.node, self.new.label)
        filesystem = uuid.uuid4()
        format_marker.write(target, self.new.label, self.identity, str(filesystem))
        erase(self.node)
        if self.new.fstype == "btrfs":
            # mkfs.btrfs takes the same lock on the device by itself.
            target.loosen(self.node)
        make_filesystem(self.new, self.node, filesystem)
        target.lock(self.node)
        flush(self.node)
        format_marker.remove(target, self.new.label)
        target.touched.append(self.node)


@dataclass(frozen=True)
class RemoveFormatMarker:
    """Remove the note about a device whose filesystem was completed."""

    label: str

    @property
    def summary(self) -> str:
        return f"note that {self.label} is complete"

    def apply(self, target: Target) -> None:
        format_marker.remove(target, self.label)


@dataclass(frozen=True)
class GrowFilesystem:
    source: Source
    fstype: str
    path: str

    @property
    def summary(self) -> str:
        return f"enlarge the filesystem on {self.path} to the size of its device"

    def apply(self, target: Target) -> None:
        _grow(self.fstype, self.source.node(), self.path)


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
        target.lock(whole_disk(self.node))
        refuse_in_use(self.node, self.label)
        format_marker.write(target, self.label, self.identity, self.filesystem)
        erase(self.node)
        format_marker.remove(target, self.label)
        target.touched.append(self.node)


def make_filesystem(new: NewFilesystem, node: str, identity: uuid.UUID) -> None:
    """Make it, over whatever is there: the caller has looked.

    :raises VirtiofsError: with mkfs' own message, or because its options made it something else.
    """
    commands = {
        # -F once: a whole device is fine. A mounted one would need it twice.
        "ext4": ["mkfs.ext4", "-q", "-F", "-L", new.label, "-U", str(identity)]
        + ["-m", str(1 if new.reserved_percent is None else new.reserved_percent)],
        "xfs": ["mkfs.xfs", "-q", "-f", "-L", new.label, "-m", f"uuid={identity}"],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-L", new.label, "-U", str(identity)],
    }
    check([*commands[new.fstype], *new.options, node], timeout=_MAKE_SECONDS)
    made = probe(node)
    if (made.label, made.uuid) != (new.label, str(identity)):
        # Nobody would find it by its label. Without a signature the next run may make another one.
        check(["wipefs", "--all", "--quiet", node], timeout=60)
        options = " ".join(new.options)
        raise VirtiofsError(
            f"{at(new.label, 'mkfs_options')}with {options!r}, mkfs.{new.fstype} made {made.description}, and not a "
            f"whole filesystem with this label and the UUID {identity}; it was erased again"
        )


def _grow(fstype: str, node: str, path: str) -> None:
    """Enlarge a mounted filesystem to the size of its device."""
    commands = {
        **{kind: ["resize2fs", node] for kind in EXT},
        "xfs": ["xfs_growfs", "-d", path],
        "btrfs": ["btrfs", "filesystem", "resize", "max", path],
    }
    check(commands[fstype], timeout=_GROW_SECONDS)
