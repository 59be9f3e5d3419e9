# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems are mounted: root, fstab, the live mount, and what can be changed while mounted. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils import _directory
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import EXT
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import (
    fixed_differ,
    flags_differ,
    for_mount,
    meaning,
    meaning_of,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import Remount
from ansible_collections.virtio.fs.plugins.module_utils._partition import steps_mount
from ansible_collections.virtio.fs.plugins.module_utils._partition.found import Found
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line, mounts, names
from ansible_collections.virtio.fs.plugins.module_utils._partition.item_plan import Filesystem, ItemPlan, merged
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import GrowFilesystem, Reserve
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import KeepRoot, SetImmutable
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within

# What mkfs leaves unused at the end: the last group of blocks is dropped when it is too small.
_UNUSED = 16 * MIB

# Linux, btrfs_ioctl_resize(): a smaller new size is an invalid argument.
_LEAST_BTRFS = 256 * MIB


def plan_root(wanted: Wanted, state: State) -> ItemPlan:
    """:raises VirtiofsError: the root holds what is not ours, and its owner or mode would be changed."""
    root = state.root
    inside = [item for item in wanted.items if item.state == "present" and within(item.path, wanted.root)]
    if not root.exists and not inside:
        return ItemPlan()
    if root.exists and (root.uid, root.gid, root.mode) == (0, 0, wanted.root_mode):
        return ItemPlan()
    if root.exists and not inside and root.foreign:
        return ItemPlan()
    if root.foreign:
        raise VirtiofsError(
            f"{at('root')}"
            f"{wanted.root} holds {', '.join(root.foreign[:3])}, which this module did not make, and has the "
            f"mode {root.mode:04o}: give an empty directory, or set owner root and mode {wanted.root_mode:04o} yourself"
        )
    return ItemPlan(root=(KeepRoot(wanted.root, wanted.root_mode, root.exists),))


def plan_mount(found: Found, filesystem: Filesystem, state: State) -> tuple[Entry, ItemPlan]:
    """The line of fstab that the item will have, and how its filesystem is mounted as that says.

    :raises VirtiofsError: something else is there, or somebody else writes to the filesystem.
    """
    item, here = found.item, found.mounted
    if here is None:
        _refuse_mounted_elsewhere(found, filesystem, state)
    else:
        _refuse_foreign_mount(found, filesystem, here, state)
    same_place = tuple(other for other in state.entries if other.mount_point == item.path)
    for other in state.entries:
        if other.mount_point == item.path or other == found.entry:
            _refuse_foreign_entry(found, filesystem, other, state)
    entry = _entry(found, filesystem)
    fstab.with_entry("", entry)  # refuses what cannot be written, before anything is changed
    writes = same_place != (entry,)
    steps: tuple[Step[Any], ...] = ()
    if here is None:
        _refuse_written(found, filesystem, state)
        steps = (steps_mount.Mount(filesystem.source, entry),)
    elif _options_differ(entry, here, writes):
        steps = (Remount(item.path, for_mount(entry.options), fixed=True),)
    plan = ItemPlan(
        lines=(Line(item.label, entry, same_place),) if writes else (),
        mounts=steps,
        finishing=_owned(found),
        warnings=(*(_about_bare(found) if here is None else ()), *_about_entries(found, entry, state)),
    )
    return entry, merged([plan, _filled(found, filesystem, state)])


def _entry(found: Found, filesystem: Filesystem) -> Entry:
    item, old = found.item, found.entry
    entry = item.entry(filesystem.fstype, old)
    # What differs in spelling only stays as somebody wrote it.
    if old is not None and frozenset(old.options) == frozenset(entry.options) and old.tag == ("LABEL", item.label):
        path = old.path if old.mount_point == item.path else item.path
        return Entry(old.spec, path, entry.fstype, old.options, entry.dump, entry.passno)
    return entry


def _options_differ(entry: Entry, here: Mount, writes: bool) -> bool:
    meant, live = meaning(for_mount(entry.options)), meaning_of(here)
    return flags_differ(meant, live) or (writes and fixed_differ(meant, live))


def _refuse_foreign_mount(found: Found, filesystem: Filesystem, here: Mount, state: State) -> None:
    item = found.item
    if filesystem.devnum is None or not state.views.is_on(here, filesystem.devnum, filesystem.node or ""):
        raise VirtiofsError(
            f"{at(item.label, 'path')}something else is mounted on {item.path} ({here.source}, {here.fstype}), "
            "unmount it first"
        )
    # A subvolume of a btrfs has a name in the options of its mounts, a directory has not.
    if here.root != "/" and f"subvol={here.root}" not in here.super_options:
        raise VirtiofsError(
            f"{at(item.label, 'path')}{item.path} shows only {here.root} of its filesystem, unmount it first"
        )


def _refuse_mounted_elsewhere(found: Found, filesystem: Filesystem, state: State) -> None:
    item = found.item
    for mount in state.views.ours.mounts:
        if filesystem.devnum is not None and state.views.is_on(mount, filesystem.devnum, filesystem.node or ""):
            raise VirtiofsError(
                f"{at(item.label, 'path')}its filesystem is mounted on {mount.path}, not on {item.path}, "
                "unmount it there first"
            )


def _refuse_written(found: Found, filesystem: Filesystem, state: State) -> None:
    """No mount keeps out who has the device open already: a running guest that has the disk, and mounts it too."""
    item = found.item
    device = found.device if found.disk is None else found.disk.device
    writers = [
        *(state.views.written(filesystem.devnum or "") if item.disk else ()),
        *(device.writers if device is not None else ()),
        *(found.image.uses if found.image is not None else ()),
    ]
    if writers:
        option = "disk" if item.disk else "image" if item.image else "device"
        raise VirtiofsError(
            f"{at(item.label, option)}its filesystem on {item.disk or item.image or item.device} is {writers[0]}, "
            "and is destroyed when it is mounted here too: stop that first"
        )


def _refuse_foreign_entry(found: Found, filesystem: Filesystem, entry: Entry, state: State) -> None:
    item = found.item
    if entry.spec != item.device and not names(entry, item.label, filesystem, state.devnums):
        raise VirtiofsError(
            f"{at(item.label, 'path')}"
            f"fstab has another line for {item.path} ({entry.spec}), remove it or give another path"
        )


def _about_entries(found: Found, entry: Entry, state: State) -> tuple[str, ...]:
    item, old = found.item, found.entry
    goes = (item.path, item.path if old is None else old.mount_point)
    warnings = [
        f"{at(item.label)}fstab mounts it on {other.mount_point} as well"
        for other in state.entries
        if mounts(other, item.label) and other.mount_point not in goes and "noauto" not in other.options
    ]
    if not {"nofail", "noauto"} & set(entry.options):
        warnings.append(f"{at(item.label)}without nofail in mount_options this machine needs the disk to boot")
    return tuple(warnings)


def _about_bare(found: Found) -> tuple[str, ...]:
    item = found.item
    warnings = []
    if found.place.exists and not found.place.empty:
        warnings.append(f"{at(item.label)}the directory {item.path} is not empty, the mount hides what is in it")
    warnings += _about_flag(found)
    warnings += [
        f"{at(item.label)}the domain {domain} runs and shares {item.path}, it sees this mount when the share is "
        "attached again"
        for domain in found.sharing
    ]
    return tuple(warnings)


def plan_bare(found: Found) -> ItemPlan:
    """A filesystem that stays unmounted leaves a bare directory, and that is kept immutable."""
    if found.mounted is not None or not found.place.exists:
        return ItemPlan()
    return ItemPlan(
        mounts=(SetImmutable(found.item.path),) if found.place.immutable is False else (),
        warnings=_about_flag(found),
    )


def _about_flag(found: Found) -> tuple[str, ...]:
    if found.place.can_be_immutable:
        return ()
    return (
        f"{at(found.item.label)}the filesystem that the directory {found.item.path} is on has no immutable flag: while "
        "the disk is missing, what writes there fills that filesystem (require_mountpoint keeps shares from it)",
    )


def _owned(found: Found) -> tuple[Step[Any], ...]:
    """Owner and mode of the root directory of the filesystem, which nobody knows before it is mounted."""
    path, mode = found.item.path, found.item.mode
    place: Place | None = found.place if found.mounted is not None else None
    uid = found.uid if place is None or found.uid is not None else place.uid
    gid = found.gid if place is None or found.gid is not None else place.gid
    steps: list[Step[Any]] = []
    if (found.uid, found.gid) != (None, None) and (place is None or (uid, gid) != (place.uid, place.gid)):
        steps.append(_directory.Own(path, uid, gid))
    # A change of owner may take set-uid and set-gid bits away, so the mode comes last.
    if mode is not None and (place is None or mode != place.mode):
        steps.append(_directory.Allow(path, mode))
    return tuple(steps)


def _filled(found: Found, filesystem: Filesystem, state: State) -> ItemPlan:
    """The filesystem is as large as its device, and reserves what was asked for."""
    item = found.item
    steps: list[Step[Any]] = []
    warnings = []
    size = found.place.mounted_size if found.mounted is not None else None
    if size is None and filesystem.superblock is not None:
        size = filesystem.superblock.size
    if filesystem.grown or (size is not None and filesystem.size - size > _UNUSED):
        if item.grow:
            _refuse_to_grow(found, filesystem, state)
            steps.append(GrowFilesystem(filesystem.source, filesystem.fstype, item.path))
        else:
            warnings.append(
                f"{at(item.label)}its filesystem uses {in_words(size or 0)} of {in_words(filesystem.size)}, "
                "grow: true enlarges it"
            )
    percent = None if filesystem.superblock is None else filesystem.superblock.reserved_percent
    if item.reserved_percent is not None and percent is not None and percent != item.reserved_percent:
        steps.append(Reserve(filesystem.source, item.reserved_percent))
    return ItemPlan(finishing=tuple(steps), warnings=tuple(warnings))


def _refuse_to_grow(found: Found, filesystem: Filesystem, state: State) -> None:
    label = found.item.label
    if filesystem.fstype in EXT and not state.may_resize_ext4:
        raise VirtiofsError(
            f"{at(label, 'grow')}this kernel does not let us enlarge a mounted {filesystem.fstype} "
            "(CAP_SYS_RESOURCE is missing)"
        )
    if filesystem.fstype == "btrfs" and filesystem.size < _LEAST_BTRFS:
        raise VirtiofsError(f"{at(label, 'grow')}btrfs can only be enlarged to {in_words(_LEAST_BTRFS)} or more")
