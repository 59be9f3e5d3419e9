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
from collections.abc import Iterable, Iterator
from dataclasses import field, make_dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, Optional, cast

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Element,
    append,
    child,
    insert_after,
    path,
    remove,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import (
    BY_NAME,
    ID_MAP,
    PRESENCE,
    SHARE_OPTIONS,
    IdMap,
    IdRange,
    Option,
)
from ansible_collections.virtio.fs.plugins.module_utils._system import paths


class _Behaviour:
    """What a share does, whatever options the table has."""

    tag: str
    source: str | None

    def differences(self, other: Share) -> tuple[str, ...]:
        """The options set here that ``other`` does not have. What is not there counts as its default."""
        return tuple([name for name, meaning in self._set if meaning != _meaning(name, other)])

    @functools.cached_property
    def _set(self) -> tuple[tuple[str, Any], ...]:
        """What is set here, once for several comparisons: a fleet has thousands, and each sets next to nothing."""
        names = [name for name, value in self.__dict__.items() if value is not None and name in _COMPARED]
        return tuple([(name, _meaning(name, self)) for name in names])

    def only(self, names: tuple[str, ...]) -> Share:
        """The share with nothing but these options."""
        return Share(self.tag, **{name: getattr(self, name) for name in names})

    def but(self, **changes: Any) -> Share:
        """The same share with these options changed."""
        changed: Any = replace(cast(Any, self), **changes)
        return cast("Share", changed)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the table that are set, in its order."""
        return {name: getattr(self, name) for name in BY_NAME if getattr(self, name) is not None}


if TYPE_CHECKING:

    class Share(_Behaviour):
        """A host directory that a domain gets. None: not set (wanted), or not there (read from a domain)."""

        def __init__(self, tag: str, source: str | None = None, **options: Any) -> None:
            """Each option is one of the table."""

        def __getattr__(self, name: str) -> Any:
            """The value of an option of the table."""

else:
    Share = make_dataclass(
        "Share",
        [
            ("tag", str),
            ("source", Optional[str], field(default=None)),
            *((option.name, Any, field(default=None)) for option in SHARE_OPTIONS),
            # Where the live XML has it: libvirt's name of the device, which its pid file carries too.
            ("alias", Optional[str], field(default=None, compare=False)),
        ],
        bases=(_Behaviour,),
        namespace={
            "__doc__": "A host directory that a domain gets. None: not set (wanted), or not there (read).",
            "__module__": __name__,
        },
        frozen=True,
    )


_COMPARED = frozenset(("source", *BY_NAME))


def _meaning(name: str, share: _Behaviour) -> Any:
    value = getattr(share, name)
    if name == "source":
        return None if value is None else _plain(value)
    return BY_NAME[name].default if value is None else value


# Few sources are shared with many domains.
_plain = functools.lru_cache(maxsize=None)(paths.normalized)


def filesystems(root: Element) -> Iterator[Element]:
    """The filesystem elements of a domain, of every type, in their order."""
    return iter(path("devices/filesystem")(root))


def elements(root: Element) -> Iterable[Element]:
    """The virtiofs elements of a domain, in their order."""
    return path("devices/filesystem[driver/@type='virtiofs']")(root)


def binaries_in(root: Element) -> Iterator[str]:
    """The programs that shares name, wherever in a document: a snapshot has domains in it."""
    for element in root.iter("filesystem"):
        binary = element.find("binary[@path]")
        if binary is not None:
            yield binary.get("path", "")


def stands_on(root: Element) -> dict[str, str]:
    """The shares that a domain boots from, or that a daemon of others serves, by tag with the reason."""
    words = (root.findtext("os/cmdline") or "").split()
    found = {}
    for element in elements(root):
        tag = tag_of(element)
        if element.find("boot") is not None:
            found[tag] = "the domain boots from it (it has a boot order)"
        elif f"root={tag}" in words:
            found[tag] = "the kernel boots from it (root= of its command line)"
        elif element.find("source[@socket]") is not None:
            found[tag] = "a daemon that is not libvirt's serves it (a socket)"
    return found


def tag_of(element: Element) -> str:
    target = element.find("target")
    return "" if target is None else target.get("dir", "")


def shares_in(root: Element) -> dict[str, Share]:
    """The virtiofs shares of a domain, by tag."""
    return {share.tag: share for share in [read(element) for element in elements(root)]}


def read(element: Element) -> Share:
    """What an element says. A share through ``<source socket=…>`` has no source: its daemon is somebody else's."""
    tag, given = "", {}
    for item in element:
        name = item.tag
        if name == "target":
            tag = item.get("dir") or ""
        elif name == "source":
            given["source"] = item.get("dir")
        elif name == "alias":
            given["alias"] = item.get("name")
        elif name in _READERS:
            for reader in _READERS[name]:
                reader(item, given)
    return Share(tag, **given)


def _reader(option: Option) -> Callable[[Element, dict[str, Any]], None]:
    """What takes the option from the child that its path begins with."""
    name, convert = option.name, option.kind.read
    steps = option.path.split("/")[1:]
    if option.kind is PRESENCE:
        return lambda item, given: given.update({name: True})
    if option.kind is ID_MAP:
        return lambda item, given: given.update({name: _read_idmap(item)})
    attribute = steps[-1][1:]

    def read_attribute(item: Element, given: dict[str, Any]) -> None:
        place = item if len(steps) == 1 else item.find(steps[0])
        value = None if place is None else place.get(attribute)
        if value is not None:
            given[name] = convert(value)

    return read_attribute


_READERS: dict[str, list[Callable[[Element, dict[str, Any]], None]]] = {}
for _option in SHARE_OPTIONS:
    if not _option.of_daemon:
        _READERS.setdefault(_option.path.partition("/")[0], []).append(_reader(_option))


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
    for name, value in share.options.items():
        _write(element, BY_NAME[name], value)


def _write(element: Element, option: Option, value: Any) -> None:
    if option.of_daemon:
        # Whoever writes a share has put these into the script that it names as its binary.
        raise ValueError(f"{option.name} is for virtiofsd, and no document has a place for it")
    if option.kind is PRESENCE:
        _presence(element, option.path, value)
    elif option.kind is ID_MAP:
        _write_idmap(element, value)
    elif value == option.unsaid:
        _drop(element, option.path.rpartition("/@")[0])
    else:
        place, dummy, attribute = option.path.rpartition("/@")
        for step in place.split("/"):
            element = _binary(element) if step == "binary" else child(element, step)
        element.set(attribute, option.kind.write(value))


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
