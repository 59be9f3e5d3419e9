# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_info returns."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._info.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import Wanted
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import document, domain, facts, filesystem, source

DATA = document(filesystem("data", "/shared/data"))


def test_there_is_never_a_step() -> None:
    planned = plan(Wanted(), facts(domain(DATA)))
    assert (planned.steps, planned.changes) == ((), ())


def test_a_domain_with_its_shares_and_their_sources() -> None:
    state = facts(domain(DATA, DATA, mounts={"data": "/mnt"}), sources=(source("/shared/data", "/shared/data"),))
    result = plan(Wanted(), state).result
    (found,) = result["domains"]
    assert (found["name"], found["state"], found["drift"], found["restart_required"]) == ("vm1", "running", [], [])
    assert [share["tag"] for share in found["live"]] == ["data"]
    assert [mount["path"] for mount in found["guest_mounts"]] == ["/mnt"]
    assert [each["mount"] for each in result["sources"]] == ["/shared/data"]


def test_what_the_guest_does_not_say_is_unknown() -> None:
    (found,) = plan(Wanted(), facts(domain(DATA, DATA, mounts=None))).result["domains"]
    assert found["guest_mounts"] == "unknown"


def test_the_list_is_made_when_it_is_asked_for() -> None:
    state = facts(domain(DATA))
    assert "as_shares" not in plan(Wanted(), state).result
    assert [each["name"] for each in plan(Wanted(as_shares=True), state).result["as_shares"]] == ["data"]


def test_a_share_of_a_read_only_bind_mount_is_read_only() -> None:
    bound = document(filesystem("data", f"{readonly_bind.ROOT}/vm1-0123456789abcdef"), filesystem("other"))
    (found,) = plan(Wanted(), facts(domain(bound))).result["domains"]
    assert [(share["tag"], share["readonly"]) for share in found["config"]] == [("data", True), ("other", False)]
