# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user wants mounted in a guest, checked once, before anything is read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import is_mark, mark
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import hardened
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized, problem_with_mount_path, within

# nofail: a guest whose share is not there boots. A virtiofs mount has no device unit that systemd could wait for,
# so there is no device time-out to shorten.
CREATION_OPTIONS = ("rw", "_netdev", "nosuid", "nodev", "nofail")

AUTOMOUNT = "x-systemd.automount"

# virtio specification, 5.11.4: the tag is a field of 36 bytes.
_TAG_BYTES = 36

# What mount(8) and systemd take for a device, not for a tag.
_DEVICE_NAMES = ("/dev/", "LABEL=", "UUID=", "PARTLABEL=", "PARTUUID=", "ID=")


@dataclass(frozen=True)
class WantedMount:
    """One item. ``options``, ``automount`` and ``mark`` are None where they keep what is there."""

    tag: str
    path: str
    state: str
    options: tuple[str, ...] | None
    automount: bool | None
    mark: str | None = None

    def __str__(self) -> str:
        return f"{self.tag} on {self.path}"

    def bad(self, option: str, sentence: str) -> VirtiofsError:
        """An error in this option of this item."""
        return VirtiofsError(at(f"share {self.tag}", option) + sentence)

    def line(self, old: Entry | None = None) -> Entry:
        """The line of fstab for this item, where ``old`` is the one that is there."""
        options = self.options
        automount = self.automount
        if options is None:
            options = old.options if old is not None and old.options else CREATION_OPTIONS
        if automount is None:
            automount = old is not None and AUTOMOUNT in old.options
        marks = tuple(filter(is_mark, old.options)) if old is not None else ()
        if self.mark is not None:
            marks = (self.mark,)
        options = tuple(option for option in options if option != AUTOMOUNT and not is_mark(option))
        return Entry(self.tag, self.path, "virtiofs", (*options, *((AUTOMOUNT,) if automount else ()), *marks))


@dataclass(frozen=True)
class Wanted:
    """The options of the module, checked. ``exclusive``: and no other line of virtiofs in fstab.

    ``preflight``: only whether all of it could be done, when the shares are there.

    ``prune``: and no other one that bears the mark of ``list_name``. ``exclusive_system``: not even one that the guest
    itself stands on.
    """

    mounts: tuple[WantedMount, ...]
    exclusive: bool = False
    exclusive_system: bool = False
    list_name: str | None = None
    prune: bool = False
    preflight: bool = False


def wanted(options: Mapping[str, Any]) -> Wanted:
    """The options of the module, each item checked alone and against the others.

    :raises VirtiofsError: naming the item and the option.
    """
    if options["wait"] < 1:
        raise VirtiofsError(at("wait") + f"write at least 1, not {options['wait']}")
    list_name, exclusive, prune = options["list_name"], options["exclusive"], options["prune"]
    if (exclusive or prune) and not options["mounts"] and not options["confirm_empty"]:
        what = "exclusive would unmount every share" if exclusive else "prune would unmount every share that it had"
        raise VirtiofsError(at("mounts") + f"the list is empty, and {what}: confirm_empty: true allows it")
    if options["exclusive_system"] and not (exclusive or prune):
        raise VirtiofsError(at("exclusive_system") + "it needs exclusive: true or prune: true")
    if list_name is not None and (not list_name or not list_name.isprintable()):
        raise VirtiofsError(at("list_name") + f"{list_name!r} is empty or has a character that cannot be printed")
    if prune and list_name is None:
        raise VirtiofsError(at("prune") + "it needs list_name, which marks what may be taken away")
    mounts = tuple(_item(given, list_name) for given in options["mounts"])
    _check_across(mounts)
    return Wanted(mounts, exclusive, options["exclusive_system"], list_name, prune, options["preflight"])


def _check_across(mounts: Sequence[WantedMount]) -> None:
    for position, one in enumerate(mounts):
        for other in mounts[:position]:
            going = {"absent", "unmounted"} & {one.state, other.state}
            # What goes makes room for what comes. One share cannot do both on one path.
            if one.path == other.path and (one.tag == other.tag or not going):
                raise one.bad("path", f"{one.path} is also the path of share {other.tag}")
            inner, outer = sorted((one, other), key=lambda item: len(item.path), reverse=True)
            if inner.path != outer.path and within(inner.path, outer.path) and not going:
                raise inner.bad("path", f"{inner.path} is inside that of share {outer.tag}, {outer.path}")


def _item(given: Mapping[str, Any], list_name: str | None) -> WantedMount:
    tag, path = given["tag"], given["path"]
    problem = problem_with_tag(tag)
    if problem:
        raise VirtiofsError(at("mounts", "tag") + f"{tag!r} {problem}")
    options, automount = given.get("options"), given.get("automount")
    item = WantedMount(tag, normalized(path), given.get("state") or "mounted", options, automount)
    problem = problem_with_mount_path(path)
    if problem:
        raise item.bad("path", f"{path!r} {problem}")
    if options is not None:
        for option in options:
            problem = _problem_with_option(option, given)
            if problem:
                raise item.bad("options", f"{option!r} {problem}")
        if AUTOMOUNT in options:
            if automount is False:
                raise item.bad("automount", f"it is false, but options has {AUTOMOUNT}: leave one of them out")
            automount = True
        # A mark is given by the name of the list alone.
        options = tuple(option for option in options if option != AUTOMOUNT and not is_mark(option))
        options = hardened(options, bool(given.get("allow_suid")), bool(given.get("allow_dev")))
    marked = None if list_name is None else mark(list_name, tag, item.path)
    item = WantedMount(tag, item.path, item.state, options, automount, marked)
    try:
        # Refused here what fstab cannot hold, before anything is read.
        with_entry("", item.line())
    except VirtiofsError as error:
        raise item.bad("", str(error)) from error
    return item


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


def _problem_with_option(option: str, given: Mapping[str, Any]) -> str | None:
    if not option or option != option.strip():
        return "is empty or has blanks around it"
    if not option.isprintable():
        return "has a character that cannot be printed"
    if option == "suid" and not given.get("allow_suid"):
        return "needs allow_suid: true"
    if option == "dev" and not given.get("allow_dev"):
        return "needs allow_dev: true"
    if option in ("remount", "bind", "rbind", "move", "loop") or option.startswith("loop="):
        return "is not one that a share can be mounted with"
    if option.startswith("X-mount.subdir"):
        return "would mount a part of the share, which nobody could tell from another mount: share that directory"
    return None
