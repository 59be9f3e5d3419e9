# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is asked what in a proof, and what is made of the answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter.proof import (
    measured,
    measured_table,
    measurements,
    probes,
    proof_table,
    proven,
    unmeasured,
    unproven,
)

DATA = {"share": "data", "tag": "data", "host_path": "/shared/data", "guest_path": "/mnt", "readonly": False}
MEDIA = {"share": "media", "tag": "media", "host_path": "/srv/media", "guest_path": "/media", "readonly": True}


def answers(*errors: str | None, skipped: bool = False) -> dict[str, Any]:
    return {"probes": [{"ok": error is None, "error": error, "skipped": skipped} for error in errors]}


WROTE, GUEST, READ = answers(None), answers(None, None), answers(None, None)


def directions(row: dict[str, Any]) -> tuple[str, str]:
    return row["host_to_guest"], row["guest_to_host"]


def test_the_hypervisor_writes_the_guest_reads_and_writes_the_hypervisor_reads_and_cleans():
    assert probes([DATA], "hypervisor_writes", "n") == [
        {"path": "/shared/data", "action": "write", "nonce": "n.0.host"}
    ]
    assert probes([DATA], "guest", "n") == [
        {"path": "/mnt", "tag": "data", "action": "check", "nonce": "n.0.host"},
        {"path": "/mnt", "tag": "data", "action": "write", "nonce": "n.0.guest", "readonly": False},
    ]
    assert probes([DATA], "hypervisor_reads", "n") == [
        {"path": "/shared/data", "action": "check", "nonce": "n.0.guest"},
        {"path": "/shared/data", "action": "clean", "nonce": "n.0"},
    ]


def test_nobody_reads_what_a_guest_could_not_write():
    assert probes([MEDIA], "guest", "n")[1]["readonly"] is True
    assert [probe["action"] for probe in probes([MEDIA], "hypervisor_reads", "n")] == ["clean"]


def test_no_two_shares_have_the_same_token():
    asked = probes([DATA, DATA], "hypervisor_writes", "n")
    assert len({probe["nonce"] for probe in asked}) == 2


def test_a_turn_that_nobody_has_is_an_error():
    with pytest.raises(AnsibleFilterError):
        probes([DATA], "host_writes", "n")


def test_a_share_is_proven_when_every_answer_is_well():
    (row,) = proven([DATA], WROTE, GUEST, READ)
    assert (*directions(row), row["ok"]) == ("ok", "ok", True)
    assert unproven([row]) == []


def test_of_a_read_only_share_the_failed_write_is_the_proof():
    (row,) = proven([MEDIA], WROTE, GUEST, answers(None))
    assert (*directions(row), row["ok"]) == ("ok", "read-only", True)


def test_of_a_share_that_waits_to_become_read_only_only_reading_is_proven():
    waits = {**MEDIA, "waits": True}
    assert [probe["action"] for probe in probes([waits, DATA], "guest", "n")] == ["check", "check", "write"]
    assert [probe["action"] for probe in probes([waits, DATA], "hypervisor_reads", "n")] == ["clean", "check", "clean"]
    both = proven([waits, DATA], answers(None, None), answers(None, None, None), answers(None, None, None))
    assert [(*directions(row), row["ok"]) for row in both] == [("ok", "waits for a restart", True), ("ok", "ok", True)]
    assert unproven(both) == []


def test_a_share_that_waits_and_cannot_be_read_is_unproven():
    (row,) = proven([{**MEDIA, "waits": True}], WROTE, answers("gone"), answers(None))
    assert directions(row) == ("the guest cannot read: gone", "waits for a restart")
    assert not row["ok"]


@pytest.mark.parametrize(
    ("wrote", "guest", "read", "expected"),
    [
        (answers("full"), answers("gone", None), READ, ("the hypervisor cannot write: full", "ok")),
        (WROTE, answers("gone", None), READ, ("the guest cannot read: gone", "ok")),
        (WROTE, answers(None, "no"), answers("gone", None), ("ok", "the guest's write: no")),
        (WROTE, GUEST, answers("differs", None), ("ok", "the hypervisor cannot read: differs")),
        (WROTE, GUEST, answers(None, "busy"), ("ok", "cannot clean up: busy")),
    ],
)
def test_a_direction_that_is_not_proven_says_who_could_not_do_what(
    wrote: dict[str, Any], guest: dict[str, Any], read: dict[str, Any], expected: tuple[str, str]
):
    (row,) = proven([DATA], wrote, guest, read)
    assert directions(row) == expected
    assert row["ok"] is False
    assert len(unproven([row])) == 1
    assert "data (/shared/data on /mnt)" in unproven([row])[0]


