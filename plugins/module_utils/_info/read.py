# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_info reads: one connection, whatever the number of domains."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._daemon.read import read_scripts
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import DIRECTORY
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._info import sources
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, Domain, State
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import guest_agent
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import SYSTEM
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount

# Guests answer in their own time, each within a limit: they are asked side by side.
_ASKED_AT_ONCE = 8


def read(wanted: Wanted, *, fstab: str = SYSTEM) -> State:
    """Everything there is to know.

    :raises VirtiofsError: the connection is refused, or one of the names is unknown.
    """
    hypervisor, readonly = _connected(wanted.uri)
    domains = _with_guests(hypervisor, _read_states(hypervisor, wanted.domains), wanted.as_shares)
    shares = [share for domain in domains for share in (*domain.config.values(), *domain.live.values())]
    mounts = mountinfo.current()
    entries = mounts_fstab.entries(_read_fstab(fstab))
    paths = {share.source for share in shares if share.source}
    # A read-only bind mount hides the directory that it shows.
    behind = {entry.spec for entry in entries if entry.mount_point in paths and "bind" in entry.options}
    return State(
        host=Host(
            uri=hypervisor.uri,
            driver=hypervisor.driver,
            libvirt=hypervisor.libvirt_version,
            qemu=hypervisor.qemu_version,
            virtiofsd=_virtiofsd.read_installed(),
            binaries={path: _virtiofsd.read_at(path) for path in {share.binary for share in shares} if path},
            scripts=read_scripts(DIRECTORY),
        ),
        readonly=readonly,
        domains=tuple(_with_daemons(hypervisor, domain, mounts) for domain in domains),
        sources={path: sources.read_source(path, mounts, entries) for path in paths | behind},
        fstab=entries,
        memory_directory=sources.read_memory_directory(),
        block_links=sources.read_block_links(mounts) if wanted.as_shares else {},
    )


def _connected(uri: str) -> tuple[Hypervisor, bool]:
    """A connection that may ask the guests' agents; else one that may only look, as libvirt lets everybody."""
    hypervisor = Hypervisor(uri)
    try:
        hypervisor.connect()
    except NotYet:
        raise
    except VirtiofsError:
        if os.geteuid() == 0:
            raise
        return Hypervisor(uri, readonly=True), True
    return hypervisor, False


def _read_states(hypervisor: Hypervisor, names: Sequence[str]) -> list[DomainState]:
    states = hypervisor.states(names).values() if names else hypervisor.all_states()
    return sorted({state.uuid: state for state in states}.values(), key=lambda state: state.name)


def _with_guests(hypervisor: Hypervisor, states: Sequence[DomainState], fstab: bool) -> list[Domain]:
    def read_guest(state: DomainState) -> Domain:
        if state.live is None:
            saved = sources.read_saved(hypervisor.uri, state.name) if state.managed_save else None
            return Domain(state, mounts=(), saved=saved)
        if not any(True for root in (state.config.root, state.live.root) for dummy in domain_xml_share.elements(root)):
            return Domain(state, mounts=())
        agent_command = None if state.paused else hypervisor.agent(state.uuid)
        mounts = None if agent_command is None else guest_agent.virtiofs_mounts(agent_command)
        if mounts is None or agent_command is None:
            return Domain(state)
        text = guest_agent.read_files(agent_command, SYSTEM) if fstab else None
        return Domain(
            state,
            mounts=_once(mounts),
            fstab=None if text is None else mounts_fstab.entries(text),
        )

    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        return list(pool.map(read_guest, states))


def _with_daemons(hypervisor: Hypervisor, domain: Domain, mounts: Sequence[Mount]) -> Domain:
    if domain.state.live is None or not domain.live:
        return domain
    pids = hypervisor.daemon_pids(domain.state.live)
    daemons = []
    for tag, share in domain.live.items():
        pid = None if tag in domain.state.dead else pids.get(tag)
        daemons.append(sources.read_daemon(tag, pid, share.binary, mounts))
    return dataclasses.replace(domain, daemons=_ordered(daemons))


def _ordered(daemons: list[Daemon]) -> tuple[Daemon, ...]:
    return tuple(sorted(daemons, key=lambda daemon: daemon.tag))


def _once(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    """Two processes of the guest were asked, which see the same mounts as a rule."""
    return tuple({(mount.source, mount.path): mount for mount in mounts}.values())


def _read_fstab(path: str) -> str:
    try:
        return mounts_fstab.read(path)
    except VirtiofsError:
        return ""
