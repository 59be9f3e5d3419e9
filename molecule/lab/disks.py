# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blank disks for the hypervisors: sparse files behind loop devices, inside /dev/disk/by-id/lab-HYPERVISOR-NAME."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
from pathlib import Path
from typing import Any

from machine import LabError, run, wait_until
from topology import STATE, Hypervisor

LOOP_GET_STATUS64 = 0x4C05  # linux/loop.h; the answer begins with the device number of the backing file's file system


def folder(hypervisor: Hypervisor) -> Path:
    return STATE / hypervisor.name / "disks"


def stable_name(hypervisor: Hypervisor, name: str) -> str:
    """The disk's name inside its hypervisor, the same after every reboot."""
    return f"/dev/disk/by-id/lab-{hypervisor.name}-{name}"


def size_in_bytes(text: str) -> int:
    """4G, 512MiB, 1T: binary units."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(iB|B)?", text)
    if not match:
        raise LabError(f"{text} is not a size; write it like 4G or 512M")
    factors = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
    return int(match[1]) * factors[match[2]]


def attach(hypervisor: Hypervisor, name: str, size: int, sector_size: int = 512) -> str:
    """Attach a disk of that name: a fresh blank one unless it is there already. Returns its loop device."""
    if not re.fullmatch(r"[a-z][a-z0-9]*", name):
        raise LabError(f"{name} is no name for a disk; use small letters and digits, as in disk1")
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


def detach_all(hypervisor: Hypervisor, root_device: int | None) -> None:
    """Free every loop device on a file of the hypervisor: its disks, and what was attached inside it.

    ``root_device`` is the device number of its root file system. Images can lie on a disk that is itself a loop
    device, so the outer ones are found through the inner ones and freed last.
    """
    mine = [entry["name"] for entry in all_loops() if entry["back-file"].startswith(f"{STATE / hypervisor.name}/")]
    roots = {root_device} if root_device is not None else set()
    order = list(mine)
    added = True
    while added:
        devices = roots | {number for loop in order for number in _device_numbers(loop)}
        more = [e["name"] for e in all_loops() if e["name"] not in order and _backing_device(e["name"]) in devices]
        added = bool(more)
        order += more
    for loop in reversed(order):
        _free(loop)


def of(hypervisor: Hypervisor) -> list[tuple[str, str]]:
    """The hypervisor's disks: stable name and loop device."""
    found = [(Path(e["back-file"]), e["name"]) for e in all_loops()]
    return sorted((stable_name(hypervisor, f.name), loop) for f, loop in found if f.parent == folder(hypervisor))


def all_loops() -> list[dict[str, Any]]:
    """Loop devices in use on this machine."""
    text = run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"])
    return list(json.loads(text)["loopdevices"]) if text.strip() else []


def _free(loop: str) -> None:
    run(["partx", "--delete", loop], check=False)
    run(["losetup", "--detach", loop])
    # The kernel frees it when its last user has gone, which a process at its end may still be.
    wait_until(f"the release of {loop}", 20, lambda: loop not in [entry["name"] for entry in all_loops()])


def _loops_of(file: Path) -> list[str]:
    return [entry["name"] for entry in all_loops() if entry["back-file"] in (str(file), f"{file} (deleted)")]


def _device_numbers(loop: str) -> set[int]:
    """Of a loop device and its partitions."""
    found = set()
    for node in [Path(loop), *Path("/dev").glob(f"{Path(loop).name}p*")]:
        found.add(node.stat().st_rdev)
    return found


def _backing_device(loop: str) -> int | None:
    buffer = bytearray(232)
    try:
        with open(loop, "rb") as device:
            fcntl.ioctl(device, LOOP_GET_STATUS64, buffer)
    except OSError:
        return None
    number: int = struct.unpack_from("<Q", buffer)[0]
    # The kernel packs 12 bits of major and 20 of minor number its own way (huge_encode_dev).
    return os.makedev((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00))
