# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of a guest as users of the hypervisor: what is wanted, checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import problem_with_path

# virtiofsd's README, --translate-uid: since 1.13.
SINCE = (1, 13, 0)

# 4294967295 is "no id" in every call that takes one.
IDS = 4294967295

# The kernel's overflow id: whom a share shows as the owner of what belongs to nobody in the map.
NOBODY = 65534


@dataclass(frozen=True)
class Pair:
    """An id in the guest, and the one that it is on the hypervisor."""

    guest: int
    host: int


@dataclass(frozen=True)
class UserMap:
    """No users: the daemon as it is."""

    name: str
    users: tuple[Pair, ...]
    groups: tuple[Pair, ...]


@dataclass(frozen=True)
class Accounts:
    """The users and groups of this machine. A look-up raises KeyError for who is not there."""

    user: Callable[[str], int]
    group: Callable[[str], int]
    primary_group: Callable[[int], int]


@dataclass(frozen=True)
class Wanted:
    """``virtiofsd``: the daemon, or None for the one that libvirt would take. ``directory``: where scripts belong."""

    maps: tuple[UserMap, ...]
    virtiofsd: str | None = None
    directory: str = "/usr/sbin"


def wanted(given: Mapping[str, Any], accounts: Accounts) -> Wanted:
    """The options of the module, checked, with the names of this machine resolved.

    :raises VirtiofsError: naming the item and the option.
    """
    for option in ("directory", "virtiofsd"):
        problem = problem_with_path(given[option]) if given[option] is not None else None
        if problem:
            raise VirtiofsError(at(option) + f"{given[option]!r} {problem}")
    maps = tuple(_map(item, accounts) for item in given["maps"])
    names = [each.name for each in maps]
    for name in names:
        if names.count(name) > 1:
            raise VirtiofsError(at("maps", name) + "the name is there twice")
    return Wanted(maps, given["virtiofsd"], given["directory"])


def _map(item: Mapping[str, Any], accounts: Accounts) -> UserMap:
    where = f"maps, {item['name']}"
    users = _pairs(item["users"], at(where, "users"), accounts.user)
    if item.get("groups") is None:
        groups = _primary_groups(users, at(where, "users"), accounts)
    else:
        groups = _pairs(item["groups"], at(where, "groups"), accounts.group)
        if bool(groups) != bool(users):
            raise VirtiofsError(at(where, "groups") + "give users and groups, or an empty list of both")
    return UserMap(item["name"], users, groups)


def _pairs(items: Iterable[Mapping[str, Any]], where: str, look_up: Callable[[str], int]) -> tuple[Pair, ...]:
    pairs = tuple(Pair(item["guest"], _number(item["host"], where, look_up)) for item in items)
    seen: set[int] = set()
    for pair in pairs:
        if not 0 <= pair.guest < IDS:
            raise VirtiofsError(f"{where}{pair.guest} is not an id of a guest, which go from 0 to {IDS - 1}")
        if pair.guest in seen:
            raise VirtiofsError(f"{where}the id {pair.guest} of the guest is there twice")
        if pair.guest == NOBODY:
            raise VirtiofsError(f"{where}{NOBODY} in the guest stands for everybody who is not in the map")
        if pair.host == 0:
            raise VirtiofsError(f"{where}a user of the guest cannot be root of the hypervisor")
        seen.add(pair.guest)
    return pairs


def _number(given: Any, where: str, look_up: Callable[[str], int]) -> int:
    text = str(given)
    # Only ASCII digits: int() takes others too.
    if text.isascii() and text.isdigit():
        if int(text) >= IDS:
            raise VirtiofsError(f"{where}{text} is not an id of the hypervisor, which go up to {IDS - 1}")
        return int(text)
    try:
        return look_up(text)
    except KeyError:
        raise VirtiofsError(f"{where}there is no {text!r} on this machine") from None


def _primary_groups(users: Sequence[Pair], where: str, accounts: Accounts) -> tuple[Pair, ...]:
    groups = []
    for pair in users:
        try:
            groups.append(Pair(pair.guest, accounts.primary_group(pair.host)))
        except KeyError:
            raise VirtiofsError(
                f"{where}there is no user {pair.host} on this machine, whose group could be taken: give groups"
            ) from None
    if any(pair.host == 0 for pair in groups):
        raise VirtiofsError(f"{where}a user's primary group is root's: give groups")
    return tuple(groups)
