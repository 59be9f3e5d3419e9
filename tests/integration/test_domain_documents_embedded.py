# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the real QEMU driver takes before an edit, it takes after it, and keeps as it was."""

from __future__ import annotations

import re

import pytest
from domain_machine import share, tags
from libvirt_lab import Libvirt, LibvirtError

from ansible_collections.virtio.fs.tests.unit.domain_documents import DOCUMENTS
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import surroundings

# What this machine's driver does not know: other processors and machines, old QEMU versions, newer libvirts.
_MOST = 50

_accepted: list[str] = []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_accepted_before_means_accepted_after(libvirt: Libvirt, source: str, name: str) -> None:
    xml = re.sub(r"<name>[^<]*</name>", "<name>vm1</name>", DOCUMENTS[name], count=1)
    try:
        libvirt.ask("define", xml=xml)
    except LibvirtError:
        # Nothing to keep: libvirt itself refuses this document here.
        return
    _accepted.append(name)
    before = libvirt.config("vm1")
    wanted = {"shares": [share(source, "new1", queue=1024, cache="always"), share(source, "new2")], "memory": "memfd"}
    result = libvirt.domain_module(**wanted)
    assert not result.get("failed"), result["msg"]
    assert {"new1", "new2"} <= set(tags(libvirt.config("vm1")))
    assert not libvirt.domain_module(**wanted)["changed"]
    gone = [{"domain": "vm1", "tag": tag, "state": "absent"} for tag in ("new1", "new2")]
    assert libvirt.domain_module(shares=gone)["changed"]
    assert _without_ports(libvirt.config("vm1")) == _without_ports(before)


def test_most_documents_are_accepted_here() -> None:
    assert len(_accepted) >= _MOST


def _without_ports(xml: str) -> str:
    # libvirt adds the ports that the shares' devices need, and leaves them when these go.
    models = r"pcie?-(root-port|bridge|root)"
    ports = re.sub(rf"<controller type='pci' index='\d+' model='{models}'>.*?</controller>", "", xml, flags=re.S)
    return surroundings(re.sub(r"<controller type='pci'[^>]*/>", "", ports), frozenset())
