# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain definitions as virsh prints them."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree


@dataclass(frozen=True)
class Share:
    tag: str
    source: str
    readonly: bool


@dataclass(frozen=True)
class Domain:
    """The parts of a definition that sharing directories needs."""

    shares: tuple[Share, ...]
    memory_source: str | None
    memory_access: str | None
    cell_access: tuple[str | None, ...]

    @property
    def tags(self) -> set[str]:
        return {share.tag for share in self.shares}


def parse(xml: str) -> Domain:
    root = ElementTree.fromstring(xml)
    found = [fs for fs in root.findall("devices/filesystem") if _value(fs.find("driver"), "type") == "virtiofs"]
    return Domain(
        shares=tuple(
            Share(
                _value(fs.find("target"), "dir") or "",
                _value(fs.find("source"), "dir") or "",
                fs.find("readonly") is not None,
            )
            for fs in found
        ),
        memory_source=_value(root.find("memoryBacking/source"), "type"),
        memory_access=_value(root.find("memoryBacking/access"), "mode"),
        cell_access=tuple(cell.get("memAccess") for cell in root.findall("cpu/numa/cell")),
    )


def _value(element: ElementTree.Element | None, attribute: str) -> str | None:
    return None if element is None else element.get(attribute)
