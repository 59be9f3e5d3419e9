# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a domain has room for one more device."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import pci_ports
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse
from ansible_collections.virtio.fs.tests.unit.domain_documents import domain_xml


@pytest.mark.parametrize(
    ("models", "used", "free"),
    [
        (["pcie-root"], [], 0),
        (["pcie-root", "pcie-root-port", "pcie-root-port"], [1], 1),
        (["pcie-root", "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port"], [1], 1),
        (["pci-root"], [0], 30),
        ([], [], None),
    ],
)
def test_free_places(models: list[str], used: list[int], free: int | None) -> None:
    controllers = "".join(f"<controller type='pci' index='{at}' model='{model}'/>" for at, model in enumerate(models))
    devices = "".join(f"<rng><address type='pci' bus='0x{bus:02x}' slot='0x01'/></rng>" for bus in used)
    assert pci_ports.free_places(parse(domain_xml(controllers + devices))) == free


def test_a_port_that_takes_no_hot_plug_is_not_free() -> None:
    port = "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>"
    assert pci_ports.free_places(parse(domain_xml("<controller type='pci' index='0' model='pcie-root'/>" + port))) == 0
