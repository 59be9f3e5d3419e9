# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doing the probes, in bounded children, and telling what came of each.

One child per path does the probes of that path in their order; different paths are probed at the same time,
but for ``measure``, which has the machine for itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._probe import inspection, measure, tokens
from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import Unproven, require_mounted
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import Probe
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Outcome, Work, touch_all


def read_probes(wanted: Sequence[Probe], seconds: float, writing: bool) -> list[dict[str, Any]]:
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


def _work(wanted: Sequence[Probe], seconds: float, writing: bool) -> Work:
    def work() -> Iterator[dict[str, Any]]:
        for probe in wanted:
            yield _tried(probe, seconds, writing)

    return work


def _tried(probe: Probe, seconds: float, writing: bool) -> dict[str, Any]:
    if not writing and probe.action != "inspect":
        return {"ok": True, "skipped": True}
    by_action: Mapping[str, Callable[[], dict[str, Any]]] = {
        "write": lambda: _written(probe),
        "check": lambda: tokens.check(probe.path, probe.nonce, probe.size or None),
        "clean": lambda: tokens.clean(probe.path, probe.nonce),
        "measure": lambda: measure.measure(probe.path, probe.size, seconds),
        "inspect": lambda: inspection.inspect(probe.path, writing),
    }
    try:
        if probe.tag:
            require_mounted(probe.path, probe.tag)
        return {"ok": True, **by_action[probe.action]()}
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
