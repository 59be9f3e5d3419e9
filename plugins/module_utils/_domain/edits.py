# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be done to a definition: found by looking at one tree, done to that tree or to a copy of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory, pci_ports, share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share


@dataclass(frozen=True)
class AddShare:
    share: Share

    @property
    def summary(self) -> str:
        return f"with share {self.share.tag}"

    def apply(self, root: Element) -> None:
        share.insert(root, self.share)


@dataclass(frozen=True)
class ChangeShare:
    """``share`` has nothing but its tag and what is to be changed. ``options`` is that in the words of the list."""

    share: Share
    options: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"with new {' and '.join(self.options)} of share {self.share.tag}"

    def apply(self, root: Element) -> None:
        share.change(root, self.share)


@dataclass(frozen=True)
class RemoveShare:
    tag: str

    @property
    def summary(self) -> str:
        return f"without share {self.tag}"

    def apply(self, root: Element) -> None:
        share.remove_from(root, self.tag)


@dataclass(frozen=True)
class ShareMemory:
    """``backing`` is the kind of memory, ``cell`` whether a NUMA cell says that it is shared."""

    backing: str
    cell: bool

    @property
    def summary(self) -> str:
        return "with shared memory"

    def apply(self, root: Element) -> None:
        memory.share_memory(root, backing=self.backing, cell=self.cell)


@dataclass(frozen=True)
class AddPorts:
    count: int

    @property
    def summary(self) -> str:
        return f"with {self.count} more PCIe root ports" if self.count > 1 else "with one more PCIe root port"

    def apply(self, root: Element) -> None:
        pci_ports.append_root_ports(root, count=self.count)


Edit = Union[AddShare, ChangeShare, RemoveShare, ShareMemory, AddPorts]
