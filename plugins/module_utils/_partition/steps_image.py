# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on image files, their loop devices and the units that attach them at boot."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block import image
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files


@dataclass(frozen=True)
class MakeImage:
    path: str
    size: int
    new: NewFilesystem
    replaced: str | None = None

    @property
    def summary(self) -> str:
        over = f" over {self.replaced}" if self.replaced else ""
        return f"make the image {self.path} ({in_words(self.size)}, {self.new.fstype}, {self.new.label}){over}"

    def apply(self, target: Target) -> None:
        if image.loops_of(self.path):
            raise VirtiofsError(f"{self.new.label}: {self.path} is in use as {image.loops_of(self.path)[0]}")
        image.make(self.path, self.size, self.new, replace=self.replaced is not None)


@dataclass(frozen=True)
class AttachImage:
    path: str

    @property
    def summary(self) -> str:
        return f"attach {self.path} to a loop device"

    def apply(self, target: Target) -> None:
        target.touched.append(image.attach(self.path))


@dataclass(frozen=True)
class DetachImage:
    path: str

    @property
    def summary(self) -> str:
        return f"detach {self.path} from its loop device"

    def apply(self, target: Target) -> None:
        for loop in image.loops_of(self.path):
            target.unlock(loop)
        image.detach(self.path)


@dataclass(frozen=True)
class DeleteImage:
    path: str

    @property
    def summary(self) -> str:
        return f"delete the image {self.path}"

    def apply(self, target: Target) -> None:
        files.remove(self.path)


@dataclass(frozen=True)
class WriteUnit:
    """The unit that attaches an image at boot."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        return f"write the unit {self.name}"

    def apply(self, target: Target) -> None:
        files.edit(target.unit_path(self.name), lambda _old: self.text)


@dataclass(frozen=True)
class RemoveUnit:
    name: str

    @property
    def summary(self) -> str:
        return f"remove the unit {self.name}"

    def apply(self, target: Target) -> None:
        files.remove(target.unit_path(self.name))


@dataclass(frozen=True)
class GrowImage:
    path: str
    size: int

    @property
    def summary(self) -> str:
        return f"enlarge the image {self.path} to {in_words(self.size)}"

    def apply(self, target: Target) -> None:
        image.enlarge(self.path, self.size)
