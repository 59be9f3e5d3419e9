# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a domain's memory is shared, and the least that makes it so."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory as domain_xml_memory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse, serialised
from ansible_collections.virtio.fs.tests.unit.domain_documents import domain_xml


@pytest.mark.parametrize(
    ("given", "cpus", "memory"),
    [
        ({}, "0-1", "524288"),
        ({"vcpu": "<vcpu>1</vcpu>"}, "0", "524288"),
        ({"vcpu": "<vcpu current='1'>8</vcpu>"}, "0-7", "524288"),
        ({"memory": "<memory unit='GiB'>1</memory><currentMemory unit='MiB'>1</currentMemory>"}, "0-1", "1048576"),
        ({"memory": "<memory unit='b'>1025</memory>"}, "0-1", "2"),
        ({"memory": "<memory unit='MB'>1</memory>"}, "0-1", "977"),
        (
            {"devices": "<memory model='virtio-mem'><target><size unit='MiB'>128</size></target></memory>"},
            "0-1",
            "393216",
        ),
    ],
)
def test_a_cell_has_all_processors_and_the_memory_at_boot(given: dict[str, str], cpus: str, memory: str) -> None:
    root = parse(domain_xml(**given))
    domain_xml_memory.share_memory(root, "memfd", cell=True)
    cell = root.find("cpu/numa/cell")
    assert (cell.get("cpus"), cell.get("memory"), cell.get("memAccess")) == (cpus, memory, "shared")


@pytest.mark.parametrize("cell", [True, False])
@pytest.mark.parametrize("backing", ["memfd", "file"])
def test_memory_that_becomes_shared_says_of_what_it_is(backing: str, cell: bool) -> None:
    root = parse(domain_xml())
    domain_xml_memory.share_memory(root, backing, cell=cell)
    assert root.find("memoryBacking/source").get("type") == backing
    assert root.find("memoryBacking/access").get("mode") == "shared"


@pytest.mark.parametrize(
    ("device", "backing", "shared"),
    [
        ("<memory model='dimm'>", "shared", True),
        ("<memory model='dimm'>", "private", False),
        ("<memory model='dimm' access='shared'>", "shared", True),
        ("<memory model='dimm' access='private'>", "shared", False),
        ("<memory model='virtio-mem' access='private'>", "shared", False),
        ("<memory model='nvdimm' access='private'>", "shared", True),
    ],
)
def test_memory_that_is_plugged_in_must_be_shared_too(device: str, backing: str, shared: bool) -> None:
    cell = "<cpu><numa><cell id='0' cpus='0-1' memory='524288' unit='KiB'/></numa></cpu>"
    memory = f"{device}<target><size unit='MiB'>128</size><node>0</node></target></memory>"
    before = domain_xml(memory, cpu=cell, backing=f"<memoryBacking><access mode='{backing}'/></memoryBacking>")
    root = parse(before)
    assert domain_xml_memory.is_shared(root) is shared
    domain_xml_memory.share_memory(root, "memfd", cell=False)
    assert domain_xml_memory.is_shared(root)
    if backing == "shared":
        # Nothing but the device had to change.
        assert "memfd" not in serialised(root)
    assert root.find("devices/memory").get("access", "shared") == ("private" if "nvdimm" in device else "shared")


@pytest.mark.parametrize(
    ("backing", "kind"),
    [
        ("", "anonymous"),
        ("<memoryBacking><source type='memfd'/></memoryBacking>", "memfd"),
        ("<memoryBacking><hugepages/><access mode='shared'/></memoryBacking>", "hugepages"),
        ("<memoryBacking><access mode='shared'/></memoryBacking>", "file"),
    ],
)
def test_what_memory_is_made_of_and_how_much(backing: str, kind: str) -> None:
    root = parse(domain_xml(backing=backing))
    assert domain_xml_memory.backing_of(root) == kind
    assert domain_xml_memory.size_of(root) == int(root.findtext("memory")) * 1024
