# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came of the probes, as a result or as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import Probe
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan


def plan(wanted: Sequence[Probe], results: Sequence[Mapping[str, Any]]) -> Plan:
    """Nothing to do, and what came out.

    :raises VirtiofsError: something is not as it has to be; with all results.
    """
    failed = [f"{probe.label}: {result['error']}" for probe, result in zip(wanted, results) if not result["ok"]]
    if failed:
        sentence = f"{len(failed)} of {len(results)} probes failed: {'; '.join(failed)}"
        raise VirtiofsError(sentence, {"probes": results})
    return Plan(result={"probes": results})
