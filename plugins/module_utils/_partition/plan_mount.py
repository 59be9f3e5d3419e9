# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How filesystems are mounted: root, fstab, the live mount, and what can be changed while mounted. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils import _directory
from ansible_collections.virtio.fs.plugins.module_utils._block.filesystem import EXT
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, in_words
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, on_path
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import (
    fixed_differ,
    flags_differ,
    for_mount,
    meaning,
    meaning_of,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import Remount
from ansible_collections.virtio.fs.plugins.module_utils._partition import steps_mount
from ansible_collections.virtio.fs.plugins.module_utils._partition.agenda import Draft, Filesystem, is_line_of
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line, line_of, mounts
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Place, State
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_filesystem import GrowFilesystem, Reserve
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import KeepRoot, SetImmutable
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import Item, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within

# What mkfs leaves unused at the end: the last group of blocks is dropped when it is too small.
_UNUSED = 16 * MIB

# Linux, btrfs_ioctl_resize(): a smaller new size is an invalid argument.
_LEAST_BTRFS = 256 * MIB


def keep_root(wanted: Wanted, state: State, draft: Draft) -> None:
    """:raises VirtiofsError: the root holds what is not ours, and its owner or mode would be changed."""
    root = state.root
    inside = [item for item in wanted.items if item.state == "present" and within(item.path, wanted.root)]
    if not root.exists and not inside:
        return
    if root.exists and (root.uid, root.gid, root.mode) == (0, 0, wanted.root_mode):
        return
    if root.exists and not inside and root.foreign:
        return
    if root.foreign:
        raise VirtiofsError(
            f"root: {wanted.root} holds {', '.join(root.foreign[:3])}, which this module did not make, and has the "
            f"mode {root.mode:04o}: give an empty directory, or set owner root and mode {wanted.root_mode:04o} yourself"
        )
    draft.root.append(KeepRoot(wanted.root, wanted.root_mode, root.exists))


def mounted(item: Item, filesystem: Filesystem, state: State, draft: Draft) -> Entry:
    """Plan the mount of one filesystem; returns its wanted fstab entry."""
    here = on_path(state.views.ours.mounts, item.path)
    place = state.places[item.path]
    _refuse_foreign_mount(item, filesystem, here, state)
    old = entry_on(item, state)
    for other in state.entries:
        if other.mount_point == item.path or other == old:
            _refuse_foreign_entry(item, filesystem, other, state)
    entry = item.entry(filesystem.fstype, old)
    if old is not None and frozenset(old.options) == frozenset(entry.options) and old.tag == ("LABEL", item.label):
        path = old.path if old.mount_point == item.path else item.path
        entry = Entry(old.spec, path, entry.fstype, old.options, entry.dump, entry.passno)
    writes = _would_write(item, state, entry)
    if writes:
        same_place = tuple(other for other in state.entries if other.mount_point == item.path)
        draft.lines.append(Line(item.label, entry, same_place))
    if here is None:
        _refuse_written(item, filesystem, state)
        draft.mounts.append(steps_mount.Mount(filesystem.source, entry))
        _look_at_bare(item, place, state, draft)
    else:
        meant, live = meaning(for_mount(entry.options)), meaning_of(here)
        if flags_differ(meant, live) or (writes and fixed_differ(meant, live)):
            draft.mounts.append(Remount(item.path, for_mount(entry.options), fixed=True))
    for other in state.entries:
        goes = (item.path, item.path if old is None else old.mount_point)
        if mounts(other, item.label) and other.mount_point not in goes and "noauto" not in other.options:
            draft.warnings.append(f"{item.label}: fstab mounts it on {other.mount_point} as well")
    if not {"nofail", "noauto"} & set(entry.options):
        draft.warnings.append(f"{item.label}: without nofail in mount_options this machine needs the disk to boot")
    _owned(item, place if here is not None else None, draft)
    _filled(item, filesystem, place, here, state, draft)
    return entry


def entry_on(item: Item, state: State) -> Entry | None:
    """The line of fstab for the mount point, or else for the label (its mount point has changed)."""
    return line_of(state.entries, item.label, item.path)


def _would_write(item: Item, state: State, entry: Entry) -> bool:
    same_place = [other for other in state.entries if other.mount_point == item.path]
    fstab.with_entry("", entry)  # refuses what cannot be written, before anything is changed
    return same_place != [entry]


def _refuse_foreign_mount(item: Item, filesystem: Filesystem, here: Mount | None, state: State) -> None:
    if here is not None:
        if filesystem.devnum is None or not state.views.is_on(here, filesystem.devnum, filesystem.node or ""):
            raise VirtiofsError(
                f"{item.label}, path: something else is mounted on {item.path} ({here.source}, {here.fstype}), "
                "unmount it first"
            )
        # A subvolume of a btrfs has a name in the options of its mounts, a directory has not.
        if here.root != "/" and f"subvol={here.root}" not in here.super_options:
            raise VirtiofsError(
                f"{item.label}, path: {item.path} shows only {here.root} of its filesystem, unmount it first"
            )
        return
    for mount in state.views.ours.mounts:
        if filesystem.devnum is not None and state.views.is_on(mount, filesystem.devnum, filesystem.node or ""):
            raise VirtiofsError(
                f"{item.label}, path: its filesystem is mounted on {mount.path}, not on {item.path}, "
                "unmount it there first"
            )


def _refuse_written(item: Item, filesystem: Filesystem, state: State) -> None:
    """No mount keeps out who has the device open already: a running guest that has the disk, and mounts it too."""
    device = state.disks[state.disk_of[item.label]].device if item.disk else state.devices.get(item.label)
    writers = [
        *(state.views.written(filesystem.devnum or "") if item.disk else ()),
        *(device.writers if device is not None else ()),
        *(state.images[item.label].uses if item.image else ()),
    ]
    if writers:
        option = "disk" if item.disk else "image" if item.image else "device"
        raise VirtiofsError(
            f"{item.label}, {option}: its filesystem on {item.disk or item.image or item.device} is {writers[0]}, "
            "and is destroyed when it is mounted here too: stop that first"
        )


def _refuse_foreign_entry(item: Item, filesystem: Filesystem, entry: Entry, state: State) -> None:
    if entry.spec == item.device or is_line_of(
        entry,
        item.label,
        state.devnums,
        uuid=filesystem.uuid,
        partuuid=filesystem.partuuid,
        node=filesystem.node,
        devnum=filesystem.devnum,
    ):
        return
    raise VirtiofsError(
        f"{item.label}, path: fstab has another line for {item.path} ({entry.spec}), remove it or give another path"
    )


def _look_at_bare(item: Item, place: Place, state: State, draft: Draft) -> None:
    if place.exists and not place.empty:
        draft.warnings.append(f"{item.label}: the directory {item.path} is not empty, the mount hides what is in it")
    _warn_unguarded(item, place, draft)
    for domain in state.sharing.get(item.path, ()):
        draft.warnings.append(
            f"{item.label}: the domain {domain} runs and shares {item.path}, it sees this mount when the share is "
            "attached again"
        )


def guarded(item: Item, state: State, draft: Draft) -> None:
    """A filesystem that stays unmounted leaves a bare directory, and that is kept immutable."""
    place = state.places[item.path]
    if on_path(state.views.ours.mounts, item.path) is None and place.exists:
        _warn_unguarded(item, place, draft)
        if place.immutable is False:
            draft.mounts.append(SetImmutable(item.path))


def _warn_unguarded(item: Item, place: Place, draft: Draft) -> None:
    if not place.can_be_immutable:
        draft.warnings.append(
            f"{item.label}: the filesystem that the directory {item.path} is on knows no immutable flag: while the "
            "disk is missing, what writes there fills that filesystem (require_mountpoint keeps shares from it)"
        )


def _owned(item: Item, place: Place | None, draft: Draft) -> None:
    """Owner and mode of the root directory of the filesystem, which nobody knows before it is mounted."""
    uid = item.uid if place is None or item.uid is not None else place.uid
    gid = item.gid if place is None or item.gid is not None else place.gid
    if (item.uid, item.gid) != (None, None) and (place is None or (uid, gid) != (place.uid, place.gid)):
        draft.finishing.append(_directory.Own(item.path, uid, gid))
    # A change of owner may take set-uid and set-gid bits away, so the mode comes last.
    if item.mode is not None and (place is None or item.mode != place.mode):
        draft.finishing.append(_directory.Allow(item.path, item.mode))


def _filled(
    item: Item, filesystem: Filesystem, place: Place, here: Mount | None, state: State, draft: Draft
) -> None:
    """The filesystem is as large as its device, and reserves what was asked for."""
    size = place.mounted_size if here is not None and place.mounted_size is not None else None
    if size is None and filesystem.superblock is not None:
        size = filesystem.superblock.size
    if filesystem.grown or (size is not None and filesystem.size - size > _UNUSED):
        if item.grow and filesystem.fstype in EXT and not state.may_resize_ext4:
            raise VirtiofsError(
                f"{item.label}, grow: this kernel does not let us enlarge a mounted {filesystem.fstype} "
                "(CAP_SYS_RESOURCE is missing)"
            )
        if item.grow and filesystem.fstype == "btrfs" and filesystem.size < _LEAST_BTRFS:
            raise VirtiofsError(f"{item.label}, grow: btrfs can only be enlarged to {in_words(_LEAST_BTRFS)} or more")
        if item.grow:
            draft.finishing.append(GrowFilesystem(filesystem.source, filesystem.fstype, item.path))
        else:
            draft.warnings.append(
                f"{item.label}: its filesystem uses {in_words(size or 0)} of {in_words(filesystem.size)}, "
                "grow: true enlarges it"
            )
    percent = None if filesystem.superblock is None else filesystem.superblock.reserved_percent
    if item.reserved_percent is not None and percent is not None and percent != item.reserved_percent:
        draft.finishing.append(Reserve(filesystem.source, item.reserved_percent))
