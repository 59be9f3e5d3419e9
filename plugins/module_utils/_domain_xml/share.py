# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A share and its ``<filesystem>`` element: one is made from the other, in place. Pure.

The element is described at https://libvirt.org/formatdomain.html#filesystems and
https://libvirt.org/kbase/virtiofs.html.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Element,
    append,
    child,
    insert_after,
    path,
    remove,
)
from ansible_collections.virtio.fs.plugins.module_utils._system import paths


@dataclass(frozen=True)
class IdRange:
    """``count`` ids from ``start`` in the guest are ``target`` and following on the host."""

    start: int
    target: int
    count: int


@dataclass(frozen=True)
class IdMap:
    uid: tuple[IdRange, ...] = ()
    gid: tuple[IdRange, ...] = ()


@dataclass(frozen=True)
class Share:
    """A host directory that a domain gets. None: not said (wanted), or not there (read from a domain)."""

    tag: str
    source: str | None = None
    readonly: bool | None = None
    cache: str | None = None
    queue: int | None = None
    xattr: bool | None = None
    sandbox: str | None = None
    lock_posix: bool | None = None
    lock_flock: bool | None = None
    thread_pool: int | None = None
    open_files: int | None = None
    binary: str | None = None
    idmap: IdMap | None = None
    # Where the live XML has it: libvirt's name of the device, which its pid file carries too.
    alias: str | None = field(default=None, compare=False)

    def differences(self, other: Share) -> tuple[str, ...]:
        """The options said here that ``other`` does not have. What is not there counts as its default."""
        return tuple([name for name, meaning in self._said if meaning != _meaning(name, other)])

    @functools.cached_property
    def _said(self) -> tuple[tuple[str, Any], ...]:
        """What is said here, once for several comparisons: a fleet has thousands, and each says next to nothing."""
        said = [name for name, value in self.__dict__.items() if value is not None and name in _COMPARED]
        return tuple([(name, _meaning(name, self)) for name in said])

    def only(self, names: tuple[str, ...]) -> Share:
        """The share with nothing but these options."""
        return Share(self.tag, **{name: getattr(self, name) for name in names})


# What QEMU and virtiofsd do when the document says nothing. (QEMU: vhost-user-fs queue-size; libvirt: formatdomain.)
_DEFAULTS: Mapping[str, Any] = {
    "readonly": False,
    "cache": "auto",
    "queue": 128,
    "xattr": False,
    "sandbox": "namespace",
    "lock_posix": False,
    "lock_flock": False,
    "idmap": IdMap(),
}

_COMPARED = dict.fromkeys(item.name for item in fields(Share) if item.name not in ("tag", "alias"))

OPTIONS = tuple(name for name in _COMPARED if name not in ("source", "readonly"))


def _meaning(name: str, share: Share) -> Any:
    value = getattr(share, name)
    if value is None:
        return _DEFAULTS.get(name)
    if name == "source":
        return paths.normalized(value)
    return value


def filesystems(root: Element) -> Iterator[Element]:
    """The filesystem elements of a domain, of every type, in their order."""
    return iter(path("devices/filesystem")(root))


def elements(root: Element) -> Iterable[Element]:
    """The virtiofs elements of a domain, in their order."""
    return path("devices/filesystem[driver/@type='virtiofs']")(root)


def is_virtiofs(element: Element) -> bool:
    driver = element.find("driver")
    return driver is not None and driver.get("type") == "virtiofs"


def tag_of(element: Element) -> str:
    target = element.find("target")
    return "" if target is None else target.get("dir", "")


def shares_in(root: Element) -> dict[str, Share]:
    """The virtiofs shares of a domain, by tag."""
    return {share.tag: share for share in [read(element) for element in elements(root)]}


def read(element: Element) -> Share:
    """What an element says. A share through ``<source socket=…>`` has no source: its daemon is somebody else's."""
    parts = {item.tag: item for item in element}
    given: dict[str, Any] = {
        "source": _get(parts.get("source"), "dir"),
        "queue": _number(parts.get("driver"), "queue"),
        "alias": _get(parts.get("alias"), "name"),
    }
    # The rest is rare.
    if "readonly" in parts:
        given["readonly"] = True
    if "idmap" in parts:
        given["idmap"] = _read_idmap(parts["idmap"])
    if "binary" in parts:
        given.update(_read_binary(parts["binary"]))
    return Share(_get(parts.get("target"), "dir") or "", **given)


def _read_binary(element: Element) -> dict[str, Any]:
    inner = {item.tag: item for item in element}
    return {
        "cache": _get(inner.get("cache"), "mode"),
        "xattr": _switch(_get(element, "xattr")),
        "sandbox": _get(inner.get("sandbox"), "mode"),
        "lock_posix": _switch(_get(inner.get("lock"), "posix")),
        "lock_flock": _switch(_get(inner.get("lock"), "flock")),
        "thread_pool": _number(inner.get("thread_pool"), "size"),
        "open_files": _number(inner.get("openfiles"), "max"),
        "binary": _get(element, "path"),
    }


