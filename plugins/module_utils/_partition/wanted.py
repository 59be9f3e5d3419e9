# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user asks for: the items of virtiofs_partition, checked as a whole before anything is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import DEFAULT, KINDS, NewFilesystem
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Size, in_words, parse
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS, hardened
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
        options = list(hardened(PARTITION_OPTIONS if chosen is None else chosen, self.allow_suid, self.allow_dev))
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
        raise VirtiofsError(at("fstab") + f"{fstab!r} {problem}")
    items = tuple(_item(given, root) for given in params["partitions"])
    _check_across(items, root)
    return Wanted(items, root, 0o700 if root_mode is None else root_mode, normalized(fstab))


def outside(items: Sequence[WantedPartition], root: str) -> tuple[str, ...]:
    """Warnings about mount points that the root's mode does not protect."""
    return tuple(
        f"{at(item.label)}{item.path} is outside {root}, whose mode keeps other users of this machine out"
        for item in items
        if item.state == "present" and not within(item.path, root)
    )


def _root(path: str) -> str:
    problem = problem_with_path(path)
    if problem:
        raise VirtiofsError(at("root") + f"{path!r} {problem}")
    root = normalized(path)
    if root in system_directories | public_directories or any(within(root, tree) for tree in system_trees):
        raise VirtiofsError(at("root") + f"{root} belongs to the system, give a directory of its own, as /shared")
    return root


def _item(given: Mapping[str, Any], root: str) -> WantedPartition:
    label, state, fstype = given["label"], given.get("state") or "present", given.get("fstype")
    _check_label(label)
    path = given.get("path") or f"{root}/{label}"
    problem = problem_with_mount_path(path)
    if problem:
        raise _error(label, "path", f"{path!r} {problem}")
    _check_places(given, state)
    size = _size(given, state)
    _check_filesystem(given, size)
    return WantedPartition(
        label=label,
        path=normalized(path),
        state=state,
        disk=given.get("disk") or None,
        size=size,
        device=given.get("device") or None,
        image=normalized(given["image"]) if given.get("image") else None,
        fstype=fstype,
        reserved_percent=given.get("reserved_percent"),
        passno=_passno(given),
        mount_options=_mount_options(given),
        mkfs_options=_mkfs_options(given),
        owner=given.get("owner"),
        group=given.get("group"),
        mode=ownership.mode(given.get("mode"), f"{label}, mode"),
        grow=bool(given.get("grow")),
        overwrite=bool(given.get("overwrite")),
        allow_suid=bool(given.get("allow_suid")),
        allow_dev=bool(given.get("allow_dev")),
    )


def _error(label: str, option: str, sentence: str) -> VirtiofsError:
    return VirtiofsError(at(label, option) + sentence)


def _check_label(label: str) -> None:
    if not label:
        raise VirtiofsError(at("partitions") + "an item has an empty label")
    if not _LABEL.fullmatch(label):
        raise VirtiofsError(
            f"{label!r}, label: use letters, digits and . _ : @ + - only, beginning with a letter, a digit or _"
        )


def _check_places(given: Mapping[str, Any], state: str) -> None:
    label = given["label"]
    places = [name for name in ("disk", "device", "image") if given.get(name)]
    if len(places) > 1:
        raise _error(label, places[1], f"give either {places[0]} or {places[1]}, not both")
    if not places and state in ("present", "wiped"):
        raise _error(label, "disk", f"with state {state} it needs a disk and a size, a device, or an image and a size")
    for name in places:
        problem = problem_with_path(given[name])
        if problem:
            raise _error(label, name, f"{given[name]!r} {problem}")


def _size(given: Mapping[str, Any], state: str) -> Size | None:
    label = given["label"]
    if given.get("size") is None:
        if state == "present" and not given.get("device"):
            raise _error(label, "size", f"the {'image' if given.get('image') else 'disk'} needs one, as 100GiB")
        return None
    if given.get("device"):
        raise _error(label, "size", "a device is used whole, leave the size out")
    try:
        size = parse(str(given["size"]))
    except VirtiofsError as error:
        raise _error(label, "size", str(error)) from error
    if given.get("image") and size.absolute is None:
        raise _error(label, "size", "an image needs a size of its own, as 100GiB")
    return size


def _check_filesystem(given: Mapping[str, Any], size: Size | None) -> None:
    """What this kind of filesystem can have."""
    label, fstype, reserved = given["label"], given.get("fstype") or DEFAULT, given.get("reserved_percent")
    kind = KINDS[fstype]
    if len(label) > kind.label_bytes:
        raise _error(label, "label", f"it has {len(label)} bytes, {fstype} keeps {kind.label_bytes}")
    if size is not None and size.absolute is not None and size.absolute < kind.least:
        raise _error(label, "size", f"{fstype} needs at least {in_words(kind.least)}")
    if reserved is not None and fstype != "ext4":
        raise _error(label, "reserved_percent", f"only ext4 has reserved blocks, this is {fstype}")
    if reserved is not None and not 0 <= reserved <= 50:
        raise _error(label, "reserved_percent", f"{reserved} is not from 0 to 50")


