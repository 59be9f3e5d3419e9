# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests before and after the restarts look at. Each machine is asked once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from proof import domains, mounts
from proof.machine import Machine, at_once

NAMES = ("vm1", "vm2", "vm3")


@dataclass(frozen=True)
class Seen:
    """One machine's mounts."""

    boot: str
    live: tuple[mounts.Mount, ...]
    fstab: tuple[mounts.Mount, ...]


@dataclass(frozen=True)
class SeenHost(Seen):
    """The hypervisor: also its disk, the shares' root and the domains."""

    devices: dict[str, dict[str, Any]]
    reserved: dict[str, float]
    root: str
    running: dict[str, domains.Domain]
    defined: dict[str, domains.Domain]


BOOT = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="session")
def on_host(hv1: Machine, machine: Callable[[str], Machine]) -> SeenHost:
    facts = {
        "boot": BOOT,
        "live": mounts.LIVE,
        "fstab": mounts.FSTAB,
        "devices": "lsblk --json --bytes --list --output PATH,TYPE,SIZE,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS",
        "root": "stat -c '%U %a' /shared",
    }
    for name in NAMES:
        facts[f"running {name}"] = f"virsh dumpxml {name}"
        facts[f"defined {name}"] = f"virsh dumpxml {name} --inactive"
        facts[f"superblock {name}"] = f"dumpe2fs -h $(findfs LABEL=proof_{name}) 2>/dev/null"
    seen = hv1.read(facts)
    devices = json.loads(seen["devices"])["blockdevices"]
    return SeenHost(
        boot=seen["boot"],
        live=mounts.parse(seen["live"]),
        fstab=mounts.parse(seen["fstab"]),
        devices={one["label"]: one for one in devices if one["label"]},
        reserved={name: _reserved_percent(seen[f"superblock {name}"]) for name in NAMES},
        root=seen["root"].strip(),
        running={name: domains.parse(seen[f"running {name}"]) for name in NAMES},
        defined={name: domains.parse(seen[f"defined {name}"]) for name in NAMES},
    )


@pytest.fixture(scope="session")
def in_guest(guests: tuple[Machine, ...]) -> dict[str, Seen]:
    def look(guest: Machine) -> Seen:
        seen = guest.read({"boot": BOOT, "live": mounts.LIVE, "fstab": mounts.FSTAB})
        return Seen(seen["boot"].strip(), mounts.parse(seen["live"]), mounts.parse(seen["fstab"]))

    return at_once(guests, look)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A guest, which is also the name of its share."""
    return str(request.param)


@pytest.fixture(scope="session")
def notebook() -> Path:
    """Where one verification writes down what the next ones compare with."""
    folder = os.environ.get("MOLECULE_EPHEMERAL_DIRECTORY")
    assert folder, "these tests run from Molecule"
    return Path(folder) / "before_the_restarts.json"


def _reserved_percent(superblock: str) -> float:
    fields = dict(line.split(":", 1) for line in superblock.splitlines() if ":" in line)
    return 100 * int(fields["Reserved block count"]) / int(fields["Block count"])
