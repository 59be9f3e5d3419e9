# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains as they are and shares as they are wanted -> a plan. Pure.

The persistent definition and the running machine are planned separately: the first can always be had, and what
the second cannot have now waits for a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain import daemon_script, readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, WantedDomain
from ansible_collections.virtio.fs.plugins.module_utils._domain.edits import (
    AddPorts,
    AddShare,
    ChangeShare,
    Edit,
    RemoveShare,
    ShareMemory,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.plan_live import LivePlan, plan_live
from ansible_collections.virtio.fs.plugins.module_utils._domain.restart_required import (
    DAEMON_DEAD,
    Waiting,
    restart_required,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.rules import check_host, check_images, check_sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import (
    Define,
    RemoveManagedSave,
    RepairManagedSave,
    Restart,
    RestartTogether,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import BindReadOnly
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain.warnings import (
    first_share,
    kept_although_unlisted,
    lists_of_old_guests,
    one_source_for_several,
    submounts,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import foreign_manager, memory, pci_ports
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.as_running import as_running
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Document,
    Element,
    canonical,
    serialised,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.pending_edits import pending_edits
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan


@dataclass(frozen=True)
class _DomainPlan:
    """What one domain needs: ``steps``, when it has to be stopped ``restart``, and then ``last``."""

    steps: tuple[Any, ...] = ()
    restart: Restart | None = None
    last: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
    added: tuple[Item, ...] = ()
    change: Change | None = None
    waiting: tuple[Waiting, ...] = ()
    result: Mapping[str, Any] | None = None
    # The daemons that its shares name after the steps, in the definition and as it runs.
    binaries: tuple[str | None, ...] = ()


def plan(asked: Wanted, state: State) -> Plan:
    """What there is to do, for all domains.

    :raises VirtiofsError: something wanted cannot be had or is refused; nothing was changed.
    """
    items, options, domains, host = asked.items, asked.options, state.domains, state.host
    not_yet = [*check_host(items, host), *check_sources(items, host.directories)]
    daemon_script.check((item for wanted in domains for item in wanted.present), host)
    daemon_script.check_writers(items)
    scripts = daemon_script.steps_before(state.wanted_scripts, host, state.texts)
    usual = host.driver == "QEMU" and any(not item.absent and not item.share.binary for item in items)
    daemons = {state.wanted_scripts[step.path].daemon for step in scripts if not step.text}
    if host.virtiofsd is None and (usual or None in daemons):
        not_yet.append("no virtiofsd is installed on the hypervisor")
    not_yet += [f"{daemon} is not a virtiofsd that can be run" for daemon in sorted(daemons - {None}, key=str)]
    check_images(items, {wanted.state.name: wanted.state.config.root for wanted in domains})
    plans = [_plan_domain(wanted, options, host) for wanted in domains]
    restarts = [each.restart for each in plans if each.restart is not None]
    return Plan(
        steps=(
            *scripts,
            *(
                RepairManagedSave(wanted.state.name, wanted.state.uuid, found.tags, found.document)
                for wanted in domains
                for found in [state.repairs.get(wanted.state.uuid)]
                if found is not None
            ),
            *(step for each in plans for step in each.steps),
            *_batches(restarts, options.restart_parallel),
            *(step for each in plans for step in each.last),
            *_scripts_left(plans, domains, state),
        ),
        warnings=(
            *(warning for each in plans for warning in each.warnings),
            *(sentence for wanted in domains for sentence in kept_although_unlisted(wanted)),
            *one_source_for_several(items, [item for each in plans for item in each.added]),
        ),
        changes=tuple(each.change for each in plans if each.change is not None),
        not_yet=tuple(not_yet),
        result={
            "domains": [each.result for each in plans],
            "restart_required": restart_required(item for each in plans for item in each.waiting),
        },
    )


def edits_of(root: Element, wanted: WantedDomain, options: Options, host: Host) -> tuple[Edit, ...]:
    """What a definition lacks of what is wanted; nothing when it has all of it.

    :raises VirtiofsError: the definition has what is in the way.
    """
    found = domain_xml_share.shares_in(root) if root is not wanted.state.config.root else wanted.state.config_shares
    _refuse_other_filesystems(root, found, wanted)
    edits: list[Edit] = [RemoveShare(tag) for tag in wanted.leaving(found)]
    for item in wanted.present:
        share = item.share
        if share.tag not in found:
            edits.append(AddShare(share))
            continue
        differences = share.differences(found[share.tag])
        if differences:
            named = daemon_script.words(differences, item, found[share.tag], host)
            edits.append(ChangeShare(share.only(differences), named))
    if wanted.present:
        cell = options.numa_cell == "always" or host.libvirt < memory.WITHOUT_CELL
        if not memory.is_as_wanted(root, cell=cell):
            edits.append(ShareMemory(options.memory, cell))
    added = sum(isinstance(edit, AddShare) for edit in edits)
    missing = _missing_ports(root, added, wanted, options)
    if missing:
        edits.append(AddPorts(missing))
    return tuple(edits)


def edited(root: Element, wanted: WantedDomain, options: Options, host: Host) -> tuple[Edit, ...]:
    """Edit a definition until it has what is wanted. Returns what was done."""
    edits = edits_of(root, wanted, options, host)
    for edit in edits:
        edit.apply(root)
    return edits


def _missing_ports(root: Element, added: int, wanted: WantedDomain, options: Options) -> int:
    """Root ports to add until ``spare_ports`` are left when the new shares have taken theirs."""
    if not options.spare_ports or not wanted.present or not pci_ports.is_express(root):
        return 0
    unplaced = added + sum(1 for element in domain_xml_share.elements(root) if element.find("address") is None)
    return max(0, options.spare_ports + unplaced - (pci_ports.free_places(root) or 0))


def _plan_domain(wanted: WantedDomain, options: Options, host: Host) -> _DomainPlan:
    state = wanted.state
    if not state.persistent:
        raise VirtiofsError(f"domain {state.name} is transient: it has no definition to keep a share in")
    manager = foreign_manager.manager_of(state.config.root)
    if manager and not options.allow_foreign:
        raise VirtiofsError(
            f"domain {state.name} belongs to {manager}, which overwrites what others change: set allow_foreign"
        )
    try:
        before, root = state.config_shares, state.config.root
        edits = edits_of(root, wanted, options, host)
        if edits:
            # Most domains have what they shall have, and a fleet of them is not copied.
            root = state.config.copy()
            edited(root, wanted, options, host)
    except VirtiofsError as error:
        raise VirtiofsError(f"domain {state.name}: {error}") from error
    live = plan_live(wanted, root, before, options, host)
    binds = readonly_bind.steps_before(wanted.present, host, options.fstab)
    if not (edits or binds or live.before or live.hot_plug or live.waiting or host.binds):
        # What most domains of a fleet are.
        return _DomainPlan(
            result=_result(wanted, live, False), binaries=_in_use(state, root, live, False, "binary", host.scripts)
        )
    added = tuple(item for item in wanted.present if item.share.tag not in before)
    restarts = options.apply == "restart" and _may_restart(state, live, options)
    if restarts:
        live = LivePlan(waiting=live.waiting)
    steps: list[Any] = [
        *_saved_image_steps(state, edits, options),
        *binds,
        *live.before,
    ]
    hot = [step.tag for step in live.hot_plug if step.config]
    remaining = _without(root, hot)
    # A hot-plug adds its share to the definition by itself.
    left = [edit for edit in edits if not (isinstance(edit, AddShare) and edit.share.tag in hot)]
    if left:
        steps.append(_define(state, remaining, left))
    steps.extend(live.hot_plug)
    return _DomainPlan(
        steps=tuple(steps),
        restart=_restart(state, root, options) if restarts else None,
        last=_last_steps(state, root, live, restarts, host, options),
        warnings=(
            *_warnings(state, added, before, host, [item for item in wanted.present if _is_bound_by(item, binds)]),
            *_lists_of_old_guests(wanted, before, host),
        ),
        added=added,
        change=_change(wanted, options, host) if edits else None,
        waiting=() if restarts else live.waiting,
        result=_result(wanted, live, restarts),
        binaries=_in_use(state, root, live, restarts, "binary", host.scripts),
    )


def _may_restart(state: DomainState, live: LivePlan, options: Options) -> bool:
    """Whether something waits for it. With a dead daemon nothing in the guest is worth running on for."""
    kept = state.name in options.keep_running or state.uuid in options.keep_running
    return any(each.reason == DAEMON_DEAD or not kept for each in live.waiting)


def _last_steps(
    state: DomainState, root: Element, live: LivePlan, restarts: bool, host: Host, options: Options
) -> tuple[Any, ...]:
    if not host.binds:
        return ()
    return readonly_bind.steps_after(
        state.uuid, _in_use(state, root, live, restarts, "source", host.binds), host, options.fstab
    )


def _in_use(
    state: DomainState, root: Element, live: LivePlan, restarts: bool, option: str, ours: Mapping[str, Any]
) -> tuple[str | None, ...]:
    """An option of the shares in the definition, and of what still runs after the steps. Not asked without ``ours``."""
    if not ours:
        return ()
    planned = state.config_shares if root is state.config.root else domain_xml_share.shares_in(root)
    used = [getattr(share, option) for share in planned.values()]
    if not restarts:
        replaced = {step.tag for step in live.before}
        used += [getattr(share, option) for tag, share in state.live_shares.items() if tag not in replaced]
    return tuple(used)


def _scripts_left(plans: Sequence[_DomainPlan], domains: Sequence[WantedDomain], state: State) -> tuple[Any, ...]:
    """Scripts of ours that no domain names any more, whether it is listed, saved or in a snapshot."""
    if state.binaries is None:
        return ()
    listed = {wanted.state.uuid for wanted in domains}
    # Its saved image goes, or is another one, with the steps of a domain.
    dropped = {step.uuid for each in plans for step in each.steps if isinstance(step, RemoveManagedSave)}
    dropped |= state.repairs.keys()
    used = [binary for each in plans for binary in each.binaries]
    used += [path for found in state.repairs.values() for path in domain_xml_share.binaries_in(found.document.root)]
    for uuid, found in state.binaries.items():
        used += [*found.snapshots, *(() if uuid in listed else found.now), *(() if uuid in dropped else found.saved)]
    return daemon_script.steps_after(used, state.host)


def _warnings(
    state: DomainState, added: Sequence[Item], before: Mapping[str, Any], host: Host, bound: Sequence[Item]
) -> tuple[str, ...]:
    sentences = [first_share(state.name, host)] if added and not before else []
    shown = {item.share.tag: item for item in (*added, *bound)}
    return tuple(each for each in [*sentences, *(submounts(item, host) for item in shown.values())] if each)


def _lists_of_old_guests(wanted: WantedDomain, before: Mapping[str, Share], host: Host) -> tuple[str, ...]:
    told = (lists_of_old_guests(item, host, before.get(item.share.tag)) for item in wanted.present)
    return tuple(each for each in told if each)


def _is_bound_by(item: Item, binds: Sequence[BindReadOnly]) -> bool:
    return any(step.path == item.share.source for step in binds)


def _define(state: DomainState, root: Element, edits: Sequence[Edit]) -> Define:
    summary = ", ".join(edit.summary for edit in edits)
    return Define(state.name, state.uuid, summary, Document(serialised(root)), state.config)


def _without(root: Element, tags: Sequence[str]) -> Element:
    """The tree without shares that a hot-plug adds to the definition by itself."""
    if not tags:
        return root
    copied = Document(serialised(root)).root
    for tag in tags:
        domain_xml_share.remove_from(copied, tag)
    return copied


def _refuse_other_filesystems(root: Element, found: Mapping[str, Share], wanted: WantedDomain) -> None:
    tags = [item.share.tag for item in wanted.present]
    for tag in tags:
        if any(tag in shares and shares[tag].source is None for shares in (found, wanted.state.live_shares)):
            raise VirtiofsError(f"share {tag} is served through a socket by a daemon that is not libvirt's")
    new = {tag for tag in tags if tag not in found}
    for element in domain_xml_share.filesystems(root) if new else ():
        if domain_xml_share.tag_of(element) in new:
            raise VirtiofsError(f"tag {domain_xml_share.tag_of(element)} is taken by a filesystem of another type")


def _saved_image_steps(state: DomainState, edits: Sequence[Edit], options: Options) -> tuple[Any, ...]:
    if not (state.managed_save and edits):
        return ()
    if not options.remove_managed_save:
        raise VirtiofsError(
            f"domain {state.name} has a managed save image, which it would start from without the change; "
            "start it once (repair_managed_save, with its shares as they are, makes one start that does not), or set "
            "remove_managed_save, which loses the saved state"
        )
    return (RemoveManagedSave(state.name, state.uuid),)


def _restart(state: DomainState, root: Element, options: Options) -> Restart:
    if state.paused and not options.force_off:
        raise VirtiofsError(f"domain {state.name} is paused and cannot be shut down; resume it, or set force_off")
    if state.live is not None and not options.allow_pending:
        pending = pending_edits(state.live, state.config)
        if pending:
            raise VirtiofsError(
                f"domain {state.name}: a restart would also activate other edits of its definition that wait "
                f"({', '.join(pending[:5])}): set allow_pending"
            )
    new = canonical(root)
    older = [state.config]
    if state.live is not None:
        older.append(as_running(state.config, state.live))
    kept: list[Document] = []
    for document in older:
        if document.canonical != new and document not in kept:
            kept.append(document)
    return Restart(state.name, state.uuid, tuple(kept), options.shutdown_timeout, options.force_off)


def _change(wanted: WantedDomain, options: Options, host: Host) -> Change | None:
    public = wanted.state.public
    if public is None:
        return None
    after = public.copy()
    edited(after, wanted, options, host)
    return Change(f"domain {wanted.state.name}", serialised(public.root), serialised(after))


def _batches(restarts: Sequence[Restart], parallel: int) -> tuple[Any, ...]:
    if parallel == 1:
        return tuple(restarts)
    groups = [tuple(restarts[at : at + parallel]) for at in range(0, len(restarts), parallel)]
    return tuple(group[0] if len(group) == 1 else RestartTogether(group) for group in groups)


def _result(wanted: WantedDomain, live: LivePlan, restarts: bool) -> dict[str, Any]:
    state = wanted.state
    tags = list(wanted.tags)
    waiting = [] if restarts else [each.tag for each in live.waiting]
    return {
        "domain": state.name,
        "uuid": state.uuid,
        "running": state.live is not None,
        "config": tags,
        "live": [] if state.live is None else [tag for tag in tags if tag not in waiting],
        "waiting": waiting,
        "kept": list(wanted.kept),
    }
