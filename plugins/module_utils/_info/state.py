# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_info has read about a hypervisor, as values. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount


@dataclass(frozen=True)
class Daemon:
    """The virtiofsd of one running share. None: cannot be seen from here (another user's process).

    ``serves`` is the filesystem and the directory in it that the daemon has as its root, as the kernel names
    them: (``8:1``, ``/data``). ``starts_again``: what it is told lets a saved guest start whatever became of its files.
    """

    tag: str
    pid: int | None = None
    binary: str | None = None
    files_limit: int | None = None
    files_open: int | None = None
    serves: tuple[str, str] | None = None
    starts_again: bool | None = None


@dataclass(frozen=True)
class Source:
    """What stands at a shared path. ``size`` and ``free`` are bytes; None where the filesystem was not asked.

    ``mount`` is what the path leads into. ``unmounted`` is the mount point at or above the path that fstab
    names and that has nothing mounted. ``sheltered``: a directory above it lets nobody but root through.
    """

    path: str
    exists: bool | None = None
    mount: Mount | None = None
    unmounted: str | None = None
    sheltered: bool | None = None
    size: int | None = None
    free: int | None = None


@dataclass(frozen=True)
class MemoryDirectory:
    """Where memory files go. ``room`` is what is free there and what such files take already, in bytes."""

    path: str
    room: int


@dataclass(frozen=True)
class Domain:
    """``mounts`` and ``fstab`` are the guest's own, None where its agent does not tell.

    ``saved`` is when its memory was saved, as a person writes it; None where it is not, or that is unknown.
    """

    state: DomainState
    daemons: tuple[Daemon, ...] = ()
    mounts: tuple[Mount, ...] | None = None
    fstab: tuple[Entry, ...] | None = None
    saved: str | None = None

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def running(self) -> bool:
        return self.state.live is not None

    @functools.cached_property
    def config(self) -> dict[str, Share]:
        return share.shares_in(self.state.config.root)

    @functools.cached_property
    def live(self) -> dict[str, Share]:
        return {} if self.state.live is None else share.shares_in(self.state.live.root)


@dataclass(frozen=True)
class State:
    """``sources`` by the path that the shares name; ``fstab`` is the hypervisor's."""

    host: Host
    readonly: bool = False
    domains: tuple[Domain, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    fstab: tuple[Entry, ...] = ()
    memory_directory: MemoryDirectory | None = None
    block_links: Mapping[str, str] = field(default_factory=dict)
