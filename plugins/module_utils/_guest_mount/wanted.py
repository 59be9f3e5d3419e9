# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user wants mounted in a guest, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import hardened
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized, problem_with_mount_path, within

# nofail: a guest whose share is gone boots. A virtiofs mount has no device unit that systemd could wait for,
# so there is no device time-out to shorten.
CREATION_OPTIONS = ("rw", "_netdev", "nosuid", "nodev", "nofail")

AUTOMOUNT = "x-systemd.automount"

# virtio specification, 5.11.4: the tag is a field of 36 bytes.
_TAG_BYTES = 36

# What mount(8) and systemd take for a device, not for a tag.
_DEVICE_NAMES = ("/dev/", "LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=", "ID=")


@dataclass(frozen=True)
class WantedMount:
    """One item. ``options`` and ``automount`` are None where they keep what is there."""

    tag: str
    path: str
    state: str
    options: tuple[str, ...] | None
    automount: bool | None

    def __str__(self) -> str:
        return f"{self.tag} on {self.path}"


def wanted_mounts(
    items: Sequence[Mapping[str, Any]], exclusive: bool = False, confirm_empty: bool = False
) -> tuple[WantedMount, ...]:
    """The items, checked one by one and against each other.

    :raises VirtiofsError: naming the item and the option.
    """
    if exclusive and not items and not confirm_empty:
        raise VirtiofsError("mounts is empty: with exclusive that lets go of every share and needs confirm_empty: true")
    wanted = tuple(_wanted(item) for item in items)
    for position, one in enumerate(wanted):
        for other in wanted[:position]:
            if one.path == other.path:
                raise VirtiofsError(f"mounts: {other.tag!r} and {one.tag!r} have the same path {one.path}")
            inner, outer = sorted((one, other), key=lambda want: len(want.path), reverse=True)
            if within(inner.path, outer.path) and not {"absent", "unmounted"} & {inner.state, outer.state}:
                raise VirtiofsError(f"mounts: the path of {inner.tag!r}, {inner.path}, is inside that of {outer.tag!r}")
    return wanted


def line_for(want: WantedMount, line: Entry | None) -> Entry:
    """The line of fstab for this item, where ``line`` is the one that is there."""
    options = want.options
    automount = want.automount
    if options is None:
        options = line.options if line is not None and line.options else CREATION_OPTIONS
    if automount is None:
        automount = line is not None and AUTOMOUNT in line.options
    options = tuple(option for option in options if option != AUTOMOUNT) + ((AUTOMOUNT,) if automount else ())
    return Entry(want.tag, want.path, "virtiofs", options)


def _wanted(item: Mapping[str, Any]) -> WantedMount:
    tag, path = item["tag"], item["path"]
    name = f"mounts: {tag!r}"
    problem = problem_with_tag(tag)
    if problem:
        raise VirtiofsError(f"{name}: the tag {problem}")
    problem = problem_with_mount_path(path)
    if problem:
        raise VirtiofsError(f"{name}: the path {path!r} {problem}")
    options, automount = item.get("options"), item.get("automount")
    if options is not None:
        for option in options:
            problem = _problem_with_option(option, item)
            if problem:
                raise VirtiofsError(f"{name}: the option {option!r} {problem}")
        if AUTOMOUNT in options:
            if automount is False:
                raise VirtiofsError(f"{name}: automount is false, but options has {AUTOMOUNT}")
            automount = True
        options = tuple(option for option in options if option != AUTOMOUNT)
        options = hardened(options, bool(item.get("allow_suid")), bool(item.get("allow_dev")))
    want = WantedMount(tag, normalized(path), item.get("state") or "mounted", options, automount)
    # Refused here what fstab cannot hold, before anything is read.
    with_entry("", line_for(want, None))
    return want


def problem_with_tag(tag: str) -> str | None:
    """Why a guest cannot mount a share of this tag from fstab, as the end of a sentence, or None."""
    if not tag:
        return "is empty"
    if len(tag.encode("utf-8", "surrogateescape")) > _TAG_BYTES:
        return f"is longer than {_TAG_BYTES} bytes"
    if not tag.isprintable():
        return "has a character that cannot be printed"
    if tag.startswith(_DEVICE_NAMES):
        return "reads like the name of a device, and mount(8) would look for that"
    return None


def _problem_with_option(option: str, item: Mapping[str, Any]) -> str | None:
    if not option or option != option.strip():
        return "is empty or has blanks around it"
    if not option.isprintable():
        return "has a character that cannot be printed"
    if option == "suid" and not item.get("allow_suid"):
        return "needs allow_suid: true"
    if option == "dev" and not item.get("allow_dev"):
        return "needs allow_dev: true"
    if option in ("remount", "bind", "rbind", "move", "loop") or option.startswith("loop="):
        return "is not one that a share can be mounted with"
    if option.startswith("X-mount.subdir"):
        return "would mount a part of the share, which nobody could tell from another mount: share that directory"
    return None
