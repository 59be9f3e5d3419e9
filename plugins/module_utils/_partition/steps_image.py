# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects of virtiofs_partition on image files, their loop devices and the units that attach them at boot."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.image import loops_of
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import make_filesystem
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check


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
        loops = loops_of(self.path)
        if loops:
            raise VirtiofsError(f"{at(self.new.label)}{self.path} is in use as {loops[0]}")
        _make(self.path, self.size, self.new, replace=self.replaced is not None)


@dataclass(frozen=True)
class AttachLoop:
    """Give the file a loop device, the same one when it has one."""

    path: str

    @property
    def summary(self) -> str:
        return f"attach {self.path} to a loop device"

    def apply(self, target: Target) -> None:
        attached = check(["losetup", "--find", "--nooverlap", "--show", self.path], timeout=30)
        target.touched.append(attached.stdout.strip())


@dataclass(frozen=True)
class DetachLoop:
    path: str

    @property
    def summary(self) -> str:
        return f"detach {self.path} from its loop device"

    def apply(self, target: Target) -> None:
        for loop in loops_of(self.path):
            target.unlock(loop)
            check(["losetup", "--detach", loop], timeout=30)


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
        _enlarge(self.path, self.size)
        for loop in loops_of(self.path):
            check(["losetup", "--set-capacity", loop], timeout=30)


def _make(path: str, size: int, new: NewFilesystem, *, replace: bool) -> None:
    """Make a sparse file with a filesystem in it, whole or not at all.

    :raises VirtiofsError: there is one already, and it is not to be replaced.
    """
    directory, name = os.path.split(path)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except OSError as error:
        raise VirtiofsError(f"cannot make {directory}: {error.strerror}") from error
    with files.locked(directory, path):
        if not replace and os.path.lexists(path) and os.path.getsize(path):
            raise VirtiofsError(
                f"{at(new.label, 'image')}{path} was made by someone else in the meantime, run it again"
            )
        _make_whole(path, os.path.join(directory, f".{name}.virtiofs"), size, new)


def _make_whole(path: str, temporary: str, size: int, new: NewFilesystem) -> None:
    try:
        # Only a killed run of ours can have left one: the name is ours.
        if os.path.lexists(temporary):
            os.unlink(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
        try:
            make_filesystem(new, temporary, uuid.uuid4())
            _synced(temporary)
            os.rename(temporary, path)
            _synced(os.path.dirname(path))
        except BaseException:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise VirtiofsError(f"cannot make {path}: {error.strerror}") from error


def _enlarge(path: str, size: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(descriptor).st_size > size:
                raise VirtiofsError(f"{path} is larger than {size} bytes, and it is never made smaller")
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise VirtiofsError(f"cannot enlarge {path}: {error.strerror}") from error


def _synced(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
