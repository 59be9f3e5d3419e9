# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look up the users and groups that items name as the owners of their filesystem, in this machine's databases."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Iterable

from ansible_collections.virtio.fs.plugins.module_utils._errors import at
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition
from ansible_collections.virtio.fs.plugins.module_utils._system import ownership


def read_uids(items: Iterable[WantedPartition]) -> dict[str, int]:
    """The numbers of their owners by label, of those that name one.

    :raises VirtiofsError: there is no such user.
    """
    given = [(item.label, item.owner) for item in items]
    return _numbers(given, "owner", "user", lambda name: pwd.getpwnam(name).pw_uid)


def read_gids(items: Iterable[WantedPartition]) -> dict[str, int]:
    """As :func:`read_uids`, of groups."""
    given = [(item.label, item.group) for item in items]
    return _numbers(given, "group", "group", lambda name: grp.getgrnam(name).gr_gid)


def _numbers(
    given: Iterable[tuple[str, str | None]], option: str, kind: str, look_up: Callable[[str], int]
) -> dict[str, int]:
    found = ((label, ownership.number(value, look_up, at(label, option), kind)) for label, value in given)
    return {label: number for label, number in found if number is not None}
