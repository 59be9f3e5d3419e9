# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain as libvirt tells it, as values. Pure, and without libvirt."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share

Version = tuple[int, int, int]


def dotted(version: Version) -> str:
    """As people write it: 10.5.0."""
    return ".".join(map(str, version))


@dataclass(frozen=True)
class Binaries:
    """The programs that a domain names for its shares: ``now``, as defined and as it runs; where it was saved; and in
    its snapshots."""

    now: frozenset[str] = frozenset()
    saved: frozenset[str] = frozenset()
    snapshots: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DomainState:
    """A domain as it is. ``live`` is None while it is off.

    ``config`` is the persistent definition with its secrets and is never shown; ``public`` is the same without
    them, read only when somebody wants a diff. ``memory_forgotten``: libvirt was restarted since the domain was
    started, and is one that then no longer knows that memory is shared. ``dead`` has the tags whose daemon is gone.
    ``mounted`` has what the guest says of the tags it was asked about, None where nobody can tell.
    """

    name: str
    uuid: str
    config: Document
    live: Document | None = None
    public: Document | None = None
    persistent: bool = True
    paused: bool = False
    managed_save: bool = False
    memory_forgotten: bool = False
    dead: frozenset[str] = frozenset()
    mounted: Mapping[str, bool | None] = field(default_factory=dict)

    @functools.cached_property
    def config_shares(self) -> Mapping[str, Share]:
        return share.shares_in(self.config.root)

    @functools.cached_property
    def stands_on(self) -> Mapping[str, str]:
        """The shares that the domain does not start without, or that others serve, with the reason."""
        roots = [self.config.root, *([] if self.live is None else [self.live.root])]
        return {tag: reason for root in roots for tag, reason in share.stands_on(root).items()}

    @functools.cached_property
    def live_shares(self) -> Mapping[str, Share]:
        """Empty while it is off."""
        return {} if self.live is None else share.shares_in(self.live.root)
