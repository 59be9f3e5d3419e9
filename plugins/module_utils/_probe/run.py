# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe shares: check what is asked, do it in bounded children, and say what came out.

One child per path does the probes of that path in their order; different paths are probed at the same time,
but for ``measure``, which has the machine for itself.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._probe import inspection, measure, tokens
from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import Unproven, require_mounted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Outcome, Work, touch_all
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


def probes(items: Sequence[Mapping[str, Any]]) -> tuple[Probe, ...]:
    """The items, all of them checked.

    :raises VirtiofsError: naming the item and the option.
    """
    return tuple(_probe(item) for item in items)


def _probe(item: Mapping[str, Any]) -> Probe:
    action, path, nonce = item["action"], item["path"], item.get("nonce") or ""
    name = f"probes: {action} {path!r}"
    problem = problem_with_path(path)
    if problem:
        raise VirtiofsError(f"{name}: the path {problem}")
    if action in ("write", "check") and not nonce:
        raise VirtiofsError(f"{name}: nonce is required")
    if nonce and not _NONCE.fullmatch(nonce):
        raise VirtiofsError(
            f"{name}: the nonce {nonce!r} must be 1 to 128 letters, digits, dots, hyphens and underscores, "
            "and not begin with a dot"
        )
    if item.get("readonly") and action != "write":
        raise VirtiofsError(f"{name}: readonly goes with write, whose failure is then the proof")
    size = _bytes(name, item.get("size"), _DEFAULT_SIZE.get(action, 0))
    label = item.get("label") or f"{action} {path}"
    return Probe(normalized(path), action, nonce, size, bool(item.get("readonly")), label, item.get("tag") or "")


def _bytes(name: str, size: str | None, default: int) -> int:
    if size is None:
        return default
    match = _SIZE.fullmatch(size)
    if match is None:
        raise VirtiofsError(f"{name}: the size {size!r} must be a number of bytes, or one with K, M or G")
    value = int(match.group(1)) * _FACTOR[match.group(2)]
    if value > _LARGEST:
        raise VirtiofsError(f"{name}: the size {size!r} is out of all proportion")
    return value


def run(wanted: Sequence[Probe], seconds: float, writing: bool) -> list[dict[str, Any]]:
    """One result per probe, in their order. ``seconds`` is the time that the probes of one path have.

    Without ``writing`` nothing is written, and what needs that is left out.
    """
    results: dict[int, dict[str, Any]] = {}
    quick = [number for number, probe in enumerate(wanted) if probe.action != "measure"]
    long = [number for number, probe in enumerate(wanted) if probe.action == "measure"]
    for batch in [quick, *([number] for number in long)]:
        numbers: dict[str, list[int]] = {}
        for number in batch:
            numbers.setdefault(wanted[number].path, []).append(number)
        works = {path: _work([wanted[number] for number in of], seconds, writing) for path, of in numbers.items()}
        for path, outcome in touch_all(works, seconds).items():
            results.update(zip(numbers[path], _results([wanted[number] for number in numbers[path]], outcome)))
    return [results[number] for number in sorted(results)]


def plan(wanted: Sequence[Probe], results: Sequence[Mapping[str, Any]]) -> Plan:
    """Nothing to do, and what came out.

    :raises VirtiofsError: something is not as it has to be; with all results.
    """
    failed = [f"{probe.label}: {result['error']}" for probe, result in zip(wanted, results) if not result["ok"]]
    if failed:
        sentence = f"{len(failed)} of {len(results)} probes failed: {'; '.join(failed)}"
        raise VirtiofsError(sentence, {"probes": results})
    return Plan(result={"probes": results})


def _work(wanted: Sequence[Probe], seconds: float, writing: bool) -> Work:
    def work() -> Iterator[dict[str, Any]]:
        for probe in wanted:
            yield _tried(probe, seconds, writing)

    return work


def _tried(probe: Probe, seconds: float, writing: bool) -> dict[str, Any]:
    if not writing and probe.action != "inspect":
        return {"ok": True, "skipped": True}
    doing: Mapping[str, Callable[[], dict[str, Any]]] = {
        "write": lambda: _written(probe),
        "check": lambda: tokens.check(probe.path, probe.nonce, probe.size or None),
        "clean": lambda: tokens.clean(probe.path, probe.nonce),
        "measure": lambda: measure.measure(probe.path, probe.size, seconds),
        "inspect": lambda: inspection.inspect(probe.path, writing),
    }
    try:
        if probe.tag:
            require_mounted(probe.path, probe.tag)
        return {"ok": True, **doing[probe.action]()}
    except Unproven as error:
        return {"ok": False, "error": str(error), "errno": error.name}
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0)
        return {"ok": False, "error": f"{error.strerror} ({name})" if name else str(error), "errno": name}


def _written(probe: Probe) -> dict[str, Any]:
    if not probe.readonly:
        return tokens.write(probe.path, probe.nonce, probe.size)
    try:
        tokens.write(probe.path, probe.nonce, probe.size)
    except OSError as error:
        if error.errno == errno.EROFS:
            return {"errno": "EROFS", "readonly": True}
        raise
    tokens.clean(probe.path, probe.nonce)
    raise Unproven("it is to be read-only, but it could be written to")


def _results(wanted: Sequence[Probe], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for position, probe in enumerate(wanted):
        result: dict[str, Any] = {"path": probe.path, "action": probe.action, "nonce": probe.nonce or None}
        if position < len(outcome.values):
            result.update(outcome.values[position])
        else:
            why = outcome.stuck or outcome.error
            result.update(ok=False, error=why, errno="ETIMEDOUT" if outcome.stuck else None)
        result = {"error": None, "errno": None, "skipped": False, **result}
        yield result
