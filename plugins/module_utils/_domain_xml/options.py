# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one table of the options of a share. Pure, and without lxml: the controller's filters read it too.

The argument spec of virtiofs_domain, what is read from a ``<filesystem>`` element and written to it, what counts as
the same, and what an older libvirt or another daemon refuses follow from a row. Sources: libvirt's formatdomain
(https://libvirt.org/formatdomain.html#filesystems) and its news (https://libvirt.org/news.html).
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
class Kind:
    """The kind of a value: its type for Ansible, and how an attribute of the XML says it.

    PRESENCE and ID_MAP are elements of their own, which :mod:`share` knows to read and write.
    """

    type: str
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str
    suboptions: Mapping[str, Any] | None = None


TEXT = Kind("str")
NUMBER = Kind("int", int)
ON_OFF = Kind("bool", lambda word: bool(word == "on"), lambda value: "on" if value else "off")
PRESENCE = Kind("bool")

_RANGES: Mapping[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {name: {"type": "int", "required": True} for name in ("start", "target", "count")},
}
ID_MAP = Kind("dict", suboptions={"uid": _RANGES, "gid": _RANGES})


@dataclass(frozen=True)
class Option:
    """An option of a share.

    ``path`` is its place in the element: ``driver/@queue`` an attribute, ``readonly`` an element. ``default`` is what
    QEMU and virtiofsd do when the document says nothing; None where that is not known. ``unsaid`` is a value that
    libvirt has no word for, and that is had by saying nothing. ``since`` is the libvirt that has it, where that is
    newer than virtiofs itself. ``rust``: the C virtiofsd of QEMU lacks it. ``lost_with`` is the feature whose daemons
    do not take it any more.
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

    @property
    def spec(self) -> dict[str, Any]:
        """Its entry in the argument spec. Without a default: what is left out stays as it is."""
        spec: dict[str, Any] = {"type": self.kind.type}
        if self.choices:
            spec["choices"] = list(self.choices)
        if self.kind.suboptions is not None:
            spec["options"] = dict(self.kind.suboptions)
        return spec


# virtiofsd reports it from 1.11.1 on.
_SEPARATE = "separate-options"

SHARE_OPTIONS = (
    Option("readonly", "readonly", PRESENCE, default=False),
    Option("cache", "binary/cache/@mode", TEXT, default="auto", unsaid="auto", choices=("auto", "none", "always")),
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
)

BY_NAME = {option.name: option for option in SHARE_OPTIONS}
