# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab could change on its machine, as text: the same before a lab and after it, or something was left behind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import disks
from topology import STATE

SETTINGS = ("/etc/fstab", "/etc/libvirt", "/etc/apt", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf",
            "/etc/systemd/system", "/root/.ssh", "/var/lib/libvirt")  # fmt: skip
# What packages in a hypervisor would set for the one kernel that all share.
KERNEL = ("fs/aio-max-nr", "vm/unprivileged_userfaultfd", "vm/max_map_count", "net/ipv4/ip_forward", "kernel/hostname")
PROGRAMS = ("systemd", "qemu-", "libvirt", "virt", "sshd", "dbus", "udev", "agetty", "dnsmasq", "passt", "mkfs")


def lines() -> Iterator[str]:
    for name in SETTINGS:
        yield f"settings {name} {_digest(Path(name))}"
    for name in KERNEL:
        file = Path("/proc/sys", name)
        yield f"kernel {name} {file.read_text().strip() if file.exists() else '-'}"
    for entry in sorted(disks.all_loops(), key=lambda e: e["name"]):
        yield f"loop {entry['name']} {entry['back-file']}"
    for line in sorted(Path("/proc/self/mountinfo").read_text().splitlines()):
        words = line.split()
        yield f"mount {words[4]} {' '.join(words[words.index('-') + 1 :])}"
    for interface in sorted(path.name for path in Path("/sys/class/net").iterdir()):
        yield f"interface {interface}"
    yield from sorted(_devices())
    yield from sorted(_processes())
    for group in sorted(path for path in Path("/sys/fs/cgroup").rglob("virtio-fs-lab-*") if path.is_dir()):
        yield f"cgroup {group}"
    yield f"lab {STATE} {'there' if STATE.exists() else 'none'}"


def _devices() -> Iterator[str]:
    """The machine's /dev but for the other file systems in it, and for unused loop devices, which the kernel keeps."""
    for folder, folders, files in os.walk("/dev"):
        folders[:] = [name for name in folders if not os.path.ismount(Path(folder, name))]
        for name in [*folders, *files]:
            place = Path(folder, name)
            with suppress(FileNotFoundError):
                status = place.lstat()
                link = f" -> {os.readlink(place)}" if place.is_symlink() else ""
                if not (name.startswith("loop") and name[4:].isdigit()):
                    yield f"device {place} {status.st_mode:o} {status.st_uid} {status.st_gid}{link}"


def _digest(place: Path) -> str:
    """Of a file, or of all files below a folder with their names."""
    if not place.exists():
        return "-"
    total = hashlib.sha256()
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if file.is_file() and not file.is_socket():
            total.update(f"{file}\0".encode() + file.read_bytes())
    return total.hexdigest()[:16]


def _processes() -> Iterator[str]:
    """Programs of the kind that run in a lab; others come and go for reasons of their own."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name = (folder / "comm").read_text().strip()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if command and (name.startswith(PROGRAMS) or "lab.py keep" in command):
            yield f"process {folder.name} {name}"
