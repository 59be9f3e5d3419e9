# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A read-only share where libvirt or virtiofsd cannot enforce it: a read-only bind mount below it, on the host.

The daemon then shares the bind mount. Each source has a mount of its own name, so that a share whose source changes
is seen to change in the XML, and a running daemon never finds another directory under the same path. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import BindReadOnly, RemoveBind
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Version
from ansible_collections.virtio.fs.plugins.module_utils._system import paths

ROOT = "/var/lib/virtiofs/ro"

# libvirt's NEWS; virtiofsd's changelog. Before libvirt 6.4 <readonly/> was taken and ignored.
_LIBVIRT: Version = (11, 0, 0)
_VIRTIOFSD: Version = (1, 13, 0)


def path_for(uuid: str, tag: str, source: str) -> str:
    """Where the bind mount of this share stands."""
    named = f"{tag}\0{paths.normalized(source)}".encode("utf-8", "surrogateescape")
    return f"{ROOT}/{uuid}-{hashlib.sha256(named).hexdigest()[:16]}"


def is_bind(path: str) -> bool:
    """Whether a normalised path is where a bind mount of ours stands."""
    return path.startswith(ROOT + "/")


def enforced(item: Item, host: Host) -> bool:
    """Whether ``<readonly/>`` does what it says here. Pure."""
    if host.driver != "QEMU":
        return True
    daemon = host.daemon(item.binary)
    if host.libvirt < _LIBVIRT:
        return False
    return daemon is None or (daemon.flavour == "rust" and daemon.version >= _VIRTIOFSD)


def as_element(item: Item, uuid: str, existing: Share | None, host: Host) -> Item:
    """Decide how a read-only share is read-only here: the item as its element shall say it. Pure.

    By ``<readonly/>``, or by a bind mount as its source. Then the element is writable, and ``bound_source`` is set.

    A bind mount that is there stays until the share changes otherwise, also where ``<readonly/>`` has become
    possible: replacing it would detach a running share for nothing.
    """
    share = item.share
    if item.absent or share.source is None:
        return item
    bound = existing is not None and existing.source in host.binds
    if not (share.readonly or (share.readonly is None and bound)):
        return item
    path = path_for(uuid, share.tag, share.source)
    if enforced(item, host):
        unchanged = (
            existing is not None
            and existing.source == path
            and path in host.binds
            and not share.but(source=None, readonly=None).differences(existing)
        )
        if not unchanged:
            return replace(item, share=share.but(readonly=True))
    return replace(item, share=share.but(source=path, readonly=False), bound_source=share.source)


def steps_before(items: Iterable[Item], host: Host, fstab: str) -> tuple[BindReadOnly, ...]:
    """The bind mounts that these items, as elements, still lack. Pure."""
    made = []
    for item in items:
        if item.bound_source is None or item.share.source is None:
            continue
        found = host.binds.get(item.share.source)
        if found is None or not (found.mounted and found.kept and found.source == item.bound_source):
            made.append(BindReadOnly(item.bound_source, item.share.source, fstab))
    return tuple(made)


def steps_after(uuid: str, used: Iterable[str | None], host: Host, fstab: str) -> tuple[RemoveBind, ...]:
    """The bind mounts of a domain that none of its shares uses any more. Pure."""
    in_use = set(used)
    ours = f"{ROOT}/{uuid}-"
    return tuple(RemoveBind(path, fstab) for path in sorted(_of(ours, host)) if path not in in_use)


def _of(prefix: str, host: Host) -> list[str]:
    return [path for path in host.binds if path.startswith(prefix)]
