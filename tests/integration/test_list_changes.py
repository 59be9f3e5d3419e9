# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list shrinks, or a name in it changes: told, refused or taken away. libvirt's test driver stands for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from local_fleet import Played, hypervisor, node, play


class Machine:
    """A hypervisor with one domain, which has the shares ``vm3`` and, where it is listed, ``other``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "state" / "list.json"
        self.old = self.share("vm3", mount="/mnt")
        self.other = self.share("other", mount="/srv/other")
        self.has = {"vm3": self.old["path"], "other": self.other["path"]}

    def share(self, name: str, **more: Any) -> dict[str, Any]:
        path = self.folder / "shared" / name
        path.mkdir(parents=True, exist_ok=True)
        return {"name": name, "path": str(path), "domains": ["vm1"], **more}

    def run(self, shares: list[dict[str, Any]], *options: str, has: Any = None, **extra: Any) -> Played:
        uri = node(self.folder, "node", {"vm1": self.has if has is None else has})
        fleet = {"hv1": hypervisor(uri, shares, virtiofs_host_record=str(self.record))}
        return play(self.folder, "virtio.fs.share", fleet, {}, *options, extra=extra)

    def recorded(self) -> list[str]:
        return [row["tag"] for row in json.loads(self.record.read_text())["shares"]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """What it has was made by hand, and adopted by a run that lists it."""
    made = Machine(tmp_path)
    run = made.run([made.old, made.other])
    assert run.returncode == 0, run.output
    assert run.of("virtiofs_domain", "hv1")[0]["changed"] is False
    assert made.recorded() == ["other", "vm3"]
    return made


def actions(run: Played) -> list[Any]:
    return [action for result in run.of("virtiofs_domain", "hv1") for action in result["actions"]]


def changed(run: Played) -> list[str]:
    return [one["action"] for one in run.results if one["returned"].get("changed")]


def test_a_second_run_writes_nothing(machine: Machine) -> None:
    assert machine.record.read_text().startswith('{\n  "shares": [\n')
    assert changed(machine.run([machine.old, machine.other])) == []


def test_check_mode_writes_no_record(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.run([machine.old], "--check").returncode == 0
    assert not machine.record.parent.exists()


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_what_left_the_list_is_told_in_one_line_and_stays(machine: Machine, options: tuple[str, ...]) -> None:
    run = machine.run([machine.other], *options)
    assert run.returncode == 0, run.output
    assert changed(run) == []
    (line,) = [line for line in run.said("hv1").splitlines() if "no longer in it" in line]
    assert f"vm3 (domain vm1, {machine.old['path']}, in the guest on /mnt)" in line
    assert "virtiofs_host_prune: true" in line
    assert "state: absent" in line
    assert machine.recorded() == ["other", "vm3"]


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_prune_takes_it_from_the_domain_and_leaves_the_data(machine: Machine, options: tuple[str, ...]) -> None:
    run = machine.run([machine.other], *options, virtiofs_host_prune=True)
    assert run.returncode == 0, run.output
    assert actions(run) == ["define vm1: without share vm3"]
    assert run.of("virtiofs_partition", "hv1") == []
    assert Path(machine.old["path"]).is_dir()
    # The test driver cannot detach: the running machine has it until it is restarted.
    assert machine.recorded() == ["other", "vm3"]
    if not options:
        assert machine.run([machine.other], has={"other": machine.other["path"]}).returncode == 0
        assert machine.recorded() == ["other"]


def test_what_somebody_else_made_is_neither_told_nor_pruned(machine: Machine) -> None:
    theirs = {**machine.has, "theirs": machine.other["path"], "vm3": machine.other["path"]}
    run = machine.run([machine.other], has=theirs, virtiofs_host_prune=True)
    assert run.returncode == 0, run.output
    assert actions(run) == []
    assert machine.recorded() == ["other"]


@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_a_new_name_is_told_before_anything_is_made(machine: Machine, options: tuple[str, ...]) -> None:
    renamed = {**machine.old, "name": "data"}
    more = {"name": "more", "path": str(machine.folder / "more"), "domains": ["vm1"]}
    run = machine.run([renamed, machine.other, more], *options, virtiofs_host_apply="restart")
    assert run.returncode != 0
    assert "the share 'vm3' has a new name, 'data'" in run.said("hv1")
    assert run.of("virtiofs_domain", "hv1") == []
    assert not (machine.folder / "more").exists()
    assert machine.recorded() == ["other", "vm3"]


@pytest.mark.parametrize("way_out", ["state: absent", "prune"])
def test_both_ways_out_give_the_domain_the_new_name_for_the_old_one(machine: Machine, way_out: str) -> None:
    shares = [{**machine.old, "name": "data"}, machine.other]
    if way_out == "prune":
        run = machine.run(shares, virtiofs_host_prune=True)
    else:
        run = machine.run([*shares, {**machine.old, "state": "absent"}])
    assert run.returncode == 0, run.output
    assert actions(run) == ["define vm1: without share vm3, with share data"]


def test_an_empty_list_is_no_reason_to_take_all_away(machine: Machine) -> None:
    run = machine.run([], virtiofs_host_prune=True)
    assert run.returncode != 0
    assert "virtiofs_host_confirm_empty: true allows it" in run.said("hv1")
    assert run.of("virtiofs_domain", "hv1") == []
    confirmed = machine.run([], virtiofs_host_prune=True, virtiofs_host_confirm_empty=True)
    assert confirmed.returncode == 0, confirmed.output
    assert actions(confirmed) == ["define vm1: without share vm3, without share other"]


@pytest.mark.parametrize("text", ["{x", '{"shares": [{"tag": 1}]}'])
def test_a_record_that_was_edited_by_hand_stops_the_run_with_a_remedy(machine: Machine, text: str) -> None:
    machine.record.write_text(text)
    run = machine.run([machine.other])
    assert run.returncode != 0
    assert f"{machine.record} is not what this role has written to it: repair it, or remove it" in run.output
    machine.record.unlink()
    assert machine.run([machine.other]).returncode == 0
    assert machine.recorded() == ["other"]


def test_a_domain_that_is_gone_is_no_error(machine: Machine) -> None:
    text = machine.record.read_text().replace('"vm1"', '"vm9"')
    rows = json.loads(text)["shares"]
    gone = [{**row, "uuid": "00000000-0000-4000-8000-000000000009"} for row in rows]
    machine.record.write_text(json.dumps({"shares": gone}))
    run = machine.run([machine.other], virtiofs_host_prune=True)
    assert run.returncode == 0, run.output
    assert machine.recorded() == ["other"]
