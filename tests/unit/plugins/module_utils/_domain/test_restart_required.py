# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain.restart_required import (
    MOUNTED,
    NO_SHARED_MEMORY,
    Waiting,
    restart_required,
)


def test_shares_of_one_domain_that_wait_for_one_reason_are_one_entry() -> None:
    waiting = [
        Waiting("vm1", "data", NO_SHARED_MEMORY),
        Waiting("vm2", "data", NO_SHARED_MEMORY),
        Waiting("vm1", "old", MOUNTED),
        Waiting("vm1", "media", NO_SHARED_MEMORY),
    ]
    found = restart_required(waiting)
    assert [(entry["domain"], entry["reason"], entry["tags"]) for entry in found] == [
        ("vm1", "no_shared_memory", ["data", "media"]),
        ("vm2", "no_shared_memory", ["data"]),
        ("vm1", "mounted", ["old"]),
    ]
    assert found[0]["message"] == (
        "domain vm1 must be shut down and started for data, media: its running memory is not shared"
    )


def test_nothing_waits() -> None:
    assert restart_required([]) == []


def test_a_share_that_runs_otherwise_is_named_with_its_options() -> None:
    changed = Waiting("vm1", "data", MOUNTED, ("readonly", "cache"))
    (entry,) = restart_required([changed, Waiting("vm1", "old", MOUNTED)])
    assert (entry["tags"], entry["options"]) == (["data", "old"], {"data": ["readonly", "cache"]})
    assert entry["message"].startswith(
        "domain vm1 must be shut down and started for readonly and cache of data, old: the guest has it mounted"
    )
