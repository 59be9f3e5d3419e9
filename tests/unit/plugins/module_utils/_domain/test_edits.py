# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done to a definition: the words for it, and the tree after it."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain.edits import (
    AddPorts,
    AddShare,
    ChangeShare,
    RemoveShare,
    ShareMemory,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory, share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.tests.unit.domain_documents import PCIE, VIRTIOFS, domain_xml

HAS_ONE = domain_xml(PCIE + VIRTIOFS.format("one", "", "", ""))


def test_a_share_is_added() -> None:
    root = parse(HAS_ONE)
    edit = AddShare(Share("two", "/srv/two", xattr=True))
    edit.apply(root)
    assert edit.summary == "with share two"
    assert share.shares_in(root) == {"one": Share("one", "/srv/one"), "two": edit.share}


def test_only_what_changes_is_changed_and_named() -> None:
    root = parse(HAS_ONE)
    edit = ChangeShare(Share("one", readonly=True, queue=64), ("readonly", "queue"))
    edit.apply(root)
    assert edit.summary == "with new readonly and queue of share one"
    assert share.shares_in(root) == {"one": Share("one", "/srv/one", readonly=True, queue=64)}
    assert ChangeShare(Share("one", "/srv/other"), ("source",)).summary == "with new source of share one"


def test_a_share_is_removed() -> None:
    root = parse(HAS_ONE)
    RemoveShare("one").apply(root)
    assert (RemoveShare("one").summary, share.shares_in(root)) == ("without share one", {})


def test_memory_is_shared() -> None:
    root = parse(HAS_ONE)
    edit = ShareMemory("memfd", cell=False)
    assert not memory.is_shared(root)
    edit.apply(root)
    assert (edit.summary, memory.is_shared(root)) == ("with shared memory", True)


def test_ports_are_added() -> None:
    root = parse(HAS_ONE)
    before = len(root.findall("devices/controller[@model='pcie-root-port']"))
    AddPorts(2).apply(root)
    assert len(root.findall("devices/controller[@model='pcie-root-port']")) == before + 2
    assert AddPorts(2).summary == "with 2 more PCIe root ports"
    assert AddPorts(1).summary == "with one more PCIe root port"
