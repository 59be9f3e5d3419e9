# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mounts of a guest and what is wanted -> one plan, for all items and in their order. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import is_share_line, lines_of_no_item
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.leaving import after_leaving
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import bears_mark
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan_item import (
    ItemPlan,
    item_of,
    plan_item,
    plan_unlisted,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import (
    GOING,
    REMEDY,
    GuestState,
    Kernel,
    no_such_tag,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    ForgetModuleAtBoot,
    LoadModule,
    LoadModuleAtBoot,
    Mount,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.unlisted import Unlisted, unlisted
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import SYSTEM, Entry, entries
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount as MountPoint
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import MakeDirectory, ReadUnits
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan, Step


def plan(wanted: Wanted, state: GuestState) -> Plan:
    """What there is to do, for all items.

    :raises VirtiofsError: the first thing that cannot be done.
    """
    lines = tuple(entry for entry in entries(state.fstab) if is_share_line(entry))
    others = unlisted(state.fstab, state.mounts, wanted)
    _refuse_used(state, others)
    # Two lines of one share on one path are unmounted once.
    leaving, moving = (
        {(line.spec, line.mount_point): line for line in each}.values() for each in (others.leaving, others.moving)
    )
    after = after_leaving(
        state, [*(item for item in wanted.mounts if item.state in GOING), *(item_of(line) for line in leaving)]
    )
    items = [plan_item(state if item.state in GOING else after, item) for item in wanted.mounts]
    items += [plan_unlisted(state, line) for line in leaving]
    moved = [plan_unlisted(state, line) for line in moving]
    going = {(each.item.tag, each.item.path) for each in (*items, *moved) if each.item.state in GOING}
    # A share that moves is to be mounted besides.
    also = [[] if each.item.path in others.moves else _also_mounted_on(state, each, going) for each in items]
    boot_steps, boot_changes = _module_at_boot(state.kernel, lines, [*items, *moved])
    steps = (*_in_order(state, items, moved), *boot_steps)
    if wanted.preflight:
        # What refuses has refused by now.
        return Plan(result={"mounts": []})
    return Plan(
        steps=steps,
        changes=(*(each.change for each in (*items, *moved)), *boot_changes),
        warnings=(
            *(warning for each in items for warning in each.warnings),
            *_second_lines(lines, wanted, [*others.leaving, *others.moving]),
            *(
                f"the share {line.spec} on {line.path} stays although no item names it: {reason} "
                "(exclusive_system: true takes it away as well)"
                for line, reason in others.kept
            ),
            *(
                f"the share {each.item.tag} is still mounted on {', '.join(paths)}, which no item names"
                for each, paths in zip(items, also)
                if paths
            ),
        ),
        not_yet=_missing_tags(state, [each for each in items if each.mounts]),
        result={
            "mounts": [{**each.result, "also_mounted_on": paths} for each, paths in zip(items, also) if each.listed],
            "unlisted": _unlisted(others, {(each.item.tag, each.item.path): paths for each, paths in zip(items, also)}),
            **({"in_use": _in_use(state, [*items, *moved], going)} if wanted.prune else {}),
        },
    )


def _unlisted(others: Unlisted, also: Mapping[tuple[str, str], list[str]]) -> list[dict[str, Any]]:
    """What the list had and has no more, as the module returns it."""
    shares = {(line.spec, line.mount_point): line in others.leaving for line in others.ours}
    return [
        {
            "tag": share[0],
            "path": share[1],
            "state": "absent" if leaves else "kept",
            "also_mounted_on": also[share] if leaves else [],
        }
        for share, leaves in shares.items()
    ]


def _refuse_used(state: GuestState, others: Unlisted) -> None:
    """A mount that is used cannot be unmounted, and to find that out when it is mounted twice would be late."""
    for line in (*others.leaving, *others.moving):
        users = state.users.get(line.mount_point)
        if users:
            raise VirtiofsError(
                at(f"share {line.spec}", "path") + f"it is to move from {line.mount_point} to "
                f"{others.moves[line.mount_point]}, but {line.mount_point} is in use by {', '.join(users)}: "
                "nothing was changed; end that and run it again"
            )


def _in_order(state: GuestState, items: Sequence[ItemPlan], moved: Sequence[ItemPlan]) -> list[Step[Any]]:
    steps: list[Step[Any]] = [step for each in items for step in each.unmounting]
    if any(each.mounts for each in items) and not state.kernel.loaded:
        steps.append(LoadModule())
    steps += _each_directory_once([step for each in items for step in each.mounting])
    automounting = [step for each in items for step in each.automounting]
    old = [step for each in moved for step in each.unmounting]
    reads = state.systemd and state.fstab_path == SYSTEM and any(each.writes for each in (*items, *moved))
    if reads:
        _refuse_unresponsive(state)
    if automounting:
        # Only when systemd knows its line. It is mounted and works before the old path goes.
        return [*steps, *_read_units(reads), *automounting, *old, *_read_units(reads and bool(old))]
    return [*steps, *old, *_read_units(reads)]


def _read_units(reads: bool) -> tuple[ReadUnits, ...]:
    return (ReadUnits(),) if reads else ()


def _refuse_unresponsive(state: GuestState) -> None:
    """Systemd resolves every mount point when it reads fstab: its first process would wait with the share."""
    for path, tag in state.unresponsive.items():
        raise VirtiofsError(
            f"cannot change {state.fstab_path} now: systemd reads it again and would wait for the share {tag}, which "
            f"is mounted on {path} and does not answer: {REMEDY}"
        )


def _each_directory_once(steps: Sequence[Step[Any]]) -> list[Step[Any]]:
    """Several mounts can lack the same parent; the first one makes it."""
    made: set[str] = set()
    result: list[Step[Any]] = []
    for step in steps:
        if isinstance(step, MakeDirectory):
            if step.path in made:
                continue
            made.add(step.path)
        elif isinstance(step, Mount):
            missing = tuple(path for path in step.missing if path not in made)
            made.update(missing)
            step = replace(step, missing=missing)
        result.append(step)
    return result


def _in_use(state: GuestState, items: Sequence[ItemPlan], going: Container[tuple[str, str]]) -> list[str]:
    """The tags of all shares that are mounted anywhere in the guest in the end."""
    unmounting = {each.item.tag for each in items if each.unmounting}
    here = {mount.source for mount in _shares(state.mounts) if (mount.source, mount.path) not in going}
    # Copies in other namespaces go with what is unmounted here.
    others = {mount.source for mount in _shares(state.everywhere) if mount not in state.mounts} - unmounting
    return sorted(here | others | {each.item.tag for each in items if each.mounts})


def _shares(mounts: Iterable[MountPoint]) -> Iterator[MountPoint]:
    return (mount for mount in mounts if mount.fstype == "virtiofs")


def _also_mounted_on(state: GuestState, each: ItemPlan, going: Container[tuple[str, str]]) -> list[str]:
    """Where a share that goes is mounted besides: then it must not be taken from the running domain."""
    if each.item.state not in GOING:
        return []
    # While it is still to be unmounted, other namespaces have copies that go with it.
    others = () if each.unmounting else (mount for mount in state.everywhere if mount not in state.mounts)
    here = (mount for mount in state.mounts if (mount.source, mount.path) not in going)
    return sorted(
        {mount.path for mount in (*here, *others) if (mount.fstype, mount.source) == ("virtiofs", each.item.tag)}
    )


def _module_at_boot(
    kernel: Kernel, lines: Sequence[Entry], items: Sequence[ItemPlan]
) -> tuple[tuple[Step[Any], ...], tuple[Change, ...]]:
    kept = any(each.line is not None for each in items)
    untouched = lines_of_no_item(lines, [each.item for each in items])
    name = "the kernel module virtiofs at boot"
    if kept and kernel.supported and not kernel.at_boot:
        return (LoadModuleAtBoot(),), (Change(name, "not loaded\n", "loaded\n"),)
    if not kept and not untouched and kernel.own_boot_file:
        return (ForgetModuleAtBoot(),), (Change(name, "loaded\n", "not loaded\n"),)
    return (), ()


def _missing_tags(state: GuestState, items: Sequence[ItemPlan]) -> tuple[str, ...]:
    kernel = state.kernel
    mounted = {mount.source for mount in state.mounts if mount.fstype == "virtiofs"}
    sentences = []
    for each in items:
        tag = each.item.tag
        if kernel.tags is not None:
            missing = tag not in kernel.tags
        else:
            # Without tags to read: each device has one, and these are taken.
            missing = kernel.devices <= len(mounted) and tag not in mounted
        if missing:
            sentences.append(no_such_tag(tag, kernel.tags if kernel.devices else frozenset()))
    return tuple(sentences)


def _second_lines(lines: Sequence[Entry], wanted: Wanted, unlisted: Sequence[Entry]) -> tuple[str, ...]:
    used = {item.tag for item in wanted.mounts if item.state not in GOING}
    return tuple(
        f"the share {entry.spec} also has a line in fstab for {entry.mount_point}, which no item names"
        for entry in lines_of_no_item(lines, wanted.mounts)
        # One that the list made moves when its share is mounted.
        if entry.spec in used and entry not in unlisted and not bears_mark(entry, wanted.list_name)
    )
