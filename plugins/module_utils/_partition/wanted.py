# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user asks for: the items of virtiofs_partition, checked as a whole before anything is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block import sizes as block_sizes
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import DEFAULT, KINDS, NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Size
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import hardened
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name
from ansible_collections.virtio.fs.plugins.module_utils._system import ownership
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import (
    normalized,
    problem_with_mount_path,
    problem_with_path,
    public_directories,
    system_directories,
    system_trees,
    within,
)

# Characters that mean nothing to fstab, to sfdisk's scripts, to udev's link names and to a shell.
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*")

# libvirt's daemons start the guests that start at boot: they wait for the mount, or for its time-out. Without
# this, a nofail mount is ordered before nothing, and a guest could start on the bare directory.
BEFORE_LIBVIRT = ("x-systemd.before=libvirtd.service", "x-systemd.before=virtqemud.service")

DEFAULT_OPTIONS = ("rw", "noatime", "nosuid", "nodev", "nofail", "x-systemd.device-timeout=30s", *BEFORE_LIBVIRT)

# mount(8) takes these words for another kind of mount, or puts a loop device over the one that is given.
_OTHER_MOUNTS = frozenset({"bind", "rbind", "move", "remount", "loop", "offset", "sizelimit"})


@dataclass(frozen=True)
class WantedPartition:
    """One dedicated filesystem. None: the user left it out, so what is there stays."""

    label: str
    path: str
    state: str = "present"
    disk: str | None = None
    size: Size | None = None
    device: str | None = None
    image: str | None = None
    fstype: str | None = None
    reserved_percent: int | None = None
    mkfs_options: tuple[str, ...] = ()
    mount_options: tuple[str, ...] | None = None
    passno: int | None = None
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    grow: bool = False
    overwrite: bool = False
    allow_suid: bool = False
    allow_dev: bool = False

    @property
    def new_filesystem(self) -> NewFilesystem:
        """The one to make where there is none."""
        return NewFilesystem(self.label, self.fstype or DEFAULT, self.reserved_percent, self.mkfs_options)

    @property
    def new_fstype(self) -> str:
        return self.new_filesystem.fstype

    def options(self, present: Sequence[str] | None) -> tuple[str, ...]:
        """The options of the mount, given those that fstab has now."""
        chosen = self.mount_options if self.mount_options is not None else present
        options = list(hardened(DEFAULT_OPTIONS if chosen is None else chosen, self.allow_suid, self.allow_dev))
        if self.image is not None:
            requires = f"x-systemd.requires={unit_name(self.label)}"
            if requires not in options:
                options.append(requires)
        return tuple(options)

    def entry(self, fstype: str, present: Entry | None) -> Entry:
        """The fstab entry that is wanted, given the one that is there."""
        passno = self.passno
        if passno is None:
            passno = present.passno if present is not None else 2
        return Entry(
            spec=f"LABEL={self.label}",
            path=self.path,
            fstype=fstype,
            options=self.options(None if present is None else present.options),
            dump=0 if present is None else present.dump,
            passno=passno,
        )


@dataclass(frozen=True)
class Wanted:
    items: tuple[WantedPartition, ...]
    root: str
    root_mode: int
    fstab: str


def wanted(params: Mapping[str, Any]) -> Wanted:
    """Check everything that can be checked without looking at the machine.

    :raises VirtiofsError: naming the item and the option.
    """
    root = _root(params.get("root") or "/shared")
    root_mode = ownership.mode(params.get("root_mode"), "root_mode")
    fstab = params.get("fstab") or "/etc/fstab"
    problem = problem_with_path(fstab)
    if problem:
        raise VirtiofsError(f"fstab: {fstab!r} {problem}")
    items = tuple(_item(given, root) for given in params["partitions"])
    _check_across(items, root)
    return Wanted(items, root, 0o700 if root_mode is None else root_mode, normalized(fstab))


