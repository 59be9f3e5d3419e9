# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list that describes what is there leaves out nothing in silence. That the roles take it: filter tests."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._info.adopt import as_shares
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Domain, State
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import document, domain, facts, filesystem

DATA = document(filesystem("data"))


def items(state: State) -> list[dict[str, Any]]:
    return as_shares(state)[0]


def told(state: State) -> tuple[str, ...]:
    return as_shares(state)[1]


def second(path: str) -> Domain:
    config = document(filesystem("data"), name="vm2")
    return domain(config, config, name="vm2", mounts={"data": path})


def test_a_guest_that_mounts_it_elsewhere_is_told():
    state = facts(domain(DATA, DATA, mounts={"data": "/mnt"}), second("/data"))
    assert items(state)[0]["mount"] == "/mnt"
    assert told(state) == ("share data: vm2 mounts it on /data: say so in its virtiofs_guest_overrides",)


def test_what_cannot_be_known_is_told():
    assert "does not tell where it is mounted" in told(facts(domain(DATA, DATA)))[0]
    assert "vm1 is off" in told(facts(domain(DATA, mounts={})))[0]


def test_what_is_in_the_running_machine_only_is_told():
    state = facts(domain(document(), DATA, mounts={"data": "/mnt"}))
    assert (items(state), told(state)) == (
        [],
        ("share data of domain vm1 is only in the running machine: it is left out",),
    )


def test_a_share_with_a_daemon_of_its_own_is_told():
    element = "<filesystem><driver type='virtiofs'/><source socket='/run/x'/><target dir='data'/></filesystem>"
    assert items(facts(domain(document(element), mounts={}))) == []
    assert "a socket" in told(facts(domain(document(element))))[0]


@pytest.mark.parametrize("code", ["{{ lookup('pipe', 'id') }}", "{% for a in b %}", "{# a #}"])
def test_what_a_guest_tells_never_becomes_a_template_of_the_inventory(code: str):
    state = facts(domain(DATA, DATA, mounts={"data": f"/mnt/{code}"}))
    assert "mount" not in items(state)[0]
    assert told(state) == ("share data: vm1 tells a mount point or options with a template in it: left out",)
    line = f"data /mnt virtiofs rw,x-a={code} 0 0\n".replace(code, code.replace(" ", "\\040").replace(",", ""))
    (item,) = items(facts(domain(DATA, DATA, mounts={"data": "/mnt"}, fstab=line)))
    assert (item.get("mount"), item.get("mount_options")) == (None, None)
    both = facts(domain(DATA, DATA, mounts={"data": f"/mnt/{code}"}), second("/data"))
    assert items(both)[0]["mount"] == "/data"
