# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which domains virtiofs_info is asked about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SYSTEM = "qemu:///system"


@dataclass(frozen=True)
class Wanted:
    """``domains``: these, by name or UUID; none of them means all. ``as_shares``: also as a list of shares."""

    uri: str = _SYSTEM
    domains: tuple[str, ...] = ()
    as_shares: bool = False


def wanted(given: Mapping[str, Any]) -> Wanted:
    """The options of the module."""
    return Wanted(given["uri"] or _SYSTEM, tuple(given["domains"]), given["as_shares"])
