# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says when probes failed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._probe.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import Probe, wanted


def _one(**item: Any) -> Probe:
    (probe,) = wanted({"timeout": 60, "probes": [{"path": "/srv/x", "action": "write", "nonce": "n", **item}]})
    return probe


def test_all_failures_are_in_the_error_by_their_labels_and_all_results_with_it() -> None:
    asked = [_one(label="media from hv1 to vm1"), _one(path="/srv/y"), _one(path="/srv/z")]
    results: list[dict[str, Any]] = [
        {"ok": False, "error": "is not there"},
        {"ok": True},
        {"ok": False, "error": "No space left on device (ENOSPC)"},
    ]
    with pytest.raises(VirtiofsError) as caught:
        plan(asked, results)
    assert str(caught.value) == (
        "2 of 3 probes failed: media from hv1 to vm1: is not there; write /srv/z: No space left on device (ENOSPC)"
    )
    assert caught.value.result == {"probes": results}
    assert plan(asked[1:2], results[1:2]).result == {"probes": results[1:2]}
