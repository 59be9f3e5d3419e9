# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of a guest as users of the hypervisor: who is who in numbers, and what virtiofsd is told of it. Pure.

A virtiofsd that runs as root refuses ``--uid-map``, which is all that libvirt's <idmap> gives it ("uid_map can only be
used by unprivileged user", virtiofsd 1.13). ``--translate-uid`` works for root (virtiofsd 1.13, README, section
Options).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, UserPair

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
class Accounts:
    """The users and groups of this machine. A look-up raises KeyError for who is not there."""

    user: Callable[[str], int]
    group: Callable[[str], int]
    primary_group: Callable[[int], int]


def problem_with(pairs: Sequence[UserPair]) -> str | None:
    """What is wrong with a map, whatever the machine."""
    seen: set[int] = set()
    for pair in pairs:
        if not 0 <= pair.guest < IDS:
            return f"{pair.guest} is not an id of a guest, which go from 0 to {IDS - 1}"
        if pair.guest in seen:
            return f"the id {pair.guest} of the guest is there twice"
        if pair.guest == NOBODY:
            return f"{NOBODY} in the guest stands for everybody who is not in the map"
        number = _number(pair.host)
        if number is not None and number >= IDS:
            return f"{pair.host} is not an id of the hypervisor, which go up to {IDS - 1}"
        if number == 0:
            return "a user of the guest cannot be root of the hypervisor"
        seen.add(pair.guest)
    return None


def arguments(options: Mapping[str, Any], accounts: Accounts) -> tuple[str, ...]:
    """What virtiofsd is told of ``map_users`` and ``map_groups``.

    Without groups it is the primary group of each user.

    :raises Refused: somebody is not on this machine, or is root.
    """
    asked = options.get("map_users") or ()
    if not asked:
        return ()
    users = _resolved(asked, "map_users", accounts.user)
    given = options.get("map_groups")
    groups = _resolved(given, "map_groups", accounts.group) if given else _primary_groups(users, accounts)
    return tuple(
        f"{BY_NAME[name].argument}={each}"
        for name, pairs in (("map_users", users), ("map_groups", groups))
        for each in translations(pairs)
    )


def translations(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The translations for virtiofsd, so that every id is either in the map or of no use.

    Root of the guest can become every user of the guest, so it gets no more than the first of them has. Every other
    id of the guest is forbidden, and every other id of the hypervisor is shown as nobody.
    """
    asked = [*pairs]
    if not any(pair.guest == 0 for pair in pairs):
        asked.append(Pair(0, pairs[0].host))
    options = []
    shown: set[int] = set()
    for pair in asked:
        # Two users of the guest can be one of the hypervisor, which the guest then sees as the first of them.
        options.append(f"{'guest' if pair.host in shown else 'map'}:{pair.guest}:{pair.host}:1")
        shown.add(pair.host)
    options += [f"forbid-guest:{start}:{count}" for start, count in _gaps({pair.guest for pair in asked})]
    options += [f"squash-host:{start}:{NOBODY}:{count}" for start, count in _gaps(shown)]
    return tuple(options)


def _resolved(pairs: Iterable[UserPair], option: str, look_up: Callable[[str], int]) -> tuple[Pair, ...]:
    found = []
    for pair in pairs:
        number = _number(pair.host)
        if number is None:
            try:
                number = look_up(pair.host)
            except KeyError:
                raise Refused(option, f"there is no {pair.host!r} on this machine") from None
        if number == 0:
            raise Refused(option, "a user of the guest cannot be root of the hypervisor")
        found.append(Pair(pair.guest, number))
    return tuple(found)


def _primary_groups(users: Sequence[Pair], accounts: Accounts) -> tuple[Pair, ...]:
    groups = []
    for pair in users:
        try:
            groups.append(Pair(pair.guest, accounts.primary_group(pair.host)))
        except KeyError:
            raise Refused(
                "map_users", f"there is no user {pair.host} on this machine, whose group could be taken: set map_groups"
            ) from None
    if any(pair.host == 0 for pair in groups):
        raise Refused("map_users", "a user's primary group is root's: set map_groups")
    return tuple(groups)


def _number(text: str) -> int | None:
    # Only ASCII digits: int() takes others too.
    return int(text) if text.isascii() and text.isdigit() else None


def _gaps(taken: Iterable[int]) -> list[tuple[int, int]]:
    """What is left of all ids, as starts and lengths."""
    left = []
    start = 0
    for number in [*sorted(taken), IDS]:
        if number > start:
            left.append((start, number - start))
        start = number + 1
    return left
