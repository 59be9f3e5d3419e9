# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mounts of a guest + wanted mounts -> plan. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import steps as guest_mount_steps
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.kernel import Kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import AUTOMOUNT, WantedMount, line_for
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import (
    as_told,
    fixed_differ,
    flags_differ,
    meaning,
    meaning_of,
)
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan, Step
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

# The only file that systemd makes units from.
_FSTAB = "/etc/fstab"

GOING = ("unmounted", "absent")

# More than anybody mounts over one another; a limit all the same.
_STACKED = 64


@dataclass(frozen=True)
class Directory:
    """What is under a mount point. ``missing`` are the directories to make, the parent first."""

    missing: tuple[str, ...] = ()
    symlink: str | None = None
    is_directory: bool = True
    empty: bool = True


@dataclass(frozen=True)
class GuestState:
    """``directories`` of the paths that nothing is mounted on. ``gone`` are the mounts whose share is not there
    any more, with what the kernel says. ``silent`` are shares in fstab that no item has mounted and that do not
    answer, with their tags. ``everywhere`` has the mounts of all processes, where something is to go."""

    kernel: Kernel
    mounts: tuple[Mount, ...]
    fstab: str
    fstab_path: str
    systemd: bool
    directories: Mapping[str, Directory] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    everywhere: tuple[Mount, ...] = ()


def plan(state: GuestState, wanted: Sequence[WantedMount], exclusive: bool) -> Plan:
    """What there is to do, for all items; the first thing that cannot be done is an error."""
    lines = tuple(entry for entry in entries(state.fstab) if entry.fstype == "virtiofs")
    unlisted = lines_of_no_item(lines, wanted) if exclusive else ()
    items = [_item(state, want, unlisted) for want in wanted]
    for entry in unlisted:
        items.append(_unlisted_item(state, entry))

    going = {(item.want.tag, item.want.path) for item in items if item.want.state in GOING}
    also = {item.want: _also_mounted_on(state, item, going) for item in items}
    mounting = any(item.mounts for item in items)
    steps: list[Step[Any]] = []
    for item in items:
        steps += item.letting_go
    if mounting and not state.kernel.loaded:
        steps.append(guest_mount_steps.LoadModule())
    steps += _each_directory_once([step for item in items for step in item.taking])
    if state.systemd and state.fstab_path == _FSTAB and any(item.writes for item in items):
        _refuse_silent(state)
        steps.append(guest_mount_steps.ReadUnitsAgain())
    for item in items:
        steps += item.automounting
    boot_steps, boot_changes = _module_at_boot(state.kernel, lines, items)
    return Plan(
        steps=(*steps, *boot_steps),
        changes=(*(item.change for item in items), *boot_changes),
        warnings=tuple(warning for item in items for warning in item.warnings)
        + _warnings(lines, wanted, unlisted)
        + tuple(
            f"the share {want.tag} is still mounted on {', '.join(paths)}, which no item names"
            for want, paths in also.items()
            if paths
        ),
        not_yet=_missing_tags(state, [item for item in items if item.mounts]),
        result={"mounts": [{**item.result, "also_mounted_on": also[item.want]} for item in items if item.listed]},
    )


@dataclass(frozen=True)
class _Item:
    """What one item needs. All that lets go comes before all that takes: a path may pass from one to another."""

    want: WantedMount
    change: Change
    result: Mapping[str, Any]
    letting_go: tuple[Step[Any], ...] = ()
    taking: tuple[Step[Any], ...] = ()
    automounting: tuple[Step[Any], ...] = ()
    warnings: tuple[str, ...] = ()
    mounts: bool = False
    writes: bool = False
    line: Entry | None = None
    listed: bool = True


def _refuse_silent(state: GuestState) -> None:
    """Systemd resolves every mount point when it reads fstab: its first process would wait with the share."""
    for path, tag in state.silent.items():
        raise VirtiofsError(
            f"cannot change {state.fstab_path} now: systemd reads it again and would wait for the share {tag}, which "
            f"is mounted on {path} and does not answer: {guest_mount_steps.REMEDY}"
        )


