# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the shares in fstab that no item names: which go, which move, and which stay, and why. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import is_share_line, lines_of_no_item
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import bears_mark
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import GOING
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import (
    normalized,
    system_directories,
    system_trees,
    within,
)

# Where distributions keep the programs that everything runs from: NixOS, Guix, ostree and bootc.
_STORES = ("/nix", "/gnu", "/ostree", "/sysroot")

# systemd.mount(5): mounted before the root filesystem is the guest's.
_OF_THE_INITRAMFS = "x-initrd.mount"

# Options whose value is a path that the mount needs: overlay (several, by colons), and systemd.mount(5).
_PATHS = ("lowerdir", "upperdir", "workdir", "x-systemd.requires-mounts-for", "x-systemd.wants-mounts-for")


@dataclass(frozen=True)
class Unlisted:
    """The lines that no item names.

    ``leaving`` go before anything is mounted. ``moving`` go after it, because their share is listed with another path;
    ``moves`` has, for all whose share is, the new path by the old one. ``kept`` would go and stay, each with the reason
    as half a sentence. ``ours`` are of this list, which has their share no more; those that are not among the others
    stay because nobody asked for more.
    """

    leaving: tuple[Entry, ...] = ()
    moving: tuple[Entry, ...] = ()
    moves: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[tuple[Entry, str], ...] = ()
    ours: tuple[Entry, ...] = ()


def unlisted(text: str, mounts: Sequence[Mount], wanted: Wanted) -> Unlisted:
    """What becomes of the shares in this fstab that no item names."""
    lines = entries(text)
    leaving: list[Entry] = []
    moves: dict[str, str] = {}
    ours: list[Entry] = []
    for entry in lines_of_no_item(filter(is_share_line, lines), wanted.mounts):
        marked = bears_mark(entry, wanted.list_name)
        states = {item.state: item.path for item in wanted.mounts if item.tag == entry.spec} if marked else {}
        if marked and not states:
            ours.append(entry)
        if "mounted" in states:
            moves[entry.mount_point] = states["mounted"]
            leaving.append(entry)
        elif "present" in states:
            # It moves when it is mounted.
            continue
        elif wanted.exclusive or "absent" in states or (wanted.prune and entry in ours):
            leaving.append(entry)
    going = {(item.tag, item.path) for item in wanted.mounts if item.state in GOING}
    kept: list[tuple[Entry, str]] = []
    while not wanted.exclusive_system:
        # What stays may need what would have gone: look again until nothing more stays.
        gone = going | {(entry.spec, entry.mount_point) for entry in leaving}
        found = [(entry, _reason(entry, gone, lines, mounts)) for entry in leaving]
        stays = [(entry, reason) for entry, reason in found if reason is not None]
        if not stays:
            break
        kept += stays
        leaving = [entry for entry, reason in found if reason is None]
    moves = {entry.mount_point: moves[entry.mount_point] for entry in leaving if entry.mount_point in moves}
    last = [entry for entry in leaving if entry.mount_point in moves and not _in_the_way(entry.mount_point, wanted)]
    return Unlisted(
        leaving=tuple(entry for entry in leaving if entry not in last),
        moving=tuple(last),
        moves=moves,
        kept=tuple(kept),
        ours=tuple(ours),
    )


def _in_the_way(path: str, wanted: Wanted) -> bool:
    """Whether this mount would hide one that is wanted, or be hidden by it."""
    staying = [item.path for item in wanted.mounts if item.state not in GOING]
    return any(within(path, other) or within(other, path) for other in staying)


def _reason(
    entry: Entry, gone: Container[tuple[str, str]], lines: Iterable[Entry], mounts: Iterable[Mount]
) -> str | None:
    path = entry.mount_point
    if path in system_directories or any(within(path, tree) for tree in (*system_trees, *_STORES)):
        return "the guest runs from it"
    if _OF_THE_INITRAMFS in entry.options:
        return f"the initramfs mounts it ({_OF_THE_INITRAMFS})"
    for other in lines:
        if (other.spec, other.mount_point) not in gone:
            for needed in (other.mount_point, *_needed(other.spec, other.options)):
                if _is_on(needed, path):
                    return f"the mount of {other.path} needs it"
    for mount in mounts:
        if (mount.source, mount.path) not in gone:
            options = mount.options | mount.super_options
            for needed in (mount.path, *_needed(mount.source, options)):
                if _is_on(needed, path):
                    return f"what is mounted on {mount.path} needs it"
    return None


def _is_on(needed: str, path: str) -> bool:
    # What else is mounted on the same path hides it, and does not need it.
    return needed != path and within(needed, path)


def _needed(source: str, options: Iterable[str]) -> Iterator[str]:
    """The paths that a mount is made of: its source, where that is one (bind, loop), and those in its options."""
    if source.startswith("/"):
        # A file or a directory in the share itself, too.
        yield normalized(source) + "/"
    for option in options:
        name, equals, value = option.partition("=")
        if equals and name in _PATHS:
            for part in value.replace(":", " ").split():
                if part.startswith("/"):
                    yield normalized(part) + "/"
