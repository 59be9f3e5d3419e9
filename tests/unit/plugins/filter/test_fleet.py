# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts know of each other while a playbook runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter.fleet import (
    held_up,
    in_use,
    refusals,
    unknown_shares,
    unmounted,
    waiting,
)


def entry(reason: str, domain: str = "vm1", tags: tuple[str, ...] = ("data",)) -> dict[str, Any]:
    return {"domain": domain, "reason": reason, "tags": list(tags), "message": f"domain {domain} must ({reason})"}


def hostvars(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"hv1": {"virtiofs_host_result": {"restart_required": list(entries)}}}


def test_a_guest_that_waits_is_told_why_and_which_variable_to_set():
    sentence = waiting(hostvars(entry("no_shared_memory")), "hv1", "vm1", ["data"])
    assert sentence.startswith("domain vm1 must (no_shared_memory). Set virtiofs_host_apply: restart to have that done")


def test_a_dead_daemon_may_need_force():
    assert "virtiofs_host_force_off: true" in waiting(hostvars(entry("daemon_dead")), "hv1", "vm1", ["data"])


@pytest.mark.parametrize(
    "found",
    [
        entry("no_shared_memory", domain="vm10"),
        entry("no_shared_memory", tags=("other",)),
        entry("mounted"),
        entry("mount_unknown"),
    ],
    ids=["another domain", "another share", "the share is there as it was", "the share may be there as it was"],
)
def test_a_guest_does_not_wait_for_what_it_can_mount(found: dict[str, Any]):
    assert waiting(hostvars(found), "hv1", "vm1", ["data"]) == ""


@pytest.mark.parametrize("host", [{}, {"virtiofs_host_result": {"skipped": True}}, {"virtiofs_host_result": None}])
def test_without_a_result_of_the_hypervisor_nobody_waits(host: dict[str, Any]):
    assert waiting({"hv1": host}, "hv1", "vm1", ["data"]) == ""


def test_what_guests_let_go_of_is_gathered_by_domain_for_their_own_hypervisor():
    variables = {
        "one": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_domain": "vm1", "virtiofs_guest_unmounted": ["a"]},
        "vm2": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_unmounted": ["b"]},
        "vm3": {"virtiofs_guest_hypervisor": "hv1"},
        "vm4": {"virtiofs_guest_hypervisor": "hv2", "virtiofs_guest_unmounted": ["a"]},
    }
    assert unmounted(variables, list(variables), "hv1") == {"vm1": ["a"], "vm2": ["b"]}


def test_of_two_guests_that_claim_one_domain_both_must_have_let_go():
    claim = {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_domain": "vm1"}
    variables = {
        "vm1": {**claim, "virtiofs_guest_unmounted": ["a", "b"]},
        "copy": {**claim, "virtiofs_guest_unmounted": ["b"]},
    }
    for order in (["vm1", "copy"], ["copy", "vm1"]):
        assert unmounted(variables, order, "hv1") == {"vm1": ["b"]}
    assert unmounted({**variables, "other": claim}, ["vm1", "other"], "hv1") == {}


def test_a_name_that_no_hypervisor_knows_is_found():
    variables = {"hv1": {"virtiofs_host_shares": [{"name": "a"}]}, "hv2": {}}
    assert unknown_shares(variables, ["hv1", "hv2"], ["a", "b"]) == ["b"]


def test_names_are_a_list():
    with pytest.raises(AnsibleFilterError, match="virtiofs_unshare is 'media': write a list of names"):
        unknown_shares({}, [], "media")


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ({}, ""),
        ({"virtiofs_host_reached": {"unreachable": True}}, "the hypervisor hv1 could not be reached"),
        ({"virtiofs_host_reached": {}}, "the hypervisor hv1 failed in this run"),
        ({"virtiofs_host_reached": {}, "virtiofs_host_result": {"failed": True}}, "the hypervisor hv1 failed"),
        ({"virtiofs_host_reached": {}, "virtiofs_host_result": {"skipped": True}}, ""),
        ({"virtiofs_host_reached": {}, "virtiofs_host_result": {"changed": False}}, ""),
    ],
    ids=["not in this run", "unreachable", "failed early", "failed at the domains", "nothing to share", "well"],
)
def test_a_guest_is_held_up_by_its_hypervisor_alone(host: dict[str, Any], sentence: str):
    assert held_up({"hv1": host}, "hv1").startswith(sentence)
    assert bool(held_up({"hv1": host}, "hv1")) == bool(sentence)


def test_a_hypervisor_that_is_not_named_or_not_known_is_told_elsewhere():
    assert held_up({}, "") == ""
    assert held_up({}, "hv9") == ""


def test_what_a_domain_has_in_use_is_known_when_every_guest_that_is_it_has_told():
    def guest(*tags: str, of: str = "hv1", **more: Any) -> dict[str, Any]:
        return {"virtiofs_guest_hypervisor": of, "virtiofs_guest_in_use": list(tags), **more}

    silent = {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_domain": "vm2"}
    hosts = {
        "vm1": guest("b", "a"),
        "again": guest("c", virtiofs_guest_domain="vm1"),
        "vm2": guest(),
        "also_vm2": silent,
        "vm3": guest(),
        "vm4": guest("x", of="hv2"),
    }
    assert in_use(hosts, hosts, "hv1") == {"vm1": ["a", "b", "c"], "vm3": []}


def test_a_guest_that_could_not_mount_keeps_its_domain_running():
    variables = {
        "well": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_check": {"mounts": [], "changed": False}},
        "taken": {
            "virtiofs_guest_hypervisor": "hv1",
            "virtiofs_guest_domain": "vm7",
            "virtiofs_guest_check": {"msg": "share data, path: /dev/sdb1 (ext4) is mounted there, on /mnt"},
        },
        "away": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_check": {"unreachable": True, "msg": "no route"}},
        "not asked": {"virtiofs_guest_hypervisor": "hv1", "virtiofs_guest_check": {"skipped": True}},
        "elsewhere": {"virtiofs_guest_hypervisor": "hv2", "virtiofs_guest_check": {"msg": "no"}},
        "never": {"virtiofs_guest_hypervisor": "hv1"},
    }
    assert refusals(variables, list(variables), "hv1") == {
        "vm7": "domain vm7 is not restarted for what its guest taken could not mount: share data, path: "
        "/dev/sdb1 (ext4) is mounted there, on /mnt",
        "away": "domain away is not restarted for what its guest away could not mount: it could not be reached",
    }
