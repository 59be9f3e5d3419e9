# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building blocks for tests of the domain plan, and the part of a document that must never change."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from ansible_collections.virtio.fs.plugins.module_utils._domain import plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, WantedDomain, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Directory, Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, canonical, serialised
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd
from ansible_collections.virtio.fs.tests.unit.domain_documents import MEMFD, PCIE, PORT, VIRTIOFS, domain_xml

UUID = "7bd53d1f-7c26-4b4f-9a6c-0f0d8b4a7b11"

RUST = Virtiofsd("/usr/libexec/virtiofsd", "rust", (1, 13, 2), frozenset({"migrate-precopy", "separate-options"}))
C = Virtiofsd("/usr/lib/qemu/virtiofsd", "c", (7, 2, 22))


class _Anything(dict):  # type: ignore[type-arg]
    """Every source is an ordinary directory, unless it is said to be another."""

    def __missing__(self, key: str) -> Directory:
        return Directory()


def host(**options: Any) -> Host:
    given: dict[str, Any] = {"libvirt": (11, 3, 0), "qemu": (10, 0, 0), "virtiofsd": RUST, "directories": _Anything()}
    return Host(**{**given, **options})


def item(tag: str = "data", source: str = "/srv/data", domain: str = "vm1", **options: Any) -> Item:
    mine = {name: options.pop(name) for name in list(options) if name in Item.__dataclass_fields__}
    return Item(domain, Share(tag, source, **options), **mine)


def absent(tag: str, domain: str = "vm1", **options: Any) -> Item:
    return Item(domain, Share(tag), absent=True, **options)


def state(config: str, live: str | None = None, **options: Any) -> DomainState:
    given: dict[str, Any] = {"name": "vm1", "uuid": UUID, **options}
    return DomainState(config=Document(config), live=None if live is None else Document(live), **given)


def wanted(config: str, *items: Item, exclusive: bool = False) -> WantedDomain:
    return WantedDomain(state(config), items, exclusive)


def options(**given: Any) -> Options:
    return Options(**given)


BARE = domain_xml(PCIE + PORT.format(1))
SHARED = domain_xml(PCIE + PORT.format(1), backing=MEMFD)


def with_shares(*tags: str, options: str = "") -> str:
    shares = "".join(VIRTIOFS.format(tag, "", options, f"<alias name='{tag}'/>") for tag in tags)
    return domain_xml(PCIE + PORT.format(1) + shares, backing=MEMFD)


def plan_for(domain: Any, *items: Any, on: Any = None, **given: Any) -> Plan:
    return plan_for_all({"vm1": domain}, items, options(**given), on or host())


def plan_for_all(states: dict[str, Any], items: Any, chosen: Options, on: Host) -> Plan:
    asked = Wanted(tuple(items), chosen)
    return plan.plan(asked, State(by_domain(states, items, chosen, on), on))


def kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.steps]


NEW_ITEMS = (
    item("new1", "/srv/new 1", queue=1024, cache="always", xattr=True, sandbox="chroot", thread_pool=4),
    item("new2", "/srv/Ñandú & <co>", idmap=IdMap(uid=(IdRange(0, 100000, 65536),)), open_files=5000),
    item("new3", "/srv/new3", lock_posix=True, lock_flock=True, binary="/usr/libexec/virtiofsd", readonly=True),
)


def edited_by(xml: str, *items: object, **given_options: object) -> str:
    """The document after the edits that the items need."""
    root = Document(xml).copy()
    plan.edited(root, wanted(xml, *items), options(**given_options), host())  # type: ignore[arg-type]
    return text(root)


def surroundings(xml: str, tags: frozenset[str]) -> str:
    """The document without the shares of these tags and without what makes memory shared."""
    root = etree.fromstring(xml.encode())
    for element in list(root.iterfind("devices/filesystem")):
        target = element.find("target")
        if target is not None and target.get("dir") in tags:
            _cut(element)
    for path in ("memoryBacking/access", "memoryBacking/source", "memoryBacking"):
        for element in list(root.iterfind(path)):
            if not len(element):
                _cut(element)
    for cell in root.iterfind("cpu/numa/cell"):
        cell.attrib.pop("memAccess", None)
    for device in root.iterfind("devices/memory"):
        device.attrib.pop("access", None)
    for element in list(root.iterfind("devices")):
        if not len(element):
            _cut(element)
    return re.sub(r"\s+", " ", canonical(root))


def _cut(element: Any) -> None:
    parent, before = element.getparent(), element.getprevious()
    if before is None:
        parent.text = (parent.text or "") + (element.tail or "")
    else:
        before.tail = (before.tail or "") + (element.tail or "")
    parent.remove(element)


def text(root: Any) -> str:
    return serialised(root)