def outside(items: Sequence[WantedPartition], root: str) -> tuple[str, ...]:
    """Warnings about mount points that the root's mode does not protect."""
    return tuple(
        f"{item.label}: {item.path} is outside {root}, whose mode keeps other users of this machine out"
        for item in items
        if item.state == "present" and not within(item.path, root)
    )


def _root(path: str) -> str:
    problem = problem_with_path(path)
    if problem:
        raise VirtiofsError(f"root: {path!r} {problem}")
    root = normalized(path)
    if root in system_directories | public_directories or any(within(root, tree) for tree in system_trees):
        raise VirtiofsError(f"root: {root} belongs to the system, give a directory of its own, as /shared")
    return root


def _item(given: Mapping[str, Any], root: str) -> WantedPartition:
    label = given["label"]
    _check_label(label)
    where = label

    def bad(option: str, sentence: str) -> VirtiofsError:
        return VirtiofsError(f"{where}, {option}: {sentence}")

    state = given.get("state") or "present"
    fstype = given.get("fstype")
    path = given.get("path") or f"{root}/{label}"
    problem = problem_with_mount_path(path)
    if problem:
        raise bad("path", f"{path!r} {problem}")
    places = [name for name in ("disk", "device", "image") if given.get(name)]
    if len(places) > 1:
        raise bad(places[1], f"give either {places[0]} or {places[1]}, not both")
    if not places and state in ("present", "wiped"):
        raise bad("disk", f"with state {state} it needs a disk and a size, a device, or an image and a size")
    for name in places:
        problem = problem_with_path(given[name])
        if problem:
            raise bad(name, f"{given[name]!r} {problem}")
    size = None
    if given.get("size") is not None:
        if given.get("device"):
            raise bad("size", "a device is used whole, leave the size out")
        try:
            size = block_sizes.parse(str(given["size"]))
        except VirtiofsError as error:
            raise bad("size", str(error)) from error
    elif state == "present" and not given.get("device"):
        raise bad("size", f"the {places[0]} needs one, as 100GiB")
    kind = KINDS[fstype or DEFAULT]
    if given.get("image") and size is not None and size.absolute is None:
        raise bad("size", "an image needs a size of its own, as 100GiB")
    if len(label) > kind.label_bytes:
        raise bad("label", f"it has {len(label)} bytes, {fstype or DEFAULT} keeps {kind.label_bytes}")
    if size is not None and size.absolute is not None and size.absolute < kind.least:
        raise bad("size", f"{fstype or DEFAULT} needs at least {block_sizes.in_words(kind.least)}")
    reserved = given.get("reserved_percent")
    if reserved is not None and (fstype or DEFAULT) != "ext4":
        raise bad("reserved_percent", f"only ext4 has reserved blocks, this is {fstype}")
    if reserved is not None and not 0 <= reserved <= 50:
        raise bad("reserved_percent", f"{reserved} is not from 0 to 50")
    passno = given.get("passno")
    if passno is not None and not 0 <= passno <= 9:
        raise bad("passno", f"{passno} is not from 0 to 9")
    mount_options = given.get("mount_options")
    if mount_options is not None:
        _check_options(mount_options, bool(given.get("allow_suid")), bool(given.get("allow_dev")), bad)
    mkfs_options = tuple(str(option) for option in given.get("mkfs_options") or ())
    for option in mkfs_options:
        if not option or "\0" in option:
            raise bad("mkfs_options", f"{option!r} cannot be an argument")
        if re.match(r"-[LU]|--(label|uuid)\b", option):
            raise bad("mkfs_options", f"{option!r} would replace the label or the UUID that the item is known by")
        # mkfs.btrfs takes any number of devices, others one for a journal, and all write over what is on it.
        # It runs in the root directory, so the slash before dev can be left out.
        if re.search(r"(?<![\w.-])dev/", option):
            raise bad("mkfs_options", f"{option!r} names a device, and nobody has looked what is on that")
    return WantedPartition(
        label=label,
        path=normalized(path),
        state=state,
        disk=given.get("disk") or None,
        size=size,
        device=given.get("device") or None,
        image=normalized(given["image"]) if given.get("image") else None,
        fstype=fstype,
        reserved_percent=reserved,
        mkfs_options=mkfs_options,
        mount_options=None if mount_options is None else tuple(mount_options),
        passno=passno,
        owner=given.get("owner"),
        group=given.get("group"),
        mode=ownership.mode(given.get("mode"), f"{where}, mode"),
        grow=bool(given.get("grow")),
        overwrite=bool(given.get("overwrite")),
        allow_suid=bool(given.get("allow_suid")),
        allow_dev=bool(given.get("allow_dev")),
    )


