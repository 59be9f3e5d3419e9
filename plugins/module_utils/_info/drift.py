# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a running domain is not what its definition says, and what of it waits for a restart. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Found, expanded
from ansible_collections.virtio.fs.plugins.module_utils._domain import plan_live
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import WantedDomain
from ansible_collections.virtio.fs.plugins.module_utils._domain.restart_required import DAEMON_DEAD, Waiting
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Domain


@dataclasses.dataclass(frozen=True)
class Drift:
    """``kind``: ``config_only``, ``live_only`` or ``options`` (which ones: ``options``)."""

    tag: str
    kind: str
    options: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        return {
            "config_only": "is in the definition, but not in the running machine",
            "live_only": "is only in the running machine, and will be gone at its next start",
            "options": f"runs with {' and '.join(self.options)} different from its definition",
        }[self.kind]


def drift(domain: Domain, scripts: Mapping[str, Found]) -> tuple[Drift, ...]:
    """Nothing for a domain that is off: it has one state only. ``scripts`` are those that start a virtiofsd."""
    if not domain.running:
        return ()
    config, live = domain.config, domain.live
    found = [Drift(tag, "config_only") for tag in config if tag not in live]
    for tag, share in live.items():
        if tag not in config:
            found.append(Drift(tag, "live_only"))
            continue
        options = _differences(expanded(config[tag], scripts), expanded(share, scripts))
        if options:
            found.append(Drift(tag, "options", options))
    return tuple(found)


def waiting(domain: Domain, host: Host) -> tuple[Waiting, ...]:
    """What the definition has and only a restart can give the running machine, by the rules of virtiofs_domain."""
    if not drift(domain, host.scripts) and not domain.state.dead:
        return ()
    state = dataclasses.replace(domain.state, mounted=_mounted(domain))
    config, live = domain.config, domain.live
    wanted = WantedDomain(state, tuple(Item(domain.name, share) for share in config.values()))
    found = plan_live.plan_live(wanted, state.config.root, config, Options(), host).waiting
    dead = (tag for tag in live if tag in state.dead and tag not in config)
    return (*found, *(Waiting(domain.name, tag, DAEMON_DEAD) for tag in dead))


def _differences(config: Share, live: Share) -> tuple[str, ...]:
    both = (*config.differences(live), *live.differences(config))
    # The live XML shows the daemon that libvirt chose.
    ignored = () if config.binary is not None else ("binary",)
    return tuple(dict.fromkeys(name for name in both if name not in ignored))


def _mounted(domain: Domain) -> dict[str, bool | None]:
    if domain.mounts is None:
        return dict.fromkeys(domain.live)
    tags = {mount.source for mount in domain.mounts}
    return {tag: tag in tags for tag in domain.live}