def test_a_read_only_share_that_can_be_written_to_is_not_proven():
    (row,) = proven([MEDIA], WROTE, answers(None, "it could be written to"), answers(None))
    assert directions(row) == ("ok", "the guest's write: it could be written to")


def test_the_answers_of_several_shares_are_not_mixed_up():
    rows = proven([MEDIA, DATA], answers(None, None), answers(None, None, "gone", None), answers(None, None, None))
    assert [row["ok"] for row in rows] == [True, False]


def test_for_a_share_that_does_not_answer_the_remedy_is_named_once():
    late = {"ok": False, "error": "/mnt did not answer within 60 seconds", "errno": "ETIMEDOUT", "skipped": False}
    well = {"ok": True, "error": None, "errno": None, "skipped": False}
    other = {**DATA, "share": "other"}
    guest = {"probes": [late, late, well, well]}
    rows = proven([DATA, other], answers(None, None), guest, answers(None, None, None, None))
    assert [row["silent"] for row in rows] == [True, False]
    sentences = unproven(rows)
    assert len(sentences) == 3
    assert sentences[-1].startswith("data: its virtiofsd on the hypervisor is probably dead")
    assert "virtiofs_host_apply: restart" in sentences[-1]


def test_a_guest_that_cannot_be_reached_proves_nothing():
    (row,) = proven([DATA], WROTE, {"unreachable": True, "msg": "ssh"}, READ)
    assert directions(row)[0] == "the guest could not be reached"
    assert row["ok"] is False


def test_a_call_that_failed_tells_its_message():
    (row,) = proven([DATA], {"failed": True, "msg": "no python"}, GUEST, READ)
    assert directions(row)[0] == "the hypervisor cannot write: no python"


def test_in_check_mode_nothing_is_proven_and_nothing_fails():
    skipped = answers(None, None, skipped=True)
    (row,) = proven([DATA], skipped, skipped, skipped)
    assert (*directions(row), row["ok"]) == ("not done in check mode", "not done in check mode", True)


def test_the_table_has_a_line_for_each_share_and_for_a_guest_without_proof():
    hosts = {
        "vm1": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_proof": proven([DATA], WROTE, GUEST, READ)},
        "vm2": {"virtiofs_guest_hypervisor": "hv1"},
    }
    assert proof_table(hosts, ["vm1", "vm2"]) == [
        "share  host directory    guest  mount point  host to guest  guest to host",
        "=====  ================  =====  ===========  =============  =============",
        "data   hv1:/shared/data  vm1    /mnt         ok             ok",
        "?      hv1               vm2    ?            not proven     not proven",
    ]
    assert proof_table({"vm1": {"virtiofs_guest_proof": []}}, ["vm1"]) == ["There is no share to prove."]


def test_the_benchmark_compares_the_mount_with_the_directory_behind():
    assert measurements([DATA], "guest", "64MiB") == [
        {"path": "/mnt", "tag": "data", "action": "measure", "size": "64MiB"}
    ]
    assert measurements([DATA], "host", "64MiB") == [{"path": "/shared/data", "action": "measure", "size": "64MiB"}]
    there = {"probes": [{"write_mib_per_second": 50.0, "error": None}]}
    here = {"probes": [{"write_mib_per_second": 200.0}]}
    rows = measured([DATA], there, here)
    lines = measured_table({"vm1": {"virtiofs_guest_measured": rows}}, ["vm1"])
    assert "50 (25 %)" in lines[2]


def test_a_share_that_cannot_be_measured_costs_only_its_own_figures():
    good = {"write_mib_per_second": 50.0, "error": None}
    there = {"msg": "1 of 2 probes failed", "probes": [{"error": "/mnt did not answer within 120 seconds"}, good]}
    rows = measured([DATA, MEDIA], there, {"probes": [good, good]})
    lines = measured_table({"vm1": {"virtiofs_guest_measured": rows}}, ["vm1"])
    assert lines[2].split(maxsplit=2) == ["data", "vm1", "/mnt did not answer within 120 seconds"]
    assert "50 (100 %)" in lines[3]
    assert unmeasured(rows) == ["data (/mnt): /mnt did not answer within 120 seconds"]


@pytest.mark.parametrize(
    ("silent", "why"),
    [
        ({"unreachable": True, "msg": "ssh"}, "the guest could not be reached"),
        ({"msg": "tag: unknown"}, "tag: unknown"),
    ],
    ids=["unreachable", "refused"],
)
def test_a_side_that_does_not_answer_is_no_figure(silent: dict[str, Any], why: str):
    rows = measured([DATA], silent, {"probes": [{"write_mib_per_second": 1.0}]})
    assert unmeasured(rows) == [f"data (/mnt): {why}"]
