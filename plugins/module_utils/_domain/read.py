# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_domain reads, in which order, and what it hands to the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._daemon import read as daemon_read
from ansible_collections.virtio.fs.plugins.module_utils._daemon.arguments import problem
from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import DIRECTORY, Script
from ansible_collections.virtio.fs.plugins.module_utils._domain import sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, WantedDomain, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.managed_save import repair
from ansible_collections.virtio.fs.plugins.module_utils._domain.read_binds import read_binds
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options, Wanted, names
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import capabilities
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Binaries
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

_OF_ROOT = "qemu:///system"


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
    scripts = daemon_read.read_scripts(options.script_directory)
    daemons = {share.binary for share in present} | {found.script.daemon for found in scripts.values()}
    host = Host(
        uri=hypervisor.uri,
        driver=hypervisor.driver,
        libvirt=hypervisor.libvirt_version,
        qemu=hypervisor.qemu_version,
        virtiofsd=_virtiofsd.read_installed() if present else None,
        binaries={path: _virtiofsd.read_at(path) for path in daemons if path and present},
        directories=sources.read_directories(share.source for share in present if share.source),
        binds=read_binds(options.fstab),
        has_device=capabilities.has_virtiofs(hypervisor.domain_capabilities()) if present else None,
        scripts=scripts,
    )
    states = hypervisor.states(names(items, options.domains), public=public)
    domains = by_domain(states, items, options, host)
    told = [item for domain in domains for item in domain.present if item.script is not None]
    saved = _read_saved(domains, hypervisor) if options.repair_managed_save else {}
    host = _with_arguments(host, told, saved.values())
    repairs = {
        domain.state.uuid: found
        for domain in domains
        if domain.state.uuid in saved
        for found in [repair(domain.state.name, saved[domain.state.uuid], host, options.script_directory)]
        if found is not None
    }
    state = State(domains=tuple(_asked(domain, options, hypervisor) for domain in domains), host=host, repairs=repairs)
    return dataclasses.replace(
        state,
        texts=_read_texts(state.wanted_scripts, told, host),
        binaries=_read_binaries(host, state.wanted_scripts, hypervisor, options),
    )


def _read_saved(domains: Iterable[WantedDomain], hypervisor: Hypervisor) -> dict[str, Document]:
    return {
        domain.state.uuid: hypervisor.saved_document(domain.state.uuid)
        for domain in domains
        if domain.state.managed_save
    }


def _with_arguments(host: Host, told: Sequence[Item], saved: Iterable[Document]) -> Host:
    """With what the daemons that are to be told something say of their arguments."""
    paths = {item.binary for item in told}
    for document in saved:
        for binary in [None, *domain_xml_share.binaries_in(document.root)]:
            found = host.scripts.get(binary or "")
            paths.add(binary if found is None else found.script.daemon)
    if not paths:
        return host
    binaries = {path: _virtiofsd.read_at(path) for path in paths if path and path not in host.binaries}
    binaries.update(host.binaries)

    def asked(path: str | None, found: Virtiofsd | None) -> Virtiofsd | None:
        return _virtiofsd.with_help(found) if found is not None and path in paths else found

    return dataclasses.replace(
        host,
        virtiofsd=asked(None, host.virtiofsd),
        binaries={path: asked(path, found) for path, found in binaries.items()},
    )


def _read_texts(wanted: Mapping[str, Script], told: Iterable[Item], host: Host) -> dict[str, str]:
    labels = {item.share.binary: item.label for item in told}
    texts: dict[str, str] = {}
    for path, script in wanted.items():
        daemon = host.daemon(script.daemon)
        if daemon is None or problem(script.options, daemon):
            # The plan refuses it, with better words than the daemon's.
            continue
        label = labels.get(path, "repair_managed_save")
        try:
            there = host.scripts.get(path)
            texts[path] = daemon_read.read_text(script, daemon, None if there is None else there.text)
        except Refused as error:
            raise VirtiofsError(at(label, error.option) + str(error)) from error
        except VirtiofsError as error:
            raise VirtiofsError(f"{at(label)}{error}") from error
    return texts


def _read_binaries(
    host: Host, wanted: Mapping[str, Script], hypervisor: Hypervisor, options: Options
) -> Mapping[str, Binaries] | None:
    """Which domain names which daemon, where a script may be left over.

    What root's libvirt has is in the usual directory: another connection does not see who uses that.
    """
    if not host.scripts.keys() - wanted.keys():
        return None
    if host.uri != _OF_ROOT and options.script_directory == DIRECTORY:
        return None
    return hypervisor.binaries()


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
