# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What virtiofs_info could have read, for tests of what it makes of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Domain, Source, State
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
RUST = Virtiofsd("/usr/libexec/virtiofsd", "rust", (1, 13, 2), frozenset({"migrate-precopy"}))
C = Virtiofsd("/usr/lib/qemu/virtiofsd", "c", (7, 2, 0))
NEW = Host(libvirt=(11, 3, 0), qemu=(10, 0, 2), virtiofsd=RUST)
OLD = Host(libvirt=(9, 0, 0), qemu=(7, 2, 0), virtiofsd=C)


def filesystem(tag: str, source: str | None = None, more: str = "") -> str:
    return (
        "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
        f"<source dir='{source or '/shared/' + tag}'/><target dir='{tag}'/>{more}</filesystem>"
    )


def document(*filesystems: str, memory: str = SHARED, name: str = "vm1", mib: int = 64) -> Document:
    port = "<controller type='pci' index='0' model='pcie-root'/>"
    port += "<controller type='pci' index='1' model='pcie-root-port'/>"
    return Document(
        f"<domain type='qemu'><name>{name}</name><memory unit='KiB'>{mib * 1024}</memory>{memory}<vcpu>1</vcpu>"
        f"<devices>{port}{''.join(filesystems)}</devices></domain>"
    )


def domain(
    config: Document,
    live: Document | None = None,
    *,
    name: str = "vm1",
    dead: tuple[str, ...] = (),
    mounts: dict[str, str] | None = None,
    fstab: str | None = None,
    **more: Any,
) -> Domain:
    """``mounts``: tag to path, as the guest's agent tells."""
    state = DomainState(name=name, uuid=name, config=config, live=live, dead=frozenset(dead))
    told = None if mounts is None else tuple(guest_mount(tag, path) for tag, path in mounts.items())
    return Domain(state, mounts=told, fstab=None if fstab is None else mounts_fstab.entries(fstab), **more)


def guest_mount(tag: str, path: str) -> Mount:
    return Mount(30, 1, "0:40", "/", path, frozenset({"rw"}), "virtiofs", tag, frozenset({"rw"}))


def source(path: str, mounted_on: str = "/", *, options: str = "rw,nosuid,nodev", **more: Any) -> Source:
    mount = Mount(20, 1, "8:1", "/", mounted_on, frozenset(options.split(",")), "ext4", "/dev/sda1", frozenset({"rw"}))
    return Source(path, **{"exists": True, "mount": mount, "sheltered": True, **more})


def facts(*domains: Domain, host: Host = NEW, sources: tuple[Source, ...] = (), **more: Any) -> State:
    return State(host=host, domains=domains, sources={each.path: each for each in sources}, **more)