def _each_directory_once(steps: Sequence[Step[Any]]) -> list[Step[Any]]:
    """Several mounts can lack the same parent; the first one makes it."""
    made: set[str] = set()
    result: list[Step[Any]] = []
    for step in steps:
        if isinstance(step, guest_mount_steps.MakeDirectory):
            if step.path in made:
                continue
            made.add(step.path)
        elif isinstance(step, guest_mount_steps.MountShare):
            missing = tuple(path for path in step.missing if path not in made)
            made.update(missing)
            step = replace(step, missing=missing)
        result.append(step)
    return result


def _item(state: GuestState, want: WantedMount, unlisted: Sequence[Entry]) -> _Item:
    live = on_path(state.mounts, want.path)
    automounted = any(mount.path == want.path and mount.fstype == "autofs" for mount in state.mounts)
    live = None if live is not None and live.fstype == "autofs" else live
    ours = live is not None and is_share(live, want.tag)
    line, others, doubled = _lines_on(state, want)
    if want.state in GOING:
        return _letting_go(state, want, live if ours else None, automounted, line)
    _refuse_path(state, want, unlisted)
    _refuse_others(state, want, others, unlisted)
    entry = line_for(want, line)
    line = None if doubled else line
    if want.state == "present":
        return _present(state, want, live if ours else None, line, entry)
    if not state.kernel.supported:
        raise VirtiofsError(f"cannot mount {want}: {state.kernel.why_unsupported}")
    if live is not None and not ours and not _will_go(live, unlisted):
        raise VirtiofsError(
            f"cannot mount {want}: {live.source} ({live.fstype}) is mounted there"
            + (f", its directory {live.root}" if live.root != "/" and live.source == want.tag else "")
        )
    return _mounted(state, want, live if ours else None, automounted, line, entry)


def _mounted(
    state: GuestState, want: WantedMount, live: Mount | None, automounted: bool, line: Entry | None, entry: Entry
) -> _Item:
    missing = _missing(state, want.path)
    automount = AUTOMOUNT in entry.options
    if automount and not state.systemd:
        raise VirtiofsError(f"mounts: {want.tag!r}: automount needs systemd, which does not run here")
    wish = meaning(entry.options)
    again = live is not None and (want.path in state.gone or fixed_differ(wish, meaning_of(live)))
    letting_go: list[Step[Any]] = []
    taking: list[Step[Any]] = []
    automounting: tuple[Step[Any], ...] = ()
    if again:
        letting_go.append(guest_mount_steps.Unmount(want.tag, want.path))
    # What it has mounted stays: stopping it would unmount that, also from under those who use it.
    if automounted and (again or (live is None and not automount)):
        letting_go.append(guest_mount_steps.StopAutomount(want.tag, want.path))
    if live is None or again:
        if not automount:
            taking.append(guest_mount_steps.MountShare(want.tag, want.path, entry.options, missing))
        elif not automounted or again:
            automounting = (guest_mount_steps.StartAutomount(want.tag, want.path, line, missing),)
    elif flags_differ(wish, meaning_of(live)):
        taking.append(guest_mount_steps.ChangeOptions(want.tag, want.path, entry.options))
    writes = not _same_line(line, entry)
    if writes:
        taking.append(guest_mount_steps.WriteLine(entry, state.fstab_path))
    touched = bool(taking and not isinstance(taking[0], guest_mount_steps.WriteLine)) or bool(automounting)
    before = _told(live, line)
    after = _text(",".join(as_told(wish if touched or live is None else meaning_of(live))), entry if writes else line)
    if automounted and automount and live is None:
        before, after = (_told(None, entry, "at the first touch") for entry in (line, entry if writes else line))
    return _Item(
        want=want,
        change=Change(str(want), before, after),
        result=_result(want, True, as_told(wish), True),
        letting_go=tuple(letting_go),
        taking=tuple(taking),
        automounting=automounting,
        warnings=_not_empty(state, want, live),
        mounts=bool(automounting) or any(isinstance(step, guest_mount_steps.MountShare) for step in taking),
        writes=writes,
        line=entry,
    )