def _passno(given: Mapping[str, Any]) -> int | None:
    passno = given.get("passno")
    if passno is not None and not 0 <= passno <= 9:
        raise _error(given["label"], "passno", f"{passno} is not from 0 to 9")
    return None if passno is None else int(passno)


def _mkfs_options(given: Mapping[str, Any]) -> tuple[str, ...]:
    options = tuple(str(option) for option in given.get("mkfs_options") or ())
    for option in options:
        problem = _problem_with_mkfs_option(option)
        if problem:
            raise _error(given["label"], "mkfs_options", f"{option!r} {problem}")
    return options


def _problem_with_mkfs_option(option: str) -> str | None:
    if not option or "\0" in option:
        return "cannot be an argument"
    if re.match(r"-[LU]|--(label|uuid)\b", option):
        return "would replace the label or the UUID that the item is known by"
    # mkfs.btrfs takes any number of devices, others one for a journal, and all write over what is on it.
    # It runs in the root directory, so the slash before dev can be left out.
    if re.search(r"(?<![\w.-])dev/", option):
        return "names a device, and mkfs would overwrite it unchecked"
    return None


def _mount_options(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    options = given.get("mount_options")
    if options is None:
        return None
    for option in options:
        problem = _problem_with_mount_option(option)
        if problem:
            raise _error(given["label"], "mount_options", problem)
    for option in ("suid", "dev"):
        if option in options and not given.get(f"allow_{option}"):
            sentence = f"{option} lets a guest harm this machine, it needs allow_{option}: true"
            raise _error(given["label"], "mount_options", sentence)
    return tuple(options)


def _problem_with_mount_option(option: str) -> str | None:
    if not option or re.search(r"[\x00-\x1f\x7f]", option):
        return f"{option!r} is empty or has a control character in it"
    if "," in re.sub(r'"[^"]*"', "", option) or option.count('"') % 2:
        return f"{option!r} is more than one option, give each on its own"
    if option.partition("=")[0] in _OTHER_MOUNTS:
        return f"{option!r} would mount something else than the filesystem"
    if option == "x-systemd.automount":
        return f"{option} mounts it when it is first used, and guests need it before that"
    if option.startswith("X-mount.subdir"):
        return f"{option!r} would mount a part of the filesystem, and it is to be used whole"
    return None


def _check_across(items: Sequence[WantedPartition], root: str) -> None:
    for position, item in enumerate(items):
        # The root would be a directory of the guest's. An item that goes away may have been put there before.
        if item.state == "present" and within(root, item.path):
            raise VirtiofsError(f"{at(item.label, 'path')}{item.path} would hide the root {root}, give one below it")
        for other in items[:position]:
            if other.label == item.label:
                raise VirtiofsError(f"{at(item.label, 'label')}two items have it")
            if within(item.path, other.path) or within(other.path, item.path):
                raise VirtiofsError(f"{at(item.label, 'path')}{item.path} and {other.path} ({other.label}) are nested")
            for option in ("device", "image"):
                place = getattr(item, option)
                if place is not None and place == getattr(other, option):
                    raise VirtiofsError(f"{at(item.label, option)}{other.label} has {place} already")
    for item in items:
        # An item that goes away may have been put there before. Deleting the file is refused too: a guest can exchange
        # directories.
        if item.image is None or item.state not in ("present", "wiped"):
            continue
        for other in items:
            if within(item.image, other.path):
                raise VirtiofsError(f"{at(item.label, 'image')}{item.image} is inside the share {other.label}")
        beside_shares = item.state == "wiped" and os.path.dirname(item.image) == root
        if within(item.image, root) and not beside_shares:
            raise VirtiofsError(f"{at(item.label, 'image')}{item.image} is inside {root}, where guests write")
    for disk in dict.fromkeys(item.disk for item in items if item.disk):
        sizes = [item for item in items if item.disk == disk and item.size and item.state == "present"]
        for item in sizes[:-1]:
            if item.size is not None and item.size.rest:
                raise VirtiofsError(
                    f"{at(item.label, 'size')}rest is for the last item of a disk, see {sizes[-1].label}"
                )
        total = sum(item.size.percent or 0 for item in sizes if item.size)
        if total > 100:
            raise VirtiofsError(f"{at(sizes[-1].label, 'size')}the items of {disk} add up to {float(total):g}%")
