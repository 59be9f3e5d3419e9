# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_domain reads, in which order, and what it hands to the plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._domain import plan as domain_plan
from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind, sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import Options, Wanted, by_domain, names
from ansible_collections.virtio.fs.plugins.module_utils._domain.rules import Item, check_items
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import capabilities
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan, reconcile

_SYSTEM = "qemu:///system"

# What an item has besides the share itself.
_OF_THE_ITEM = ("domain", "state", "require_mountpoint", "guest_unmounted", "allow_unsafe_source")


@dataclass(frozen=True)
class Read:
    domains: Sequence[Wanted]
    host: Host


class Target:
    """The hypervisor, connected at the first use: checking the items must not wait for it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._hypervisor: Hypervisor | None = None

    def connected(self) -> Hypervisor:
        if self._hypervisor is None:
            self._hypervisor = Hypervisor(self._uri)
        return self._hypervisor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connected(), name)


def run(module: Any) -> None:
    """Converge, and end the module."""
    given = module.params
    target = Target(given["uri"] or _SYSTEM)
    options = _options(given)

    def wanted() -> tuple[Item, ...]:
        items = tuple(_item(entry) for entry in given["shares"])
        _check(given, items)
        return items

    def read(items: tuple[Item, ...]) -> Read:
        try:
            return _read(target.connected(), items, options, public=module._diff)
        except NotYet as error:
            raise NotYet(str(error), tuple(_intended(item) for item in items if not item.absent)) from error

    def plan(items: tuple[Item, ...], state: Read) -> Plan:
        return domain_plan.plan(state.domains, items, options, state.host)

    reconcile(module, wanted, read, plan, target)


def _check(given: Mapping[str, Any], items: Sequence[Item]) -> None:
    check_items(items)
    for name, least in (("restart_parallel", 1), ("shutdown_timeout", 1), ("spare_ports", 0)):
        if given[name] < least:
            raise VirtiofsError(f"{name} must be at least {least}, not {given[name]}")
    if given["exclusive"] and not items and not given["confirm_empty"]:
        raise VirtiofsError(
            "exclusive with an empty list of shares would remove every virtiofs share of the domains: set confirm_empty"
        )
    if given["exclusive_system"] and not given["exclusive"]:
        raise VirtiofsError("exclusive_system has a meaning only with exclusive")
    if given["domains"] and not given["exclusive"]:
        raise VirtiofsError("domains has a meaning only with exclusive")


def _read(hypervisor: Hypervisor, items: Sequence[Item], options: Options, *, public: bool) -> Read:
    present = [item.share for item in items if not item.absent]
    host = Host(
        uri=hypervisor.uri,
        driver=hypervisor.driver,
        libvirt=hypervisor.libvirt_version,
        qemu=hypervisor.qemu_version,
        virtiofsd=_virtiofsd.find() if present else None,
        binaries={path: _virtiofsd.ask(path) for path in {share.binary for share in present} if path},
        directories=sources.look(share.source for share in present if share.source),
        binds=readonly_bind.read(options.fstab),
        has_device=capabilities.has_virtiofs(hypervisor.domain_capabilities()) if present else None,
    )
    states = hypervisor.states(names(items, options.domains), public=public)
    return Read([_asked(wanted, options, hypervisor) for wanted in by_domain(states, items, options, host)], host)


def _asked(wanted: Wanted, options: Options, hypervisor: Hypervisor) -> Wanted:
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


def _options(given: Mapping[str, Any]) -> Options:
    taken = {field.name: given[field.name] for field in dataclasses.fields(Options)}
    return Options(**{**taken, "domains": tuple(given["domains"])})


def _item(entry: Mapping[str, Any]) -> Item:
    given = {name: value for name, value in entry.items() if value is not None and name not in _OF_THE_ITEM}
    unknown = sorted(given.keys() - BY_NAME.keys() - {"tag", "source"})
    if unknown:
        # The argument spec has it, and the table does not: left out without a word, the share would lack it.
        raise VirtiofsError(f"share {entry['tag']} of domain {entry['domain']}, {unknown[0]}: there is no such option")
    if "idmap" in given:
        given["idmap"] = _idmap(given["idmap"])
    return Item(
        domain=entry["domain"],
        share=Share(**given),
        absent=entry["state"] == "absent",
        require_mountpoint=entry["require_mountpoint"],
        guest_unmounted=entry["guest_unmounted"],
        allow_unsafe_source=entry["allow_unsafe_source"],
    )


def _idmap(given: Mapping[str, Any]) -> IdMap:
    return IdMap(**{kind: tuple(IdRange(**entry) for entry in given[kind] or ()) for kind in ("uid", "gid")})