def _present(state: GuestState, want: WantedMount, live: Mount | None, line: Entry | None, entry: Entry) -> _Item:
    steps: list[Step[Any]] = [guest_mount_steps.MakeDirectory(path) for path in _missing(state, want.path)]
    writes = not _same_line(line, entry)
    if writes:
        steps.append(guest_mount_steps.WriteLine(entry, state.fstab_path))
    return _Item(
        want=want,
        change=Change(str(want), _told(live, line), _told(live, entry if writes else line)),
        result=_result(want, live is not None, as_told(meaning_of(live)) if live else (), True),
        taking=tuple(steps),
        warnings=_not_empty(state, want, live),
        writes=writes,
        line=entry,
    )


def _letting_go(
    state: GuestState, want: WantedMount, live: Mount | None, automounted: bool, line: Entry | None
) -> _Item:
    removes = want.state == "absent" and line is not None
    # To stop an automount also unmounts, lazily and whoever uses it: so it comes second.
    steps: list[Step[Any]] = [guest_mount_steps.Unmount(want.tag, want.path)] * _layers(state, want.tag, want.path)
    if automounted and line is not None:
        steps.append(guest_mount_steps.StopAutomount(want.tag, want.path))
    if removes:
        steps.append(guest_mount_steps.RemoveLine(want.tag, want.path, state.fstab_path))
    return _Item(
        want=want,
        change=Change(str(want), _told(live, line), _told(None, None if removes else line)),
        result=_result(want, False, (), line is not None and not removes),
        letting_go=tuple(steps),
        writes=removes,
        line=None if removes else line,
    )


def _unlisted_item(state: GuestState, entry: Entry) -> _Item:
    want = WantedMount(entry.spec, entry.mount_point, "absent", None, None)
    live = on_path(state.mounts, want.path)
    automounted = any(mount.path == want.path and mount.fstype == "autofs" for mount in state.mounts)
    item = _letting_go(state, want, live if live and is_share(live, want.tag) else None, automounted, entry)
    return replace(item, listed=False)


def _also_mounted_on(state: GuestState, item: _Item, going: Container[tuple[str, str]]) -> list[str]:
    """Where a share that goes is mounted besides: then it must not be taken from the running domain."""
    if item.want.state not in GOING:
        return []
    # While it is still to be unmounted, other namespaces have copies that go with it.
    others = () if item.letting_go else (mount for mount in state.everywhere if mount not in state.mounts)
    here = (mount for mount in state.mounts if (mount.source, mount.path) not in going)
    return sorted({mount.path for mount in (*here, *others) if _has_tag(mount, item.want.tag)})


def _has_tag(mount: Mount, tag: str) -> bool:
    return (mount.fstype, mount.source) == ("virtiofs", tag)


def _module_at_boot(
    kernel: Kernel, lines: Sequence[Entry], items: Sequence[_Item]
) -> tuple[tuple[Step[Any], ...], tuple[Change, ...]]:
    kept = [item.line for item in items if item.line is not None]
    untouched = lines_of_no_item(lines, [item.want for item in items])
    name = "the kernel module virtiofs at boot"
    if kept and kernel.supported and not kernel.at_boot:
        return (guest_mount_steps.LoadModuleAtBoot(),), (Change(name, "not loaded\n", "loaded\n"),)
    if not kept and not untouched and kernel.own_boot_file:
        return (guest_mount_steps.ForgetModuleAtBoot(),), (Change(name, "loaded\n", "not loaded\n"),)
    return (), ()


def _missing_tags(state: GuestState, items: Sequence[_Item]) -> tuple[str, ...]:
    kernel = state.kernel
    mounted = {mount.source for mount in state.mounts if mount.fstype == "virtiofs"}
    sentences = []
    for item in items:
        if kernel.tags is not None:
            missing = item.want.tag not in kernel.tags
        else:
            # Without tags to read: each device has one, and these are taken.
            missing = kernel.devices <= len(mounted) and item.want.tag not in mounted
        if missing:
            there = kernel.tags if kernel.devices else frozenset()
            sentences.append(guest_mount_steps.no_such_tag(item.want.tag, there))
    return tuple(sentences)


def lines_of_no_item(lines: Iterable[Entry], wanted: Iterable[WantedMount]) -> tuple[Entry, ...]:
    listed = {(want.tag, want.path) for want in wanted}
    return tuple(entry for entry in lines if (entry.spec, entry.mount_point) not in listed)


