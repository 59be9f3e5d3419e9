# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one table of the options of a share. Pure, and without lxml: the controller's filters read it too.

The argument spec of virtiofs_domain, what is read from a ``<filesystem>`` element and written to it, what counts as
the same, what virtiofsd is told, and what an older libvirt or another daemon refuses follow from a row. Sources:
libvirt's formatdomain (https://libvirt.org/formatdomain.html#filesystems) and its news
(https://libvirt.org/news.html), and what virtiofsd 1.13.2 and 1.14.0 print for ``--help``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable


@dataclass(frozen=True)
class IdRange:
    """``count`` ids from ``start`` in the guest are ``target`` and following on the host."""

    start: int
    target: int
    count: int


@dataclass(frozen=True)
class IdMap:
    """Which ids of the guest are which on the host."""

    uid: tuple[IdRange, ...] = ()
    gid: tuple[IdRange, ...] = ()


@dataclass(frozen=True)
class UserPair:
    """An id in the guest, and who that is on the hypervisor: a name or a number, as it was given."""

    guest: int
    host: str


@dataclass(frozen=True)
class Kind:
    """The kind of a value: its type for Ansible, and how an attribute of the XML says it.

    PRESENCE and ID_MAP are elements of their own, which :mod:`share` knows to read and write.
    """

    type: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str
    suboptions: Mapping[str, Any] | None = None
    elements: str | None = None


TEXT = Kind("str")
NUMBER = Kind("int", int)
ON_OFF = Kind("bool", lambda word: bool(word == "on"), lambda value: "on" if value else "off")
PRESENCE = Kind("bool")
YES_NO = Kind("bool")

_RANGES: Mapping[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {name: {"type": "int", "required": True} for name in ("start", "target", "count")},
}
ID_MAP = Kind("dict", suboptions={"uid": _RANGES, "gid": _RANGES})
USERS = Kind(
    "list",
    elements="dict",
    suboptions={"guest": {"type": "int", "required": True}, "host": {"type": "raw", "required": True}},
)


@dataclass(frozen=True)
class Option:
    """An option of a share.

    ``path`` is its place in the element: ``driver/@queue`` an attribute, ``readonly`` an element. ``default`` is what
    QEMU and virtiofsd do when the document says nothing; None where that is not known. ``unsaid`` is a value that
    libvirt has no word for, and that is had by saying nothing. ``since`` is the libvirt that has it, where that is
    newer than virtiofs itself. ``rust``: the C virtiofsd of QEMU lacks it. ``lost_with`` is the feature whose daemons
    do not take it any more.

    Where libvirt has no element, ``path`` is empty and virtiofsd itself is told: ``argument`` is what it is told, with
    the value behind it where that is not a yes or no. ``graded`` is the feature of daemons to which the argument is not
    a mere yes. ``daemon_since`` is the virtiofsd that has it, where it is known.
    """

    name: str
    path: str
    kind: Kind
    default: Any = None
    unsaid: str | None = None
    choices: tuple[str, ...] = ()
    since: tuple[int, int, int] | None = None
    rust: bool = False
    lost_with: str | None = None
    argument: str = ""
    graded: str | None = None
    daemon_since: tuple[int, int, int] | None = None

    @property
    def of_daemon(self) -> bool:
        """Whether virtiofsd is told, and not libvirt."""
        return not self.path

    @property
    def spec(self) -> dict[str, Any]:
        """Its entry in the argument spec. Without a default: what is left out stays as it is."""
        spec: dict[str, Any] = {"type": self.kind.type}
        if self.choices:
            spec["choices"] = list(self.choices)
        if self.kind.suboptions is not None:
            spec["options"] = dict(self.kind.suboptions)
        if self.kind.elements is not None:
            spec["elements"] = self.kind.elements
        return spec


def _of_daemon(name: str, argument: str, kind: Kind, default: Any, **more: Any) -> Option:
    return Option(name, "", kind, default=default, rust=True, argument=argument, **more)


# "auto" leaves it to the guest whether it takes part.
_MODES = ("auto", "always", "never")

# virtiofsd reports it from 1.11.1 on.
_SEPARATE = "separate-options"

SHARE_OPTIONS = (
    Option("readonly", "readonly", PRESENCE, default=False),
    # libvirt has no word for "metadata" either: virtiofsd itself is told.
    Option(
        "cache",
        "binary/cache/@mode",
        TEXT,
        default="auto",
        unsaid="auto",
        choices=("auto", "none", "metadata", "always"),
        argument="--cache",
    ),
    # QEMU's vhost-user-fs: queue-size.
    Option("queue", "driver/@queue", NUMBER, default=128),
    Option("xattr", "binary/@xattr", ON_OFF, default=False),
    Option(
        "sandbox",
        "binary/sandbox/@mode",
        TEXT,
        default="namespace",
        choices=("namespace", "chroot"),
        since=(7, 2, 0),
    ),
    Option("lock_posix", "binary/lock/@posix", ON_OFF, default=False, lost_with=_SEPARATE),
    Option("lock_flock", "binary/lock/@flock", ON_OFF, default=False, lost_with=_SEPARATE),
    Option("thread_pool", "binary/thread_pool/@size", NUMBER, since=(8, 5, 0)),
    Option("open_files", "binary/openfiles/@max", NUMBER, since=(10, 6, 0), rust=True),
    Option("binary", "binary/@path", TEXT),
    Option("idmap", "idmap", ID_MAP, default=IdMap(), since=(10, 0, 0), rust=True),
    _of_daemon("map_users", "--translate-uid", USERS, (), daemon_since=(1, 13, 0)),
    _of_daemon("map_groups", "--translate-gid", USERS, (), daemon_since=(1, 13, 0)),
    _of_daemon("posix_acl", "--posix-acl", TEXT, "never", choices=_MODES, graded="posix-acl-negotiation-mode"),
    _of_daemon(
        "security_label", "--security-label", TEXT, "never", choices=_MODES, graded="security-label-negotiation-mode"
    ),
    _of_daemon("xattr_map", "--xattrmap", TEXT, ""),
    _of_daemon("inode_file_handles", "--inode-file-handles", TEXT, None, choices=("never", "prefer", "mandatory")),
    _of_daemon("announce_submounts", "--no-announce-submounts", YES_NO, True),
    _of_daemon("readdirplus", "--no-readdirplus", YES_NO, True),
    _of_daemon("direct_io", "--allow-direct-io", YES_NO, False),
    _of_daemon("allow_mmap", "--allow-mmap", YES_NO, False),
    _of_daemon("writeback", "--writeback", YES_NO, False),
    _of_daemon("preserve_noatime", "--preserve-noatime", YES_NO, False),
    _of_daemon("log_level", "--log-level", TEXT, "info", choices=("error", "warn", "info", "debug", "trace", "off")),
    _of_daemon(
        "migration_mode",
        "--migration-mode",
        TEXT,
        "find-paths",
        choices=("find-paths", "file-handles"),
        daemon_since=(1, 12, 0),
    ),
    _of_daemon(
        "migration_on_error",
        "--migration-on-error",
        TEXT,
        None,
        choices=("abort", "guest-error"),
        daemon_since=(1, 11, 0),
    ),
)

BY_NAME = {option.name: option for option in SHARE_OPTIONS}

# What only virtiofsd itself can be told.
OF_DAEMON = tuple(option.name for option in SHARE_OPTIONS if option.of_daemon)
