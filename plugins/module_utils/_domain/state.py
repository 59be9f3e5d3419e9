# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read about a hypervisor, besides its domains, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Found
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Version
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd


@dataclass(frozen=True)
class Directory:
    """What stands on the host at the path of a source. ``no_answer``: why that is unknown; the rest counts not then."""

    exists: bool = True
    directory: bool = True
    symlink: str | None = None
    mountpoint: bool = False
    submounts: tuple[str, ...] = ()
    no_answer: str | None = None


@dataclass(frozen=True)
class Bind:
    """A read-only bind mount of ours. ``mounted``: now, read-only, of ``source``; ``kept``: in fstab as we write it."""

    path: str
    source: str
    mounted: bool = True
    kept: bool = True


@dataclass(frozen=True)
class Host:
    """What this hypervisor is and can do. ``driver`` is libvirt's name: QEMU or TEST."""

    uri: str = "qemu:///system"
    driver: str = "QEMU"
    libvirt: Version = (0, 0, 0)
    qemu: Version = (0, 0, 0)
    virtiofsd: Virtiofsd | None = None
    binaries: Mapping[str, Virtiofsd | None] = field(default_factory=dict)
    directories: Mapping[str, Directory] = field(default_factory=dict)
    binds: Mapping[str, Bind] = field(default_factory=dict)
    # None: this libvirt does not tell.
    has_device: bool | None = None
    # The scripts of ours that start a virtiofsd with options, by path.
    scripts: Mapping[str, Found] = field(default_factory=dict)

    def daemon(self, binary: str | None) -> Virtiofsd | None:
        """What a share with this binary is served by, where that is there: a script starts another program."""
        found = self.scripts.get(binary) if binary else None
        path = binary if found is None else found.script.daemon
        return self.binaries.get(path) if path else self.virtiofsd
