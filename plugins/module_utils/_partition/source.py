# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a filesystem is on, and which one is ours."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._block.image import loops_of
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.gpt import known, present

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
            loops = loops_of(self.image)
            if not loops:
                raise VirtiofsError(f"{at(self.label)}{self.image} has no loop device")
            return loops[0]
        return self.device or ""


@dataclass(frozen=True)
class NewPartition:
    label: str
    extent: Extent