def _check_label(label: str) -> None:
    if not label:
        raise VirtiofsError("partitions: an item has an empty label")
    if not _LABEL.fullmatch(label):
        raise VirtiofsError(
            f"{label!r}, label: use letters, digits and . _ : @ + - only, beginning with a letter, a digit or _"
        )


def _check_options(options: Sequence[str], suid: bool, dev: bool, bad: Callable[[str, str], VirtiofsError]) -> None:
    for option in options:
        if not option or re.search(r"[\x00-\x1f\x7f]", option):
            raise bad("mount_options", f"{option!r} is empty or has a control character in it")
        if "," in re.sub(r'"[^"]*"', "", option) or option.count('"') % 2:
            raise bad("mount_options", f"{option!r} is more than one option, give each on its own")
        if option.partition("=")[0] in _OTHER_MOUNTS:
            raise bad("mount_options", f"{option!r} would mount something else than the filesystem")
        if option == "x-systemd.automount":
            raise bad("mount_options", f"{option} mounts it when it is first used, and guests need it before that")
        if option.startswith("X-mount.subdir"):
            raise bad("mount_options", f"{option!r} would mount a part of the filesystem, and it is to be used whole")
    for option, allowed in (("suid", suid), ("dev", dev)):
        if option in options and not allowed:
            raise bad("mount_options", f"{option} lets a guest harm this machine, it needs allow_{option}: true")


def _check_across(items: Sequence[WantedPartition], root: str) -> None:
    for position, item in enumerate(items):
        # The root would be a directory of the guest's. One that was put there before is let go of.
        if item.state == "present" and within(root, item.path):
            raise VirtiofsError(f"{item.label}, path: {item.path} would hide the root {root}, give one below it")
        for other in items[:position]:
            if other.label == item.label:
                raise VirtiofsError(f"{item.label}, label: two items have it")
            if within(item.path, other.path) or within(other.path, item.path):
                raise VirtiofsError(f"{item.label}, path: {item.path} and {other.path} ({other.label}) are nested")
            for option in ("device", "image"):
                place = getattr(item, option)
                if place is not None and place == getattr(other, option):
                    raise VirtiofsError(f"{item.label}, {option}: {other.label} has {place} already")
    for item in items:
        # One that was put there before is let go of. Deleting it is refused too: a guest can exchange directories.
        if item.image is None or item.state not in ("present", "wiped"):
            continue
        for other in items:
            if within(item.image, other.path):
                raise VirtiofsError(f"{item.label}, image: {item.image} is inside the share {other.label}")
        beside_shares = item.state == "wiped" and os.path.dirname(item.image) == root
        if within(item.image, root) and not beside_shares:
            raise VirtiofsError(f"{item.label}, image: {item.image} is inside {root}, where guests write")
    for disk in dict.fromkeys(item.disk for item in items if item.disk):
        sizes = [item for item in items if item.disk == disk and item.size and item.state == "present"]
        for item in sizes[:-1]:
            if item.size is not None and item.size.rest:
                raise VirtiofsError(f"{item.label}, size: rest is for the last item of a disk, see {sizes[-1].label}")
        total = sum(item.size.percent or 0 for item in sizes if item.size)
        if total > 100:
            raise VirtiofsError(f"{sizes[-1].label}, size: the items of {disk} add up to {float(total):g}%")
