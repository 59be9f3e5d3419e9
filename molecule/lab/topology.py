# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as data: which hypervisors, which guests, on which ports. The inventory names the same ports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("VIRTIOFS_CACHE") or "/var/cache/virtio-fs")
STATE = Path(os.environ.get("VIRTIOFS_LAB") or "/var/lib/virtio-fs-lab")
PORT_BASE = int(os.environ.get("VIRTIOFS_LAB_PORT") or "22200")

# Debian release numbers as people say them, and the names that the mirror uses.
SUITES = {"12": "bookworm", "13": "trixie", "sid": "sid"}


@dataclass(frozen=True)
class Guest:
    name: str
    hypervisor: str
    offset: int
    suite: str = "trixie"
    memory_mib: int = 512
    vcpus: int = 1

    @property
    def port(self) -> int:
        return PORT_BASE + self.offset


@dataclass(frozen=True)
class Hypervisor:
    name: str
    suite: str
    offset: int
    guests: tuple[Guest, ...] = ()
    bare: bool = False
    disk_gib: int | None = 12

    @property
    def port(self) -> int:
        return PORT_BASE + self.offset

    @property
    def hosts(self) -> list[Host]:
        """Itself and its guests."""
        return [self, *self.guests]

    @property
    def image(self) -> str:
        return ("bare-" if self.bare else "hypervisor-") + self.suite


Host = Hypervisor | Guest

HYPERVISORS: tuple[Hypervisor, ...] = (
    Hypervisor(
        "hv1",
        "trixie",
        10,
        (*(Guest(f"vm{number}", "hv1", 10 + number) for number in (1, 2, 3)), Guest("vm4", "hv1", 14, "bookworm")),
    ),
    Hypervisor("hv2", "bookworm", 20, (Guest("old1", "hv2", 21, "bookworm"), Guest("old2", "hv2", 22, "bookworm"))),
    Hypervisor("hv3", "sid", 30, (Guest("new1", "hv3", 31),)),
    Hypervisor("bare12", "bookworm", 40, bare=True),
    Hypervisor("bare13", "trixie", 50, bare=True),
)
DEFAULT = ("hv1",)
# Guests that are made only when they are named: each costs boot time on a machine without KVM.
ON_REQUEST = frozenset({"vm4", "old2"})


def hypervisor(name: str) -> Hypervisor:
    for one in HYPERVISORS:
        if one.name == name:
            return one
    raise LookupError(f"there is no hypervisor {name}; the lab has {', '.join(h.name for h in HYPERVISORS)}")


def hosts() -> list[Host]:
    """Hypervisors and guests."""
    found: list[Host] = []
    for one in HYPERVISORS:
        found += one.hosts
    return found


def host(name: str) -> Host:
    for one in hosts():
        if one.name == name:
            return one
    raise LookupError(f"there is no host {name}; the lab has {', '.join(one.name for one in hosts())}")
