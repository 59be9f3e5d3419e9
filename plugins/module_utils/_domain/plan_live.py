# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running domain can be given without a restart, and what must wait and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._domain import daemon_script
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import WantedDomain
from ansible_collections.virtio.fs.plugins.module_utils._domain.restart_required import (
    APPLY_CONFIG,
    DAEMON_DEAD,
    MOUNT_UNKNOWN,
    MOUNTED,
    NO_FREE_PORT,
    NO_HOT_PLUG,
    NO_SHARED_MEMORY,
    Reason,
    Waiting,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import Detach, HotPlug, Reattach
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory, pci_ports, share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element, serialised_element
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState, Version, dotted

_HOT_PLUG: Version = (7, 9, 0)


@dataclass(frozen=True)
class LivePlan:
    """``before`` comes before the new definition, ``hot_plug`` after it: a hot-plug checks the definition too."""

    before: tuple[Detach | Reattach, ...] = ()
    hot_plug: tuple[HotPlug, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def plan_live(
    wanted: WantedDomain, config: Element, before: Mapping[str, Share], options: Options, host: Host
) -> LivePlan:
    """``config`` is the definition as it shall be, ``before`` what it had.

    :raises VirtiofsError: a share would have to be detached that the guest has, or may have, mounted.
    """
    state = wanted.state
    if state.live is None:
        return LivePlan()
    live = state.live_shares
    steps: list[Detach | Reattach] = []
    hot_plug: list[HotPlug] = []
    waiting: list[Waiting] = []

    for tag in wanted.leaving(live):
        reason = _why_no_detach(state, tag, options, host)
        if reason is None:
            _refuse_mounted(wanted, tag, options)
            steps.append(Detach(state.name, state.uuid, tag))
        else:
            waiting.append(Waiting(state.name, tag, reason))

    new = any(item.share.tag not in live for item in wanted.present)
    places = pci_ports.free_places(state.live.root) if new else None
    left = None if places is None else places + sum(isinstance(step, Detach) for step in steps)
    for item in wanted.present:
        tag = item.share.tag
        if tag in live:
            differences = wanted.live_differences[tag]
            if not differences and tag not in state.dead:
                continue
            reason = (
                _why_no_detach(state, tag, options, host)
                or _why_no_memory(state, host)
                or _why_kept(wanted, tag, options)
            )
            if reason is None:
                named = _named(item, live.get(tag), wanted, host)
                steps.append(_reattach(state, item, _copy(state.live.root, tag), before, differences, named))
        else:
            reason = _why_no_hot_plug(state, options, host, left)
            if reason is None:
                xml = serialised_element(share.without_places(_copy(config, tag)))
                hot_plug.append(HotPlug(state.name, state.uuid, tag, xml, config=tag not in before))
                left = None if left is None else left - 1
        if reason is not None:
            waiting.append(Waiting(state.name, tag, reason, _named(item, live.get(tag), wanted, host)))
    return LivePlan(tuple(steps), tuple(hot_plug), tuple(waiting))


def _why_no_hot_plug(state: DomainState, options: Options, host: Host, places: int | None) -> Reason | None:
    if options.apply == "config":
        return APPLY_CONFIG
    reason = _why_no_memory(state, host) or _why_libvirt_cannot(host)
    return reason or (NO_FREE_PORT if places is not None and places <= 0 else None)


def _why_no_memory(state: DomainState, host: Host) -> Reason | None:
    if state.live is not None and not memory.is_shared(state.live.root):
        return NO_SHARED_MEMORY
    if state.memory_forgotten:
        message = f"libvirt {dotted(host.libvirt)} was restarted and forgot that its memory is shared (9.2.0 would not)"
        return Reason(NO_SHARED_MEMORY.code, message)
    return None


def _why_no_detach(state: DomainState, tag: str, options: Options, host: Host) -> Reason | None:
    # A live detach with a dead daemon reports success, never completes and wedges all hot-plug of the guest.
    if tag in state.dead:
        return DAEMON_DEAD
    return APPLY_CONFIG if options.apply == "config" else _why_libvirt_cannot(host)


def _why_libvirt_cannot(host: Host) -> Reason | None:
    if host.driver != "QEMU":
        return NO_HOT_PLUG
    if host.libvirt < _HOT_PLUG:
        message = f"libvirt {dotted(host.libvirt)} cannot hot-plug virtiofs, {dotted(_HOT_PLUG)} can"
        return Reason("libvirt_too_old", message)
    return None


def _why_kept(wanted: WantedDomain, tag: str, options: Options) -> Reason | None:
    if options.force_detach or wanted.unmounted_by_caller(tag):
        return None
    mounted = wanted.state.mounted.get(tag)
    if mounted is None:
        return MOUNT_UNKNOWN
    return MOUNTED if mounted else None


def _refuse_mounted(wanted: WantedDomain, tag: str, options: Options) -> None:
    reason = _why_kept(wanted, tag, options)
    if reason is None:
        return
    state = wanted.state
    if reason is MOUNTED:
        raise VirtiofsError(
            f"share {tag} of domain {state.name} is mounted in the guest: unmount it there first, or set force_detach"
        )
    raise VirtiofsError(
        f"share {tag} of domain {state.name}: whether the guest has it mounted is unknown, as its agent does not "
        "answer: set guest_unmounted once you have checked that it is not mounted, or force_detach"
    )


def _reattach(
    state: DomainState,
    item: Item,
    live: Element,
    before: Mapping[str, Share],
    differences: tuple[str, ...],
    named: tuple[str, ...],
) -> Reattach:
    old = share.without_places(live)
    tag = item.share.tag
    if tag in before and before[tag].binary is None:
        # The live XML shows the daemon that libvirt chose; the next one is to be chosen anew.
        share.forget_binary(old)
    new = share.detached_copy(old)
    share.write(new, item.share.only(differences))
    return Reattach(state.name, state.uuid, tag, named, serialised_element(old), serialised_element(new))


def _named(item: Item, running: Share | None, wanted: WantedDomain, host: Host) -> tuple[str, ...]:
    """The options that a running share has otherwise, as the user knows them: a bind mount is how it is read-only."""
    if running is None:
        return ()
    bound = item.bound_source is not None or running.source in host.binds
    names = ("readonly" if name == "source" and bound else name for name in wanted.live_differences[item.share.tag])
    return daemon_script.words(names, item, running, host)


def _copy(root: Element, tag: str) -> Element:
    return next(share.detached_copy(item) for item in share.elements(root) if share.tag_of(item) == tag)
