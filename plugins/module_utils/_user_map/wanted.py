# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of a guest as users of the hypervisor: what is wanted, checked, and what virtiofsd is told. Pure.

A virtiofsd that runs as root refuses C(--uid-map), which is all that libvirt's <idmap> gives it ("uid_map can only be
used by unprivileged user", virtiofsd 1.13). C(--translate-uid) works for root (virtiofsd 1.13, README, section
Options), and libvirt has no element for it. So the daemon is started through a small script that adds the options,
and the share names that script as its binary.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# virtiofsd's README, --translate-uid: since 1.13.
SINCE = (1, 13, 0)

# 4294967295 is "no id" in every call that takes one.
_IDS = 4294967295

# The kernel's overflow id: whom a share shows as the owner of what belongs to nobody in the map.
_NOBODY = 65534

_SCRIPT = """\
#!/bin/sh
# Written by the Ansible collection virtio.fs. The name is a checksum of the content: another map is another file,
# so a running domain keeps the one that it was started with.
exec {daemon} {options} "$@"
"""


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


def wanted(items: Iterable[Mapping[str, Any]], accounts: Accounts) -> tuple[UserMap, ...]:
    """The items, checked, with the names of this machine resolved.

    :raises VirtiofsError: naming the item and the option.
    """
    maps = tuple(_map(item, accounts) for item in items)
    names = [each.name for each in maps]
    for name in names:
        if names.count(name) > 1:
            raise VirtiofsError(f"maps: {name!r} is there twice")
    return maps


def _map(item: Mapping[str, Any], accounts: Accounts) -> UserMap:
    where = f"maps: {item['name']}"
    users = _pairs(item["users"], f"{where}, users", accounts.user)
    if item.get("groups") is None:
        groups = _primary_groups(users, where, accounts)
    else:
        groups = _pairs(item["groups"], f"{where}, groups", accounts.group)
        if bool(groups) != bool(users):
            raise VirtiofsError(f"{where}: give users and groups, or an empty list of both")
    return UserMap(item["name"], users, groups)


def _pairs(items: Iterable[Mapping[str, Any]], where: str, look_up: Callable[[str], int]) -> tuple[Pair, ...]:
    pairs = tuple(Pair(item["guest"], _number(item["host"], where, look_up)) for item in items)
    seen: set[int] = set()
    for pair in pairs:
        if not 0 <= pair.guest < _IDS:
            raise VirtiofsError(f"{where}: {pair.guest} is no id of a guest, they go from 0 to {_IDS - 1}")
        if pair.guest in seen:
            raise VirtiofsError(f"{where}: the id {pair.guest} of the guest is there twice")
        if pair.guest == _NOBODY:
            raise VirtiofsError(f"{where}: {_NOBODY} in the guest stands for everybody who is not in the map")
        if pair.host == 0:
            raise VirtiofsError(f"{where}: a user of the guest cannot be root of the hypervisor")
        seen.add(pair.guest)
    return pairs


def _number(given: Any, where: str, look_up: Callable[[str], int]) -> int:
    text = str(given)
    # Only ASCII digits: int() takes others too.
    if text.isascii() and text.isdigit():
        if int(text) >= _IDS:
            raise VirtiofsError(f"{where}: {text} is no id of the hypervisor, they go up to {_IDS - 1}")
        return int(text)
    try:
        return look_up(text)
    except KeyError:
        raise VirtiofsError(f"{where}: this machine knows no {text!r}") from None


def _primary_groups(users: Sequence[Pair], where: str, accounts: Accounts) -> tuple[Pair, ...]:
    groups = []
    for pair in users:
        try:
            groups.append(Pair(pair.guest, accounts.primary_group(pair.host)))
        except KeyError:
            raise VirtiofsError(
                f"{where}: this machine has no user {pair.host}, whose group could be taken: give groups"
            ) from None
    if any(pair.host == 0 for pair in groups):
        raise VirtiofsError(f"{where}: a user's primary group is root's: give groups")
    return tuple(groups)


def script(daemon: str, users: Sequence[Pair], groups: Sequence[Pair]) -> str:
    """The text of the script that starts this daemon with this map."""
    options = [f"--translate-uid={each}" for each in translations(users)]
    options += [f"--translate-gid={each}" for each in translations(groups)]
    return _SCRIPT.format(daemon=shlex.quote(daemon), options=" ".join(options))


def place(directory: str, text: str) -> str:
    """Where the script belongs."""
    return f"{directory}/virtiofsd-map-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def translations(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """What virtiofsd is told, so that every id is either in the map or of no use.

    Root of the guest can become every user of the guest, so it gets no more than the first of them has. Every other
    id of the guest is forbidden, and every other id of the hypervisor is shown as nobody.
    """
    asked = [*pairs]
    if not any(pair.guest == 0 for pair in pairs):
        asked.append(Pair(0, pairs[0].host))
    told = []
    shown: set[int] = set()
    for pair in asked:
        # Two users of the guest can be one of the hypervisor, which the guest then sees as the first of them.
        told.append(f"{'guest' if pair.host in shown else 'map'}:{pair.guest}:{pair.host}:1")
        shown.add(pair.host)
    told += [f"forbid-guest:{start}:{count}" for start, count in _gaps({pair.guest for pair in asked})]
    told += [f"squash-host:{start}:{_NOBODY}:{count}" for start, count in _gaps(shown)]
    return tuple(told)


def _gaps(taken: Iterable[int]) -> list[tuple[int, int]]:
    """What is left of all ids, as starts and lengths."""
    left = []
    start = 0
    for number in [*sorted(taken), _IDS]:
        if number > start:
            left.append((start, number - start))
        start = number + 1
    return left