def _warnings(
    lines: Sequence[Entry], wanted: Sequence[WantedMount], unlisted: Sequence[Entry]
) -> tuple[str, ...]:
    taken = {want.tag for want in wanted if want.state in ("mounted", "present")}
    listed = {(want.tag, want.path) for want in wanted}
    return tuple(
        f"the share {entry.spec} also has a line in fstab for {entry.mount_point}, which no item names"
        for entry in lines
        if entry.spec in taken and (entry.spec, entry.mount_point) not in listed and entry not in unlisted
    )


def _lines_on(state: GuestState, want: WantedMount) -> tuple[Entry | None, tuple[Entry, ...], bool]:
    """The line of this share on this path, those of others there, and whether there are several of this one."""
    there = [entry for entry in entries(state.fstab) if normalized(entry.path) == want.path]
    ours = [entry for entry in there if entry.fstype == "virtiofs" and entry.spec == want.tag]
    others = tuple(entry for entry in there if entry not in ours)
    return (ours[-1] if ours else None), others, len(ours) > 1


def _refuse_path(state: GuestState, want: WantedMount, unlisted: Sequence[Entry]) -> None:
    holder = holding(state.mounts, want.path)
    inside = holder is not None and holder.path != want.path and holder.fstype == "virtiofs"
    if holder is not None and inside and not _will_go(holder, unlisted):
        raise VirtiofsError(f"cannot mount {want}: it is inside the share {holder.source} on {holder.path}")
    directory = state.directories.get(want.path, Directory())
    if directory.symlink is not None:
        raise VirtiofsError(f"cannot mount {want}: {directory.symlink} is a symbolic link, give the path that it means")
    if not directory.is_directory:
        raise VirtiofsError(f"cannot mount {want}: {want.path} is not a directory")


def _refuse_others(
    state: GuestState, want: WantedMount, others: Sequence[Entry], unlisted: Sequence[Entry]
) -> None:
    for entry in others:
        if entry not in unlisted:
            raise VirtiofsError(
                f"cannot mount {want}: {state.fstab_path} has a line for {entry.spec} ({entry.fstype}) on that path"
            )


def _same_line(line: Entry | None, entry: Entry) -> bool:
    return line is not None and (
        (line.spec, line.mount_point, line.fstype, frozenset(line.options), line.dump, line.passno)
        == (entry.spec, entry.mount_point, entry.fstype, frozenset(entry.options), entry.dump, entry.passno)
    )


def is_share(mount: Mount, tag: str) -> bool:
    # A bind mount of a directory in the share has the same source, but is not the share.
    return (mount.fstype, mount.source, mount.root) == ("virtiofs", tag, "/")


def _will_go(mount: Mount, unlisted: Sequence[Entry]) -> bool:
    return any(is_share(mount, entry.spec) and mount.path == entry.mount_point for entry in unlisted)


def _layers(state: GuestState, tag: str, path: str) -> int:
    """How many times this share is mounted on this path, one over the other, from the top."""
    mounts = state.mounts
    for count in range(_STACKED):
        top = on_path(mounts, path)
        if top is None or not is_share(top, tag):
            return count
        mounts = tuple(mount for mount in mounts if mount is not top)
    return _STACKED


def _missing(state: GuestState, path: str) -> tuple[str, ...]:
    return state.directories.get(path, Directory()).missing


def _not_empty(state: GuestState, want: WantedMount, live: Mount | None) -> tuple[str, ...]:
    if live is not None or state.directories.get(want.path, Directory()).empty:
        return ()
    return (f"the directory {want.path} is not empty: what is in it is hidden while {want.tag} is mounted",)


def _result(want: WantedMount, mounted: bool, options: Sequence[str], in_fstab: bool) -> dict[str, Any]:
    return {"tag": want.tag, "path": want.path, "mounted": mounted, "options": sorted(options), "in_fstab": in_fstab}


def _told(live: Mount | None, line: Entry | None, otherwise: str = "no") -> str:
    return _text(",".join(as_told(meaning_of(live))) if live is not None else otherwise, line)


def _text(mounted: str, line: Entry | None) -> str:
    return f"mounted: {mounted}\nfstab: {','.join(line.options) if line is not None else 'no'}\n"
