# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody should know who adds a share. Said when it is added, not on every run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import WantedDomain
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import at
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Version, dotted
from ansible_collections.virtio.fs.plugins.module_utils._system import paths
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

# libvirt's NEWS.
_MIGRATION: Version = (10, 5, 0)


def first_share(name: str, host: Host) -> str | None:
    """What a domain loses with its first share."""
    if host.driver != "QEMU" or host.libvirt >= _MIGRATION:
        return None
    return (
        f"domain {name}: with its first virtiofs share, migration, save, managed save and suspending guests at the "
        f"host's shutdown stop working (libvirt {dotted(host.libvirt)}; {dotted(_MIGRATION)} lifts that)"
    )


def submounts(item: Item, host: Host) -> str | None:
    """What is mounted below the shared directory: a bind mount does not show it, the C daemon does not announce it."""
    source = item.bound_source or item.share.source
    below = () if source is None else host.directories[source].submounts
    if not below:
        return None
    other = f"{at(item.label)}{', '.join(below[:3])} below {source} is another filesystem"
    if item.bound_source is not None:
        return f"{other}, which a read-only share does not have here: give it a share of its own"
    if not _is_c(host.virtiofsd):
        return None
    return f"{other}: this virtiofsd does not announce it to the guest, so inode numbers can clash and it is not synced"


def lists_of_old_guests(item: Item, host: Host, before: Share | None) -> str | None:
    """Which guests a share is lost to that gets access control lists (virtiofsd's README, --posix-acl)."""
    if item.script is None or item.script.options.get("posix_acl") != "always":
        return None
    found = host.scripts.get(before.binary or "") if before is not None else None
    if found is not None and found.script.options.get("posix_acl") == "always":
        return None
    return at(item.label, "posix_acl") + "guests with a kernel before Linux 5.14, and Windows, cannot use it then"


def one_source_for_several(items: Sequence[Item], added: Iterable[Item]) -> list[str]:
    """Sources that several domains get, of which one is new."""
    new = {paths.normalized(item.bound_source or item.share.source) for item in added if item.share.source}
    by_source: dict[str, list[Item]] = {}
    for item in items if new else ():
        if not item.absent and item.share.source:
            by_source.setdefault(paths.normalized(item.share.source), []).append(item)
    sentences = []
    for source in sorted(new):
        sharing = by_source.get(source, [])
        domains = list(dict.fromkeys(item.domain for item in sharing))
        if len(domains) < 2 or all(item.share.readonly for item in sharing):
            continue
        stale = " cache=always makes a guest miss what the others write." if _always(sharing) else ""
        sentences.append(
            f"{source} is shared with {', '.join(domains)}: file locks of one guest are not seen by the others." + stale
        )
    return sentences


def _always(items: Iterable[Item]) -> bool:
    return any(item.share.cache == "always" for item in items)


def _is_c(daemon: Virtiofsd | None) -> bool:
    return daemon is not None and daemon.flavour == "c"


def kept_although_unlisted(wanted: WantedDomain) -> tuple[str, ...]:
    """Which shares ``exclusive`` leaves, and why."""
    return tuple(
        f"domain {wanted.state.name} keeps the share {tag} although no item names it: {reason} "
        "(exclusive_system: true takes it away as well)"
        for tag, reason in wanted.kept.items()
    )
