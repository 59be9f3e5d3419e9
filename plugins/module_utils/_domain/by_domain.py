# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user asked for, gathered by domain. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Script
from ansible_collections.virtio.fs.plugins.module_utils._domain import daemon_script, readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.managed_save import Repair
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Binaries, DomainState


@dataclass(frozen=True)
class WantedDomain:
    """What one domain shall have. ``exclusive``: and no other virtiofs share.

    ``exclusive_system``: not even one that the domain itself stands on.
    """

    state: DomainState
    items: tuple[Item, ...] = ()
    exclusive: bool = False
    exclusive_system: bool = False

    @functools.cached_property
    def present(self) -> tuple[Item, ...]:
        return tuple([item for item in self.items if not item.absent])

    @functools.cached_property
    def _absent(self) -> frozenset[str]:
        return frozenset([item.share.tag for item in self.items if item.absent])

    def leaving(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Which of these tags shall not be there."""
        if not self.exclusive and not self._absent:
            return ()
        kept = self.kept
        if not self.exclusive:
            return tuple([tag for tag in tags if tag in self._absent and tag not in kept])
        present = {item.share.tag for item in self.present}
        return tuple([tag for tag in tags if tag not in present and tag not in kept])

    @functools.cached_property
    def kept(self) -> Mapping[str, str]:
        """Shares that would go because no list has them, and stay all the same, with the reason as half a sentence."""
        unlisted = {item.share.tag for item in self.items if item.unlisted}
        if self.exclusive_system or not (self.exclusive or unlisted):
            return {}
        named = {item.share.tag for item in self.items} - unlisted
        found = self.state.stands_on
        return {tag: why for tag, why in found.items() if tag in unlisted or (self.exclusive and tag not in named)}

    @functools.cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags that this is about."""
        kept = self.kept
        named = [item.share.tag for item in self.items if item.share.tag not in kept]
        return tuple(dict.fromkeys([*named, *self.leaving(_tags(self.state))]))

    def unmounted_by_caller(self, tag: str) -> bool:
        return any(item.guest_unmounted for item in self.items if item.share.tag == tag)

    def tags_to_detach(self) -> tuple[str, ...]:
        """Running shares that must leave or change: the guest has to be asked about these."""
        return (*self.leaving(self.state.live_shares), *(tag for tag, found in self.live_differences.items() if found))

    @functools.cached_property
    def live_differences(self) -> Mapping[str, tuple[str, ...]]:
        """How the running shares differ from what is wanted, by tag; without those that do not run."""
        live = self.state.live_shares
        tags = [(item.share, item.share.tag) for item in self.present]
        return {tag: share.differences(live[tag]) for share, tag in tags if tag in live}


@dataclass(frozen=True)
class State:
    """What was read: each domain with what it shall have, and the hypervisor."""

    domains: tuple[WantedDomain, ...]
    host: Host
    # What each script that is wanted says on this machine, by path; one lacks where its daemon is not here yet.
    texts: Mapping[str, str] = field(default_factory=dict)
    # The daemons that each domain names, by UUID; None where that is not asked, or not known.
    binaries: Mapping[str, Binaries] | None = None
    # What is lacking in the images of saved domains that are to be repaired, by UUID.
    repairs: Mapping[str, Repair] = field(default_factory=dict)

    @functools.cached_property
    def wanted_scripts(self) -> dict[str, Script]:
        """The scripts that the shares name after the steps, by path."""
        return {
            **daemon_script.wanted_scripts(item for wanted in self.domains for item in wanted.present),
            **{path: script for found in self.repairs.values() for path, script in found.scripts.items()},
        }


@dataclass
class _Group:
    state: DomainState
    items: dict[str, Item] = field(default_factory=dict)


def by_domain(
    states: Mapping[str, DomainState], items: Sequence[Item], options: Options, host: Host
) -> tuple[WantedDomain, ...]:
    """The items, grouped by the domain that their names and UUIDs mean, in the order of the list.

    A read-only share has become what this host can do for it.

    :raises VirtiofsError: two items are about the same tag of the same domain.
    """
    groups: dict[str, _Group] = {}
    for item in items:
        state = states[item.domain]
        group = groups.get(state.uuid)
        if group is None:
            group = groups[state.uuid] = _Group(state)
        if item.share.tag in group.items:
            raise VirtiofsError(f"share {item.share.tag} of domain {state.name}: the tag is listed twice")
        group.items[item.share.tag] = item
    for name in options.domains:
        groups.setdefault(states[name].uuid, _Group(states[name]))
    return tuple(
        WantedDomain(
            group.state,
            _as_elements(group.state, group.items.values(), host, options.script_directory),
            options.exclusive,
            options.exclusive_system,
        )
        for group in groups.values()
    )


def _as_elements(state: DomainState, items: Iterable[Item], host: Host, scripts: str) -> tuple[Item, ...]:
    existing = state.config_shares

    def as_element(item: Item) -> Item:
        found = existing.get(item.share.tag)
        told = daemon_script.as_element(item, found, host, scripts)
        return readonly_bind.as_element(told, state.uuid, found, host)

    return tuple([as_element(item) for item in items])


def _tags(state: DomainState) -> tuple[str, ...]:
    return (*state.config_shares, *state.live_shares)
