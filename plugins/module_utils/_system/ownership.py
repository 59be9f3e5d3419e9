# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owner, group and mode as a user writes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# The last one means "nobody in particular" to chown(2).
_IDS = 2**32 - 1


def number(given: str | None, look_up: Callable[[str], int], where: str, kind: str) -> int | None:
    """The id that a name or a number stands for. ``kind`` is what ``look_up`` knows: a user or a group.

    :raises VirtiofsError: ``look_up`` raised KeyError; beginning with ``where``.
    """
    if given is None:
        return None
    # Only ASCII digits: isdigit() is true of others, which int() does not take.
    if given.isascii() and given.isdigit():
        if int(given) < _IDS:
            return int(given)
    else:
        try:
            return look_up(given)
        except (KeyError, ValueError):
            # A name with a NUL in it is a ValueError.
            pass
    raise VirtiofsError(f"{where}there is no {kind} {given!r} on this machine")


def mode(given: Any, where: str) -> int | None:
    if given is None:
        return None
    # YAML makes 448 of 0700 and 700 of 700: only a string says which was meant.
    if not isinstance(given, str) or not re.fullmatch(r"0?[0-7]{3,4}", given):
        raise VirtiofsError(f"{where}: {given!r} is not a mode, write it in octal and in quotes, as '0755'")
    return int(given, 8)
