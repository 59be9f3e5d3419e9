# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one item needs: how it is mounted, kept for the boot only, or unmounted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.fstab_lines import (
    Lines,
    ShareLine,
    lines_on,
    same_line,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.leaving import layers
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import GOING, GuestState, is_share
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    Mount,
    StartAutomount,
    StopAutomount,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import AUTOMOUNT, WantedMount
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import (
    as_reported,
    fixed_differ,
    flags_differ,
    meaning,
    meaning_of,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import (
    MakeDirectory,
    Remount,
    RemoveLines,
    WriteLines,
)
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Step


@dataclass(frozen=True)
class ItemPlan:
    """What one item needs. All that unmounts comes before all that mounts: a path may pass from one to another.

    ``line`` is the line of fstab that it has in the end. ``listed``: the user named it, so it is in the result.
    """

    item: WantedMount
    change: Change
    result: Mapping[str, Any]
    unmounting: tuple[Step[Any], ...] = ()
    mounting: tuple[Step[Any], ...] = ()
    automounting: tuple[Step[Any], ...] = ()
    warnings: tuple[str, ...] = ()
    mounts: bool = False
    writes: bool = False
    line: Entry | None = None
    listed: bool = True


def plan_item(state: GuestState, item: WantedMount) -> ItemPlan:
    """What one item needs. For one that is not to go, ``state`` is without what goes before it.

    :raises VirtiofsError: it cannot be done.
    """
    live = _live(state, item.path)
    ours = live is not None and is_share(live, item.tag)
    lines = lines_on(state.fstab, item)
    if item.state in GOING:
        return _unmounted(state, item, live if ours else None, lines)
    _refuse_path(state, item)
    _refuse_others(state, item, lines.others)
    entry = item.line(lines.last)
    # Of several lines one is written again, and the others go with that.
    line = None if len(lines.own) > 1 else lines.last
    if item.state == "present":
        return _present(state, item, live if ours else None, line, entry)
    if not state.kernel.supported:
        raise item.bad("", state.kernel.why_unsupported)
    if live is not None and not ours:
        part = f", its directory {live.root}" if live.root != "/" and live.source == item.tag else ""
        raise item.bad("path", f"{live.source} ({live.fstype}) is mounted there, on {item.path}{part}")
    return _mounted(state, item, live if ours else None, line, entry)


def item_of(entry: Entry) -> WantedMount:
    """A line that goes, as the item that would take it away."""
    return WantedMount(entry.spec, entry.mount_point, "absent", None, None)


def plan_unlisted(state: GuestState, entry: Entry) -> ItemPlan:
    """How a share goes whose line no item names."""
    return replace(plan_item(state, item_of(entry)), listed=False)


def _live(state: GuestState, path: str) -> mountinfo.Mount | None:
    """What is mounted on the path; an automount that waits for its first touch is nothing."""
    top = on_path(state.mounts, path)
    return None if top is not None and top.fstype == "autofs" else top


def _has_automount(state: GuestState, path: str) -> bool:
    return any(mount.path == path and mount.fstype == "autofs" for mount in state.mounts)


def _mounted(
    state: GuestState, item: WantedMount, live: mountinfo.Mount | None, line: Entry | None, entry: Entry
) -> ItemPlan:
    missing = state.directory(item.path).missing
    automounted = _has_automount(state, item.path)
    automount = AUTOMOUNT in entry.options
    if automount and not state.systemd:
        raise item.bad("automount", "automount needs systemd, which does not run here")
    wanted = meaning(entry.options)
    again = live is not None and (item.path in state.disconnected or fixed_differ(wanted, meaning_of(live)))
    unmounting: list[Step[Any]] = []
    mounting: list[Step[Any]] = []
    automounting: tuple[Step[Any], ...] = ()
    if again:
        unmounting.append(Unmount(item.tag, item.path))
    # What it has mounted stays: stopping it would unmount that, also from under those who use it.
    if automounted and (again or (live is None and not automount)):
        unmounting.append(StopAutomount(item.tag, item.path))
    mounts = remounts = False
    if live is None or again:
        mounts = not automount or not automounted or again
        if not automount:
            mounting.append(Mount(item.tag, item.path, entry.options, missing))
        elif mounts:
            automounting = (StartAutomount(item.tag, item.path, line, missing),)
    elif flags_differ(wanted, meaning_of(live)):
        remounts = True
        mounting.append(Remount(item.path, entry.options))
    writes = not same_line(line, entry)
    if writes:
        mounting.append(WriteLines((ShareLine(entry),)))
    before = _shown(live, line)
    after_line = entry if writes else line
    after_mount = wanted if mounts or remounts or live is None else meaning_of(live)
    after = _text(",".join(as_reported(after_mount)), after_line)
    if automounted and automount and live is None:
        before, after = (_shown(None, each, "at the first touch") for each in (line, after_line))
    return ItemPlan(
        item=item,
        change=Change(str(item), before, after),
        result=_result(item, True, as_reported(wanted), True),
        unmounting=tuple(unmounting),
        mounting=tuple(mounting),
        automounting=automounting,
        warnings=_not_empty(state, item, live),
        mounts=mounts,
        writes=writes,
        line=entry,
    )


def _present(
    state: GuestState, item: WantedMount, live: mountinfo.Mount | None, line: Entry | None, entry: Entry
) -> ItemPlan:
    mounting: list[Step[Any]] = [MakeDirectory(path) for path in state.directory(item.path).missing]
    writes = not same_line(line, entry)
    if writes:
        mounting.append(WriteLines((ShareLine(entry),)))
    return ItemPlan(
        item=item,
        change=Change(str(item), _shown(live, line), _shown(live, entry if writes else line)),
        result=_result(item, live is not None, as_reported(meaning_of(live)) if live else (), True),
        mounting=tuple(mounting),
        warnings=_not_empty(state, item, live),
        writes=writes,
        line=entry,
    )


def _unmounted(state: GuestState, item: WantedMount, live: mountinfo.Mount | None, lines: Lines) -> ItemPlan:
    line = lines.last
    steps: list[Step[Any]] = [Unmount(item.tag, item.path)] * len(layers(state.mounts, item.tag, item.path))
    # To stop an automount also unmounts, lazily and whoever uses it: so it comes second.
    if line is not None and _has_automount(state, item.path):
        steps.append(StopAutomount(item.tag, item.path))
    removes = item.state == "absent" and line is not None
    if removes:
        steps.append(RemoveLines(tuple(dict.fromkeys(lines.own))))
    return ItemPlan(
        item=item,
        change=Change(str(item), _shown(live, line), _shown(None, None if removes else line)),
        result=_result(item, False, (), line is not None and not removes),
        unmounting=tuple(steps),
        writes=removes,
        line=None if removes else line,
    )


def _refuse_path(state: GuestState, item: WantedMount) -> None:
    holder = holding(state.mounts, item.path)
    if holder is not None and holder.path != item.path and holder.fstype == "virtiofs":
        raise item.bad("path", f"{item.path} is inside the share {holder.source} on {holder.path}")
    directory = state.directory(item.path)
    if directory.symlink is not None:
        raise item.bad("path", f"{directory.symlink} is a symbolic link, give the path that it means")
    if not directory.is_directory:
        raise item.bad("path", f"{item.path} is not a directory")


def _refuse_others(state: GuestState, item: WantedMount, others: Sequence[Entry]) -> None:
    for entry in others:
        raise item.bad(
            "path",
            f"{state.fstab_path} has a line for {entry.spec} ({entry.fstype}) on {item.path}: "
            "remove it or give another path",
        )


def _not_empty(state: GuestState, item: WantedMount, live: mountinfo.Mount | None) -> tuple[str, ...]:
    if live is not None or state.directory(item.path).empty:
        return ()
    return (f"the directory {item.path} is not empty: what is in it is hidden while {item.tag} is mounted",)


def _result(item: WantedMount, mounted: bool, options: Sequence[str], in_fstab: bool) -> dict[str, Any]:
    return {"tag": item.tag, "path": item.path, "mounted": mounted, "options": sorted(options), "in_fstab": in_fstab}


def _shown(live: mountinfo.Mount | None, line: Entry | None, otherwise: str = "no") -> str:
    return _text(",".join(as_reported(meaning_of(live))) if live is not None else otherwise, line)


def _text(mounted: str, line: Entry | None) -> str:
    return f"mounted: {mounted}\nfstab: {','.join(line.options) if line is not None else 'no'}\n"
