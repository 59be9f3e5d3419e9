# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt tells of all domains in few calls: one question for each domain takes longer than to read its XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import Gone, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.connection import Connection, libvirt

_UUID_DIGITS = 32


@dataclass(frozen=True)
class DomainList:
    """The domains of a connection by UUID, and which of these are persistent, run and are not paused, are saved."""

    uri: str
    domains: Mapping[str, Any]
    by_name: Mapping[str, str]
    persistent: frozenset[str]
    running: frozenset[str]
    saved: frozenset[str]

    def uuid(self, name: str) -> str:
        """The UUID of the domain that has this name or UUID.

        :raises Gone: there is none.
        """
        digits = name.replace("-", "").lower()
        spelled = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        by_uuid = spelled if len(digits) == _UUID_DIGITS and spelled in self.domains else None
        by_name = self.by_name.get(name)
        if by_uuid is not None and by_name is not None and by_uuid != by_name:
            raise VirtiofsError(f"{name} is the name of one domain and the UUID of another")
        found = by_name or by_uuid
        if found is None:
            raise Gone(f"there is no domain {name if name.isprintable() and name else repr(name)} at {self.uri}")
        return found


def read_domain_list(connection: Connection) -> DomainList:
    return connection.retry_once("list the domains", lambda: _read_domain_list(connection))


def _read_domain_list(connection: Connection) -> DomainList:
    domains = {domain.UUIDString(): domain for domain in connection.raw.listAllDomains()}

    def those(flag: int) -> frozenset[str]:
        return frozenset([domain.UUIDString() for domain in connection.raw.listAllDomains(flag)])

    return DomainList(
        uri=connection.asked_for,
        domains=domains,
        by_name={domain.name(): uuid for uuid, domain in domains.items()},
        persistent=those(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT),
        running=those(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING),
        saved=those(libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
    )