def new_element(parent: Element, share: Share) -> Element:
    """An element of its own for the share, not yet in a document."""
    element = parent.makeelement("filesystem", {"type": "mount", "accessmode": "passthrough"})
    append(element, element.makeelement("driver", {"type": "virtiofs"}))
    append(element, element.makeelement("source", {"dir": share.source or ""}))
    append(element, element.makeelement("target", {"dir": share.tag}))
    # A default is not written out: an older libvirt may not know the word for it.
    write(element, share.only(share.differences(Share(share.tag, share.source))))
    return element


def insert(root: Element, share: Share) -> None:
    """Add the share to a domain, beside the filesystems it has."""
    devices = child(root, "devices")
    element = new_element(devices, share)
    others = devices.findall("filesystem")
    if others:
        insert_after(others[-1], element)
    else:
        append(devices, element)


def write(element: Element, share: Share) -> None:
    """Make the element say what the share says; what the share leaves out stays as it is."""
    if share.source is not None:
        child(element, "source").set("dir", share.source)
    if share.readonly is not None:
        _presence(element, "readonly", share.readonly)
    if share.queue is not None:
        child(element, "driver").set("queue", str(share.queue))
    if share.binary is not None:
        _binary(element).set("path", share.binary)
    if share.xattr is not None:
        _binary(element).set("xattr", _on_off(share.xattr))
    if share.cache == "auto":
        # libvirt has no word for it: it is what the daemon does when nothing is said.
        _drop(element, "binary/cache")
    elif share.cache is not None:
        child(_binary(element), "cache").set("mode", share.cache)
    if share.sandbox is not None:
        child(_binary(element), "sandbox").set("mode", share.sandbox)
    if share.lock_posix is not None:
        child(_binary(element), "lock").set("posix", _on_off(share.lock_posix))
    if share.lock_flock is not None:
        child(_binary(element), "lock").set("flock", _on_off(share.lock_flock))
    if share.thread_pool is not None:
        child(_binary(element), "thread_pool").set("size", str(share.thread_pool))
    if share.open_files is not None:
        child(_binary(element), "openfiles").set("max", str(share.open_files))
    if share.idmap is not None:
        _write_idmap(element, share.idmap)


def change(root: Element, share: Share) -> None:
    """Make the element of that tag say what the share says."""
    write(_find(root, share.tag), share)


def remove_from(root: Element, tag: str) -> None:
    """Take the share of that tag out of the document."""
    remove(_find(root, tag))


def _find(root: Element, tag: str) -> Element:
    return next(element for element in elements(root) if tag_of(element) == tag)


def detached_copy(element: Element) -> Element:
    """The same element, in no document."""
    return copy.deepcopy(element)


def forget_binary(element: Element) -> None:
    """Drop the daemon's path, so that libvirt chooses it."""
    binary = element.find("binary")
    if binary is not None:
        binary.attrib.pop("path", None)
        if not len(binary) and not binary.attrib:
            remove(binary)


def without_places(element: Element) -> Element:
    """Drop what libvirt filled in, so that it can choose again where the device goes. A name of the user's stays."""
    _drop(element, "address")
    alias = element.find("alias")
    # https://libvirt.org/formatdomain.html#devices
    if alias is not None and not alias.get("name", "").startswith("ua-"):
        remove(alias)
    return element


def _binary(element: Element) -> Element:
    found = element.find("binary")
    return insert_after(element.find("driver"), element.makeelement("binary")) if found is None else found


def _presence(element: Element, tag: str, wanted: bool) -> None:
    if wanted:
        child(element, tag)
    else:
        _drop(element, tag)


def _drop(element: Element, path: str) -> None:
    for found in element.findall(path):
        remove(found)


def _write_idmap(element: Element, idmap: IdMap) -> None:
    _drop(element, "idmap")
    if idmap == IdMap():
        return
    mapping = child(element, "idmap")
    for kind in ("uid", "gid"):
        for item in getattr(idmap, kind):
            numbers = {"start": str(item.start), "target": str(item.target), "count": str(item.count)}
            append(mapping, mapping.makeelement(kind, numbers))


def _read_idmap(element: Element) -> IdMap:
    ranges = {
        kind: tuple(
            IdRange(*(int(item.get(name, "0")) for name in ("start", "target", "count")))
            for item in element.iterfind(kind)
        )
        for kind in ("uid", "gid")
    }
    return IdMap(**ranges)


def _get(element: Element | None, name: str) -> str | None:
    return None if element is None else element.get(name)


def _number(element: Element | None, name: str) -> int | None:
    value = None if element is None else element.get(name)
    return None if value is None else int(value)


def _switch(value: str | None) -> bool | None:
    return None if value is None else value == "on"


def _on_off(value: bool) -> str:
    return "on" if value else "off"
