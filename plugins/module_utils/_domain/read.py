# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_domain reads, in which order, and what it hands to the plan."""

from __future__ import annotations

import dataclasses

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._domain import sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, WantedDomain, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.read_binds import read_binds
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options, Wanted, names
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import capabilities
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor


def read(wanted: Wanted, hypervisor: Hypervisor, *, public: bool) -> State:
    """Read the hypervisor and the domains. ``public``: their definitions without secrets, too, for a diff.

    :raises VirtiofsError: libvirt refuses, or there is no such domain.
    """
    try:
        return _read(wanted, hypervisor, public)
    except NotYet as error:
        raise NotYet(str(error), tuple(_intended(item) for item in wanted.items if not item.absent)) from error


def _read(wanted: Wanted, hypervisor: Hypervisor, public: bool) -> State:
    items, options = wanted.items, wanted.options
    present = [item.share for item in items if not item.absent]
    host = Host(
        uri=hypervisor.uri,
        driver=hypervisor.driver,
        libvirt=hypervisor.libvirt_version,
        qemu=hypervisor.qemu_version,
        virtiofsd=_virtiofsd.read_installed() if present else None,
        binaries={path: _virtiofsd.read_at(path) for path in {share.binary for share in present} if path},
        directories=sources.read_directories(share.source for share in present if share.source),
        binds=read_binds(options.fstab),
        has_device=capabilities.has_virtiofs(hypervisor.domain_capabilities()) if present else None,
    )
    states = hypervisor.states(names(items, options.domains), public=public)
    domains = by_domain(states, items, options, host)
    return State(tuple(_asked(domain, options, hypervisor) for domain in domains), host)


def _asked(wanted: WantedDomain, options: Options, hypervisor: Hypervisor) -> WantedDomain:
    """With what the guest says of the shares that would be detached."""
    if options.apply == "config" or options.force_detach:
        return wanted
    tags = [tag for tag in wanted.tags_to_detach() if not wanted.unmounted_by_caller(tag)]
    if not tags:
        return wanted
    mounted = hypervisor.mounted(wanted.state.uuid, tags)
    return dataclasses.replace(wanted, state=dataclasses.replace(wanted.state, mounted=mounted))


def _intended(item: Item) -> str:
    return f"give {item.share.tag} ({item.share.source}) to domain {item.domain}"
