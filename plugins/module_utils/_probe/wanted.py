# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of each share, checked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized, problem_with_path

ACTIONS = ("write", "check", "clean", "measure", "inspect")

_NONCE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_SIZE = re.compile(r"([0-9]+)\s*(?:([KMG])(?:i?B)?|B)?")
_FACTOR = {None: 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LARGEST = 1 << 40
_DEFAULT_SIZE = {"write": 64 << 10, "measure": 64 << 20}


@dataclass(frozen=True)
class Probe:
    """One item. ``size`` is in bytes."""

    path: str
    action: str
    nonce: str
    size: int
    readonly: bool
    label: str
    tag: str = ""


def wanted(given: Mapping[str, Any]) -> tuple[Probe, ...]:
    """The items of the module's options, all of them checked.

    :raises VirtiofsError: naming the item and the option.
    """
    if given["timeout"] < 1:
        raise VirtiofsError(at("timeout") + f"it must be at least 1, not {given['timeout']}")
    return tuple(_probe(item) for item in given["probes"])


def _probe(item: Mapping[str, Any]) -> Probe:
    action, path, nonce = item["action"], item["path"], item.get("nonce") or ""
    name = f"probes, {action} {path!r}"
    problem = problem_with_path(path)
    if problem:
        raise VirtiofsError(at(name, "path") + f"it {problem}")
    if action in ("write", "check") and not nonce:
        raise VirtiofsError(at(name, "nonce") + "it is required")
    if nonce and not _NONCE.fullmatch(nonce):
        raise VirtiofsError(
            at(name, "nonce")
            + f"{nonce!r} must be 1 to 128 letters, digits, dots, hyphens and underscores, and not begin with a dot"
        )
    if item.get("readonly") and action != "write":
        raise VirtiofsError(at(name, "readonly") + "it is for write, whose failure is then the proof")
    size = _bytes(name, item.get("size"), _DEFAULT_SIZE.get(action, 0))
    label = item.get("label") or f"{action} {path}"
    return Probe(normalized(path), action, nonce, size, bool(item.get("readonly")), label, item.get("tag") or "")


def _bytes(name: str, size: str | None, default: int) -> int:
    if size is None:
        return default
    match = _SIZE.fullmatch(size)
    if match is None:
        raise VirtiofsError(at(name, "size") + f"{size!r} must be a number of bytes, or one with K, M or G")
    value = int(match.group(1)) * _FACTOR[match.group(2)]
    if value > _LARGEST:
        raise VirtiofsError(at(name, "size") + f"{size!r} is more than the {_LARGEST >> 40} TiB that a probe may have")
    return value
