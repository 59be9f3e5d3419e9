# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hypervisor's list has made, and has no more. Pure: values in, values out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.filter.shares import ROOT, read_shares
from ansible_collections.virtio.fs.plugins.plugin_utils import _record
from ansible_collections.virtio.fs.plugins.plugin_utils._record import Row


def recorded(file: Any, path: str) -> list[dict[str, str]]:
    """The rows of the record, out of what slurp returned for it; none where there is no file."""
    content = file.get("content") if isinstance(file, Mapping) else None
    text = base64.b64decode(content).decode("utf-8", "surrogateescape") if content else ""
    return _plain(_record.parsed(text, path))


def no_longer_listed(
    rows: Iterable[Mapping[str, str]], shares: Any, uri: str, domains: Sequence[Mapping[str, Any]] | None = None
) -> list[dict[str, str]]:
    """The rows that no item of the list names; with what virtiofs_info tells of the domains, what is there of them."""
    found = _record.unlisted(_rows(rows), read_shares(shares), uri)
    return _plain(found if domains is None else _record.still_there(found, domains))


def told(rows: Iterable[Mapping[str, str]], hypervisor: str) -> str:
    """One line about shares that the list has no more, '' where there is none."""
    return _line(hypervisor, (row.place for row in _rows(rows)))


def left_mounted(result: Any, hypervisor: str) -> str:
    """One line about what a guest has mounted from a list that has it no more, out of virtiofs_guest_mount's result."""
    found = result.get("unlisted", ()) if isinstance(result, Mapping) else ()
    return _line(hypervisor, (f"{each['tag']} on {each['path']}" for each in found if each["state"] == "kept"))


def _line(hypervisor: str, places: Iterable[str]) -> str:
    named = ", ".join(places)
    return f"{_record.NO_LONGER.format(hypervisor)}: {named}. {_record.REMEDY}" if named else ""


def not_pruned(
    left: Iterable[Mapping[str, str]],
    rows: Iterable[Mapping[str, str]],
    shares: Any,
    root: str = ROOT,
    prune: bool = False,
    confirm_empty: bool = False,
) -> str:
    """Why the run must not go on with what the list has no more; '' when it may."""
    found, listed = _rows(left), read_shares(shares)
    if not prune:
        return _record.refusal(_rows(rows), found, listed, root)
    if found and not listed and not confirm_empty:
        return (
            "virtiofs_host_shares is empty, and virtiofs_host_prune would take every share away that was made from it: "
            "virtiofs_host_confirm_empty: true allows it"
        )
    return ""


def pruned(left: Iterable[Mapping[str, str]], in_use: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The items of virtiofs_domain that take these shares away; ``in_use`` has what guests have mounted, by domain."""
    items: list[dict[str, Any]] = []
    for row in _rows(left):
        item: dict[str, Any] = {"domain": row.domain, "tag": row.tag, "state": "absent", "unlisted": True}
        names = [name for name in (row.domain, row.uuid) if name in in_use]
        if names and all(row.tag not in in_use[name] for name in names):
            item["guest_unmounted"] = True
        items.append(item)
    return items


def record(
    rows: Iterable[Mapping[str, str]],
    shares: Any,
    uri: str,
    domains: Sequence[Mapping[str, Any]],
    left: Iterable[Mapping[str, str]] = (),
    prune: bool = False,
    root: str = ROOT,
) -> str:
    """The text of the record after a run. ``left`` are the rows that no item names, which stay unless they went."""
    kept = [row for row in _rows(left) if not prune or _record.waits(row, domains)]
    return _record.written(_record.updated(_rows(rows), read_shares(shares), root, uri, domains, kept))


def _rows(rows: Iterable[Mapping[str, str]]) -> tuple[Row, ...]:
    return tuple(Row(**row) for row in rows)


def _plain(rows: Iterable[Row]) -> list[dict[str, str]]:
    return [asdict(row) for row in rows]


class FilterModule:
    """The filters of the role for a hypervisor about what its list has made."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "left_mounted": left_mounted,
            "no_longer_listed": no_longer_listed,
            "not_pruned": not_pruned,
            "pruned": pruned,
            "record": record,
            "recorded": recorded,
            "told": told,
        }
