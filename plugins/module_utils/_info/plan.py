# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_info returns, from what it has read. Pure."""

from __future__ import annotations

from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import expanded
from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.restart_required import restart_required
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._info import adopt, drift
from ansible_collections.virtio.fs.plugins.module_utils._info.problems import is_stale, problems
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, Domain, Source, State
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import dotted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

UNKNOWN = "unknown"


def plan(wanted: Wanted, state: State) -> Plan:
    """A plan without a step: there is only something to tell."""
    host = state.host
    result: dict[str, Any] = {
        "connection": {"uri": host.uri, "driver": host.driver, "readonly": state.readonly},
        "libvirt": dotted(host.libvirt),
        "qemu": dotted(host.qemu),
        "virtiofsd": _virtiofsd(host.virtiofsd),
        "domains": [_domain(domain, host) for domain in state.domains],
        "daemons": [_daemon(each, domain, state) for domain in state.domains for each in domain.daemons],
        "sources": [_source(source) for _path, source in sorted(state.sources.items())],
        "problems": problems(state),
    }
    warnings: tuple[str, ...] = ()
    if wanted.as_shares:
        result["as_shares"], warnings = adopt.as_shares(state)
    return Plan(warnings=warnings, result=result)


def _virtiofsd(found: Virtiofsd | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "path": found.path,
        "flavour": found.flavour,
        "version": dotted(found.version),
        "features": sorted(found.features),
    }


def _domain(domain: Domain, host: Host) -> dict[str, Any]:
    state = domain.state
    effective = state.config if state.live is None else state.live
    return {
        "name": state.name,
        "uuid": state.uuid,
        "state": "off" if state.live is None else "paused" if state.paused else "running",
        "persistent": state.persistent,
        "managed_save": state.managed_save,
        "memory": {
            "shared": memory.is_shared(effective.root),
            "backing": memory.backing_of(effective.root),
            "shared_at_next_start": memory.is_shared(state.config.root),
        },
        "config": [_share(share, host) for share in domain.config.values()],
        "live": [_share(share, host) for share in domain.live.values()],
        "drift": [
            {"tag": each.tag, "kind": each.kind, "options": list(each.options)}
            for each in drift.drift(domain, host.scripts)
        ],
        "restart_required": restart_required(drift.waiting(domain, host)),
        "guest_mounts": _guest_mounts(domain),
    }


def _share(share: Share, host: Host) -> dict[str, Any]:
    options = adopt.as_given(expanded(share, host.scripts).options)
    # Where libvirt cannot enforce it, the source is a read-only bind mount of ours, and the element says nothing.
    bound = share.source is not None and readonly_bind.is_bind(normalized(share.source))
    return {"tag": share.tag, "source": share.source, **options, "readonly": bool(share.readonly) or bound}


def _guest_mounts(domain: Domain) -> Any:
    if domain.mounts is None:
        return UNKNOWN
    return [
        {"tag": mount.source, "path": mount.path, "options": sorted(mount.options)}
        for mount in sorted(domain.mounts, key=lambda mount: mount.path)
    ]


def _daemon(daemon: Daemon, domain: Domain, state: State) -> dict[str, Any]:
    source = state.sources.get(domain.live[daemon.tag].source or "")
    dead = daemon.tag in domain.state.dead
    return {
        "domain": domain.name,
        "tag": daemon.tag,
        "pid": daemon.pid,
        "binary": daemon.binary,
        "dead": dead,
        "stale": not dead and source is not None and is_stale(daemon, source),
        "files_open": daemon.files_open,
        "files_limit": daemon.files_limit,
    }


def _source(source: Source) -> dict[str, Any]:
    mount = source.mount
    return {
        "path": source.path,
        "exists": source.exists,
        "mount": None if mount is None else mount.path,
        "device": None if mount is None else mount.source,
        "fstype": None if mount is None else mount.fstype,
        "options": [] if mount is None else sorted(mount.options),
        "size": source.size,
        "free": source.free,
    }
