# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What waits for a restart of a domain, and why, as virtiofs_domain and virtiofs_info return it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """Why something waits for a restart: a code for a program, and words."""

    code: str
    message: str


APPLY_CONFIG = Reason("apply_config", "only the definition was to be changed (apply: config)")
NO_SHARED_MEMORY = Reason("no_shared_memory", "its running memory is not shared")
NO_FREE_PORT = Reason("no_free_port", "the running machine has no free PCI port (spare_ports adds some)")
NO_HOT_PLUG = Reason("not_supported", "this libvirt driver has no hot-plug of virtiofs")
DAEMON_DEAD = Reason("daemon_dead", "its virtiofsd is dead")
MOUNTED = Reason("mounted", "the guest has it mounted (force_detach would change it under the guest)")
MOUNT_UNKNOWN = Reason("mount_unknown", "whether the guest has it mounted is unknown (force_detach detaches it anyway)")


@dataclass(frozen=True)
class Waiting:
    """A share that the running domain does not have as its definition says. ``options``: those that differ."""

    domain: str
    tag: str
    reason: Reason
    options: tuple[str, ...] = ()


def restart_required(waiting: Iterable[Waiting]) -> list[dict[str, Any]]:
    """One entry for each domain and reason, in the order in which they were found."""
    groups: dict[tuple[str, Reason], list[Waiting]] = {}
    for each in waiting:
        groups.setdefault((each.domain, each.reason), []).append(each)
    return [
        {
            "domain": domain,
            "reason": reason.code,
            "tags": [each.tag for each in found],
            "options": {each.tag: list(each.options) for each in found if each.options},
            "message": f"domain {domain} must be shut down and started for {_named(found)}: {reason.message}",
        }
        for (domain, reason), found in groups.items()
    ]


def _named(waiting: Iterable[Waiting]) -> str:
    return ", ".join(f"{' and '.join(each.options)} of {each.tag}" if each.options else each.tag for each in waiting)
