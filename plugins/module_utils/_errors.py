# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as one class for what a person can act on. Raised at the edges, caught in ``_reconcile``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def at(item: str, option: str = "") -> str:
    """Where an error is, in front of its sentence: the item as the user names it, then the option.

    "vm1, size: " for an option, "vm1: " for the item as a whole.
    """
    return f"{item}, {option}: " if option else f"{item}: "


class VirtiofsError(Exception):
    """One sentence that a person can act on, with the cause from below in it.

    ``result`` is returned by the module that fails, where there is something to return all the same.
    """

    def __init__(self, sentence: str, result: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.result: Mapping[str, Any] = result or {}


class NotYet(VirtiofsError):
    """Nothing can be read, because an earlier step of a first run has still to provide something.

    An error in a real run. In check mode it becomes a warning, and the planned ``actions`` are reported:
    on a machine where nothing is set up yet, that step has not been taken either.
    """

    def __init__(self, sentence: str, actions: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.actions = actions


class Gone(VirtiofsError):
    """There is no such domain."""


class Lost(VirtiofsError):
    """Libvirt cannot be asked any more, so nobody knows what is there."""
