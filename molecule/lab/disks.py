# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blank disks for the hypervisors: sparse files behind loop devices, seen inside as /dev/disk/by-id/lab-HYPERVISOR-NAME."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import List

from machine import LabError, run
from topology import STATE, Hypervisor


def folder(hypervisor: Hypervisor) -> Path:
    return STATE / hypervisor.name / "disks"


def device_name(hypervisor: Hypervisor, name: str) -> str:
    """The disk's stable name inside its hypervisor."""
    return f"/dev/disk/by-id/lab-{hypervisor.name}-{name}"


def attach(hypervisor: Hypervisor, name: str, size: int, sector_size: int = 512) -> str:
    """Attach a disk of that name: a fresh blank one unless it is there already. Returns its loop device."""
    file = folder(hypervisor) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    attached = _loops_of(file)
    if attached:
        return attached[0]
    if not file.exists():
        file.touch(mode=0o600)
        os.truncate(file, size)
    argv = ["losetup", "--find", "--show", "--partscan", f"--sector-size={sector_size}", str(file)]
    return run(argv).strip()


def detach(hypervisor: Hypervisor, name: str) -> None:
    """Take a disk away and delete its content."""
    file = folder(hypervisor) / name
    for loop in _loops_of(file):
        _free(loop)
    file.unlink(missing_ok=True)


def detach_all(hypervisor: Hypervisor) -> None:
    """Take away every loop device on a file below the hypervisor's folder, also those made inside the container."""
    inside = f"{STATE / hypervisor.name}/"
    for entry in _all_loops():
        if str(entry.get("back-file", "")).startswith(inside):
            _free(str(entry["name"]))


def _free(loop: str) -> None:
    run(["partx", "--delete", loop], check=False)
    run(["losetup", "--detach", loop])
    if any(entry["name"] == loop for entry in _all_loops()):
        raise LabError(f"loop device {loop} is still in use after it was detached: something on the machine holds it")


def _loops_of(file: Path) -> List[str]:
    return [str(e["name"]) for e in _all_loops() if str(e.get("back-file", "")) in (str(file), f"{file} (deleted)")]


def _all_loops() -> List[dict]:
    text = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"])
    return list(json.loads(text)["loopdevices"]) if text.strip() else []
