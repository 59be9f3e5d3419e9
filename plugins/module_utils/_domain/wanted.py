# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for, checked once and before anything is read. Pure.

libvirt checks neither the tag, nor the queue size, nor that the source is there: all three fail only when the domain
starts.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import DIRECTORY, Script
from ansible_collections.virtio.fs.plugins.module_utils._daemon.user_map import problem_with
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import can_hold
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import (
    BY_NAME,
    OF_DAEMON,
    IdMap,
    IdRange,
    UserPair,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system import paths

# struct virtio_fs_config in the virtio specification.
TAG_BYTES = 36

QUEUE_MAXIMUM = 1024

_MAPS = ("map_users", "map_groups")

# What an item has besides the share itself.
_OF_THE_ITEM = (
    "domain",
    "state",
    "require_mountpoint",
    "guest_unmounted",
    "unlisted",
    "allow_unsafe_source",
    "sole_writer",
)


@dataclass(frozen=True)
class Item:
    """One entry of ``shares``."""

    domain: str
    share: Share
    absent: bool = False
    require_mountpoint: bool = False
    guest_unmounted: bool = False
    unlisted: bool = False
    allow_unsafe_source: bool = False
    sole_writer: bool = False
    # Where the share is given by a read-only bind mount: what is mounted there.
    bound_source: str | None = None
    # Where virtiofsd is told more than libvirt can tell it: the script that the share has as its binary.
    script: Script | None = None

    @property
    def binary(self) -> str | None:
        """The program that serves the share in the end, None for the one that libvirt would take."""
        return self.share.binary if self.script is None else self.script.daemon

    @property
    def label(self) -> str:
        return f"share {_shown(self.share.tag)} of domain {_shown(self.domain)}"


@dataclass(frozen=True)
class Options:
    """The options of the module that are not about one share. ``shutdown_timeout`` is in seconds."""

    memory: str = "memfd"
    numa_cell: str = "auto"
    apply: str = "live"
    keep_running: tuple[str, ...] = ()
    restart_parallel: int = 1
    shutdown_timeout: float = 120
    force_off: bool = False
    force_detach: bool = False
    remove_managed_save: bool = False
    repair_managed_save: bool = False
    allow_pending: bool = False
    allow_foreign: bool = False
    spare_ports: int = 0
    exclusive: bool = False
    exclusive_system: bool = False
    domains: tuple[str, ...] = ()
    fstab: str = "/etc/fstab"
    script_directory: str = DIRECTORY


@dataclass(frozen=True)
class Wanted:
    """The options of the module, checked."""

    items: tuple[Item, ...]
    options: Options


def wanted(given: Mapping[str, Any]) -> Wanted:
    """The options as the module takes them, checked; those that the user left out are None, or have their default.

    :raises VirtiofsError: naming the item and the option.
    """
    items = tuple(_item(entry) for entry in given["shares"])
    _check(given, items)
    return Wanted(items, _options(given))


def _check(given: Mapping[str, Any], items: Sequence[Item]) -> None:
    check_items(items)
    for name, least in (("restart_parallel", 1), ("shutdown_timeout", 1), ("spare_ports", 0)):
        if given[name] < least:
            raise VirtiofsError(at(name) + f"it must be at least {least}, not {given[name]}")
    if given["exclusive"] and not items and not given["confirm_empty"]:
        raise VirtiofsError(
            at("exclusive") + "an empty list would remove every virtiofs share of the domains: set confirm_empty: true"
        )
    if given["exclusive_system"] and not (given["exclusive"] or any(item.unlisted for item in items)):
        raise VirtiofsError(at("exclusive_system") + "it needs exclusive: true, or an unlisted share")
    if given["remove_managed_save"] and given["repair_managed_save"]:
        raise VirtiofsError(at("repair_managed_save") + "remove_managed_save would remove what it repairs")
    problem = paths.problem_with_path(given["script_directory"])
    if problem:
        raise VirtiofsError(at("script_directory") + f"{given['script_directory']!r} {problem}")
    if given["domains"] and not given["exclusive"]:
        raise VirtiofsError(at("domains") + "it needs exclusive: true")


def _options(given: Mapping[str, Any]) -> Options:
    taken = {field.name: given[field.name] for field in dataclasses.fields(Options)}
    lists = {name: tuple(given[name]) for name in ("domains", "keep_running")}
    return Options(**{**taken, **lists})


def _item(entry: Mapping[str, Any]) -> Item:
    given = {name: value for name, value in entry.items() if value is not None and name not in _OF_THE_ITEM}
    unknown = sorted(given.keys() - BY_NAME.keys() - {"tag", "source"})
    if unknown:
        # The argument spec has it, and the table does not: left out without a word, the share would lack it.
        where = at(f"share {entry['tag']} of domain {entry['domain']}", unknown[0])
        raise VirtiofsError(where + "there is no such option")
    if "idmap" in given:
        given["idmap"] = _idmap(given["idmap"])
    for name in _MAPS:
        if name in given:
            given[name] = tuple(UserPair(pair["guest"], str(pair["host"])) for pair in given[name])
    return Item(
        domain=entry["domain"],
        share=Share(**given),
        absent=entry["state"] == "absent",
        require_mountpoint=entry["require_mountpoint"],
        guest_unmounted=entry["guest_unmounted"],
        unlisted=entry["unlisted"],
        allow_unsafe_source=entry["allow_unsafe_source"],
        sole_writer=entry["sole_writer"],
    )


def _idmap(given: Mapping[str, Any]) -> IdMap:
    return IdMap(**{kind: tuple(IdRange(**entry) for entry in given[kind] or ()) for kind in ("uid", "gid")})


# The option, and a sentence about its value.
Problem = tuple[str, str]


def check_items(items: Iterable[Item]) -> None:
    """Everything that can be said without looking at the machine.

    :raises VirtiofsError: naming the item and the option.
    """
    for item in items:
        if item.unlisted and not item.absent:
            raise VirtiofsError(at(item.label, "unlisted") + "it needs state: absent")
        problem = _tag_problem(item.share.tag) or (None if item.absent else _value_problem(item.share))
        if problem:
            option, sentence = problem
            raise VirtiofsError(at(item.label, option) + sentence)


def names(items: Sequence[Item], domains: Container[str] | Iterable[str]) -> tuple[str, ...]:
    """Every name or UUID that is used, once."""
    return tuple(dict.fromkeys([*(item.domain for item in items), *domains]))  # type: ignore[misc]


def _shown(name: str) -> str:
    """A name in a sentence, which is one line and gives no orders to a terminal."""
    return name if name.isprintable() else repr(name)


def _tag_problem(tag: str) -> Problem | None:
    size = len(tag.encode("utf-8", "surrogateescape"))
    if not tag:
        return "tag", "it is empty"
    if not tag.isprintable():
        return "tag", "it has a character that cannot be printed"
    if size > TAG_BYTES:
        return "tag", f"it has {size} bytes, at most {TAG_BYTES} fit"
    return None


def _value_problem(share: Share) -> Problem | None:
    if share.source is None:
        return "source", "it is missing"
    problem = _path_problem(share.source)
    if problem:
        return "source", f"{share.source!r} {problem}"
    queue = share.queue
    if queue is not None and (not 1 <= queue <= QUEUE_MAXIMUM or queue & (queue - 1)):
        return "queue", f"it must be a power of two, at most {QUEUE_MAXIMUM}, not {queue}"
    if share.thread_pool is not None and share.thread_pool < 0:
        return "thread_pool", f"it must not be negative, not {share.thread_pool}"
    if share.open_files is not None and share.open_files < 1:
        return "open_files", f"it must be at least 1, not {share.open_files}"
    if share.binary is not None:
        problem = _path_problem(share.binary)
        if problem:
            return "binary", f"{share.binary!r} {problem}"
    return _idmap_problem(share.idmap) or _daemon_problem(share)


def _daemon_problem(share: Share) -> Problem | None:
    for name in _MAPS:
        problem = problem_with(getattr(share, name) or ())
        if problem:
            return name, problem
    if share.map_groups is not None and bool(share.map_groups) != bool(share.map_users):
        return "map_groups", "it needs map_users beside it, or an empty list of both"
    if share.map_users and share.idmap not in (None, IdMap()):
        return "map_users", "it cannot be had beside idmap: one of them says who is who"
    if share.map_users and share.posix_acl not in (None, "never"):
        return "posix_acl", "it cannot be had beside map_users: the users that an ACL names are not translated"
    if share.xattr is False:
        for name in ("posix_acl", "security_label"):
            if getattr(share, name) not in (None, "never"):
                return name, "it needs extended attributes, and xattr is false"
    if share.xattr_map is not None and not (share.xattr_map.isprintable() and can_hold(share.xattr_map)):
        return "xattr_map", "it has a character that cannot be printed"
    return None


def asks_the_daemon(share: Share) -> tuple[str, ...]:
    """The options set here that only virtiofsd itself can be told."""
    names = [name for name in OF_DAEMON if getattr(share, name) is not None]
    return (*names, "cache") if share.cache == "metadata" else tuple(names)


def _idmap_problem(idmap: IdMap | None) -> Problem | None:
    for kind in ("uid", "gid") if idmap is not None else ():
        for item in getattr(idmap, kind):
            if item.start < 0 or item.target < 0 or item.count < 1:
                return f"idmap, {kind}", "start and target must not be negative, and count at least 1"
    return None


# Few sources are shared with many domains.
@functools.cache
def _path_problem(path: str) -> str | None:
    return paths.problem_with_path(path) or (None if can_hold(path) else "has a character that XML cannot hold")
