# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest made up as data: its kernel, its mounts, its fstab, and what is planned for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import ShareLine
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import GuestState, Kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import CREATION_OPTIONS, Wanted, wanted
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan

FSTAB = "/etc/fstab"
KERNEL = Kernel(
    release="6.12.0",
    loaded=True,
    loadable=True,
    modules_installed=True,
    at_boot=True,
    own_boot_file=False,
    devices=2,
    tags=frozenset({"media", "vm1"}),
)
ROOT = Mount(1, 0, "8:1", "/", "/", frozenset({"rw", "relatime"}), "ext4", "/dev/vda", frozenset({"rw"}))
LINE = "media /srv/media virtiofs rw,_netdev,nosuid,nodev,nofail 0 0\n"
ENTRY = Entry("media", "/srv/media", "virtiofs", CREATION_OPTIONS)


def mount(source: str, path: str, options: str = "rw,nosuid,nodev,relatime", **other: Any) -> Mount:
    """A share that is mounted; ``other`` are fields of a mount that differ."""
    mount_id = other.pop("mount_id", 10)
    made = Mount(mount_id, 1, "0:9", "/", path, frozenset(options.split(",")), "virtiofs", source, frozenset({"rw"}))
    return replace(made, **other)


LIVE = mount("media", "/srv/media")
AUTOFS = mount("systemd-1", "/srv/media", "rw,relatime", fstype="autofs", mount_id=9)


def guest(*mounts: Mount, fstab: str = "", **other: Any) -> GuestState:
    """A guest with these mounts besides its root; ``kernel`` are fields of the kernel that differ."""
    kernel = replace(KERNEL, **other.pop("kernel", {}))
    return GuestState(kernel, (ROOT, *mounts), fstab, FSTAB, other.pop("systemd", True), **other)


def wanted_mounts(*items: dict[str, Any], exclusive: bool = False, **options: Any) -> Wanted:
    """The items as the module takes them, the share media on /srv/media where they do not say."""
    mounts = [{"tag": "media", "path": "/srv/media", **item} for item in items]
    given = {
        "confirm_empty": True,
        "exclusive_system": False,
        "list_name": None,
        "prune": False,
        "preflight": False,
        "wait": 30,
    }
    return wanted({"mounts": mounts, "exclusive": exclusive, **given, **options})


def plan_for(state: GuestState, *items: dict[str, Any], exclusive: bool = False, **options: Any) -> Plan:
    return plan(wanted_mounts(*items, exclusive=exclusive, **options), state)


def write(entry: Entry) -> WriteLines:
    return WriteLines((ShareLine(entry),))
