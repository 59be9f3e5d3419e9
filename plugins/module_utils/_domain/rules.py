# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this hypervisor can do of what is asked for, and what may be shared. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Directory, Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Problem
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element, path
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, IdMap
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Version, dotted
from ansible_collections.virtio.fs.plugins.module_utils._system import paths
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

_VIRTIOFS: Version = (6, 2, 0)

# libvirt's names of its drivers; the second one is for tests, and takes everything.
_QEMU, _TEST = "QEMU", "TEST"

_IN_A_SESSION: Version = (10, 0, 0)

# Where the role puts shares: it shows every one of them.
_SHARES_ROOTS = ("/shared",)


def check_host(items: Iterable[Item], host: Host) -> tuple[str, ...]:
    """What this libvirt and this virtiofsd cannot do. Returns sentences about programs that are not there yet.

    :raises VirtiofsError: naming the item, the option and the version that can.
    """
    not_yet = []
    for item in items:
        if item.absent or host.driver == _TEST:
            continue
        if host.driver != _QEMU:
            # Some take the element and ignore its driver.
            raise VirtiofsError(
                f"{at(item.label)}virtiofs needs libvirt's {_QEMU} driver, {host.uri} has {host.driver}"
            )
        if host.has_device is False:
            raise VirtiofsError(
                at(item.label) + f"QEMU {dotted(host.qemu)} on this hypervisor has no virtiofs device; QEMU 5.0 has"
            )
        if urlsplit(host.uri).path == "/session" and host.libvirt < _IN_A_SESSION:
            raise VirtiofsError(
                f"{at(item.label)}virtiofs needs libvirt {dotted(_IN_A_SESSION)} in {host.uri}, "
                f"this is {dotted(host.libvirt)}"
            )
        daemon = host.binaries.get(item.share.binary) if item.share.binary else host.virtiofsd
        if item.share.binary and daemon is None:
            # An earlier step of a first run may be about to write it.
            not_yet.append(at(item.label, "binary") + f"{item.share.binary} is not a virtiofsd that can be run")
        problem = _host_problem(item.share, host.libvirt, daemon) or _idmap_refused(item.share, host.uri)
        if problem:
            option, sentence = problem
            raise VirtiofsError(at(item.label, option) + sentence)
    return tuple(not_yet)


def check_sources(items: Sequence[Item], directories: Mapping[str, Directory]) -> tuple[str, ...]:
    """Whether each source may be shared. Returns sentences about sources that are not there yet.

    :raises VirtiofsError: naming the item and what is wrong with its source.
    """
    not_yet = []
    sources = dict.fromkeys(item.share.source for item in items if not item.absent)
    plain = {source: paths.normalized(source) for source in sources if source}
    holding = {above: path for path in plain.values() for above in _above(path)}
    problems = {source: _unsafe(path, directories[source], holding) for source, path in plain.items()}
    for item in items:
        if item.absent or item.share.source is None:
            continue
        found = directories[item.share.source]
        if found.no_answer is not None:
            raise VirtiofsError(at(item.label, "source") + found.no_answer)
        problem = problems[item.share.source]
        if problem and not item.allow_unsafe_source:
            raise VirtiofsError(at(item.label, "source") + f"{problem}; allow_unsafe_source would share it")
        if not found.exists:
            not_yet.append(at(item.label, "source") + f"the directory {item.share.source} does not exist")
        elif not found.directory:
            raise VirtiofsError(at(item.label, "source") + f"{item.share.source} is not a directory")
        elif item.require_mountpoint and not found.mountpoint:
            not_yet.append(
                at(item.label, "source") + f"{item.share.source} is not a mount point (require_mountpoint is set): "
                "the guest would fill the host's own filesystem"
            )
    return tuple(not_yet)


def check_images(items: Iterable[Item], domains: Mapping[str, Element]) -> None:
    """Whether a source holds a disk image of a domain: a guest could then write another guest's disk.

    :raises VirtiofsError: it does.
    """
    checked = {item.share.source: item for item in items if not (item.absent or item.allow_unsafe_source)}
    asking = {paths.normalized(source): item for source, item in checked.items() if source is not None}
    # Many images lie in few directories.
    held_in: dict[str, str | None] = {}
    for name, root in domains.items() if asking else ():
        for image in path("devices/disk/source/@file")(root):
            directory = image.rpartition("/")[0]
            if directory not in held_in:
                held_in[directory] = next((above for above in _above(image) if above in asking), None)
            held = held_in[directory]
            if held:
                raise VirtiofsError(
                    at(asking[held].label, "source")
                    + f"{held} holds the disk image {image} of domain {name}; allow_unsafe_source would share it"
                )


def _unsafe(plain: str, found: Directory, holding: Mapping[str, str]) -> str | None:
    if found.symlink:
        return f"{found.symlink} in {plain} is a symlink, whose target can change"
    if plain in paths.system_directories or plain in paths.public_directories or plain in _SHARES_ROOTS:
        return f"{plain} is a system directory"
    for tree in paths.system_trees:
        if paths.within(plain, tree) or paths.within(tree, plain):
            return f"{plain} is above or below the system directory {tree}"
    if plain in holding:
        return f"{plain} holds {holding[plain]}, the source of another share"
    return None


def _above(path: str) -> Iterator[str]:
    """The directories that a path is in, nearest first."""
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        yield path


def _idmap_refused(share: Share, uri: str) -> Problem | None:
    # Seen with virtiofsd 1.13.2: "uid_map can only be used by unprivileged user". The domain would not start.
    if share.idmap in (None, IdMap()) or urlsplit(uri).path == "/session":
        return None
    return "idmap", ("virtiofsd runs as root here, and then it refuses this map; map_users does it")


def _host_problem(share: Share, libvirt: Version, daemon: Virtiofsd | None) -> Problem | None:
    if libvirt < _VIRTIOFS:
        return "", f"libvirt {dotted(libvirt)} has no virtiofs, {dotted(_VIRTIOFS)} has"
    asked = [BY_NAME[name] for name in share.differences(Share(share.tag, share.source))]
    for option in asked:
        if option.since is not None and libvirt < option.since:
            return option.name, f"it needs libvirt {dotted(option.since)}, this is {dotted(libvirt)}"
    if daemon is None:
        return None
    for option in asked:
        if option.rust and daemon.flavour == "c":
            return option.name, f"it needs the Rust virtiofsd, {daemon.path} is {daemon.name}"
        if option.lost_with in daemon.features:
            why = "has no locks shared between guests; versions before 1.11.1 took the option"
            return option.name, f"{daemon.name} {why}"
    return None
