# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_domain against libvirt's own test driver: no QEMU, no hot-plug, domains that stop when they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from domain_machine import share, tags
from libvirt_lab import Libvirt, mock


@pytest.fixture
def libvirt(tmp_path: Path) -> Iterator[Libvirt]:
    driver = mock(tmp_path)
    driver.ask("clear")
    yield driver
    driver.close()


def _machine(name: str) -> str:
    return (
        f"<domain type='test'><name>{name}</name><memory>524288</memory><vcpu>1</vcpu><os><type>hvm</type></os>"
        "<devices/></domain>"
    )


def test_a_restart_completes_what_cannot_be_hot_plugged(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=_machine("vm1"))
    libvirt.ask("start", domain="vm1")
    wanted = [share(source, "one"), share(source, "two", readonly=True)]
    waits = libvirt.domain_module(shares=wanted)
    assert [entry["reason"] for entry in waits["restart_required"]] == ["no_shared_memory"]
    done = libvirt.domain_module(shares=wanted, apply="restart")
    assert done["actions"] == ["restart vm1 (shut down, start)"]
    assert tags(libvirt.live("vm1")) == ["one", "two"]
    assert not libvirt.domain_module(shares=wanted, apply="restart")["changed"]
    more = libvirt.domain_module(shares=[*wanted, share(source, "three")])
    assert [entry["reason"] for entry in more["restart_required"]] == ["not_supported"]


def test_many_domains_in_one_call(libvirt: Libvirt, source: str) -> None:
    names = [f"vm{number}" for number in range(50)]
    for name in names:
        libvirt.ask("define", xml=_machine(name))
    wanted = [share(source, tag, name) for name in names for tag in ("one", "two", "three")]
    result = libvirt.domain_module(shares=wanted)
    assert len(result["actions"]) == 50
    assert not libvirt.domain_module(shares=wanted)["changed"]
