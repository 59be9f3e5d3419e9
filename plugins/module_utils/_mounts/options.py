# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mount options mean, so that lists of them can be compared. Pure.

``[rw, nosuid]`` of fstab and ``rw,nosuid,relatime`` of the kernel mean the same mount: a later option
overrides an earlier one, what is left out has a default, and some words only fstab knows (mount(8)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount

# libvirt's daemons start the guests that start at boot: they wait for the mount, or for its time-out. Without
# this, a nofail mount is ordered before nothing, and a guest could start on the bare directory.
BEFORE_LIBVIRT = ("x-systemd.before=libvirtd.service", "x-systemd.before=virtqemud.service")

# Of a filesystem that virtiofs_partition makes, where the user gives none.
PARTITION_OPTIONS = ("rw", "noatime", "nosuid", "nodev", "nofail", "x-systemd.device-timeout=30s", *BEFORE_LIBVIRT)

# Each option belongs to a choice; the first of a choice is what holds when none is given.
_CHOICES: tuple[tuple[str, ...], ...] = (
    ("rw", "ro"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("exec", "noexec"),
    ("relatime", "noatime", "strictatime"),
    ("diratime", "nodiratime"),
    ("symfollow", "nosymfollow"),
    ("async", "sync"),
    ("nodirsync", "dirsync"),
    ("nolazytime", "lazytime"),
)
_CHOICE_OF = {option: choice[0] for choice in _CHOICES for option in choice}

# Words that stand for others.
_MEANING: Mapping[str, tuple[str, ...]] = {
    "defaults": ("rw", "suid", "dev", "exec", "async"),
    "atime": ("relatime",),
    "norelatime": ("strictatime",),
    "nostrictatime": ("relatime",),
    "user": ("noexec", "nosuid", "nodev"),
    "users": ("noexec", "nosuid", "nodev"),
    "owner": ("nosuid", "nodev"),
    "group": ("nosuid", "nodev"),
    "dax": ("dax=always",),
}

# Of no meaning to a kernel: fstab, mount(8) and systemd read them.
_FSTAB_ONLY = frozenset(
    {"auto", "noauto", "nofail", "fail", "_netdev", "nouser", "user", "users", "owner", "group", "nogroup", "defaults"}
)
_FSTAB_ONLY_PREFIXES = ("x-", "X-", "comment=", "user=")

# What mount(8) itself does something about, each time it mounts.
_DONE_BY_MOUNT = "X-mount."

# A kernel takes them, and never reports them.
_NEVER_REPORTED = frozenset({"silent", "loud", "iversion", "noiversion"})

# These have no word of mount(8) for the first of the choice: not saying it is the only way to say it.
_WITHOUT_A_WORD = frozenset({"nodirsync", "symfollow"})

# What a kernel leaves out when it reports the options of a mount.
_UNREPORTED = frozenset(
    {"suid", "dev", "exec", "strictatime", "diratime", "symfollow", "async", "nodirsync", "nolazytime"}
)


@dataclass(frozen=True)
class Meaning:
    """``flags`` can be changed by a remount; ``fixed`` are decided when the filesystem is mounted."""

    flags: tuple[str, ...]
    fixed: frozenset[str]


def meaning(options: Iterable[str]) -> Meaning:
    """What these options ask of a kernel, in any order and spelling of them."""
    chosen = {choice[0]: choice[0] for choice in _CHOICES}
    fixed: set[str] = set()
    for option in options:
        for word in _MEANING.get(option, (option,)):
            if word in _CHOICE_OF:
                chosen[_CHOICE_OF[word]] = word
            elif word and word not in _NEVER_REPORTED and not fstab_only(word):
                # The kernel quotes only what has a comma.
                fixed.add(word if "," in word else word.replace('"', ""))
    return Meaning(tuple(chosen.values()), frozenset(fixed))


def meaning_of(mount: Mount) -> Meaning:
    """What a mount is, as the kernel reports it."""
    reported = mount.options | mount.super_options
    # The kernel names the two that are not strictatime, and reports rw once and ro once for a mount that is ro.
    words = sorted(reported - {"rw", "ro"}) + (["ro"] if mount.readonly else ["rw"])
    if not reported & {"relatime", "noatime"}:
        words.append("strictatime")
    return meaning(words)


def flags_differ(wanted: Meaning, live: Meaning) -> bool:
    return wanted.flags != live.flags


def fixed_differ(wanted: Meaning, live: Meaning) -> bool:
    """Whether something is asked for that the mount is not. What a kernel adds of its own is no difference."""
    # mountinfo does not quote a comma, so a value with one cannot be recognised.
    return not {option for option in wanted.fixed if "," not in option} <= live.fixed


def for_mount(options: Iterable[str], busybox: bool = False) -> tuple[str, ...]:
    """The options that mount(8) is given, those that only fstab has a use for left out.

    The mount of busybox hands to the kernel what it does not know, and the kernel refuses it.
    """
    return tuple(
        option for option in options if not fstab_only(option) or (option.startswith(_DONE_BY_MOUNT) and not busybox)
    ) or ("rw",)


def for_remount(wanted: Meaning) -> tuple[str, ...]:
    """Every choice in full, because a remount keeps some of what is left out and drops the rest."""
    return tuple(word for word in wanted.flags if word not in _WITHOUT_A_WORD)


def as_reported(wanted: Meaning) -> tuple[str, ...]:
    """The words in which a kernel reports such a mount."""
    return (*(word for word in wanted.flags if word not in _UNREPORTED), *sorted(wanted.fixed))


def fstab_only(option: str) -> bool:
    return option in _FSTAB_ONLY or option.startswith(_FSTAB_ONLY_PREFIXES)


def hardened(options: Sequence[str], allow_suid: bool, allow_dev: bool) -> tuple[str, ...]:
    """The options, with ``nosuid`` and ``nodev`` added where they are neither meant nor allowed to be missing."""
    added = [
        word
        for word, allowed in (("nosuid", allow_suid), ("nodev", allow_dev))
        if not allowed and word not in meaning(options).flags
    ]
    return (*options, *added)
