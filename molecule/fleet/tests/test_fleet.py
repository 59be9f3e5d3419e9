# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three generations of hypervisors side by side: shared, proven, reported, one of them away, and unshared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from proof import domains, mounts
from proof.exchange import crosses
from proof.machine import Machine, at_once
from proof.playbook import PREFLIGHT, Run, play

GUESTS = {"hv1": ("vm1", "vm2"), "hv2": ("old1",), "hv3": ("new1",)}
# Which guest has the share that can be written, for each hypervisor.
WRITERS = {"hv1": "vm1", "hv2": "old1", "hv3": "new1"}
MOUNTS = {
    "vm1": {"/srv/own", "/srv/media"},
    "vm2": {"/srv/media"},
    "old1": {"/srv/own", "/srv/films"},
    "new1": {"/srv/own", "/srv/media"},
}
GROUPS = {"virtiofs_hypervisors": "fleet_hypervisors", "virtiofs_guests": "fleet_guests"}
# Nobody listens there.
AWAY = "other_hypervisors: {hosts: {hv2: {lab_port_offset: 29}}}\n"
UNSHARE = {**GROUPS, "virtiofs_unshare": ["own", "media"]}

HYPERVISORS = pytest.mark.parametrize("hypervisor", sorted(GUESTS))
GUEST = pytest.mark.parametrize("guest", sorted(MOUNTS))


@dataclass(frozen=True)
class Written:
    """A report, in both forms."""

    run: Run
    page: str
    table: str


@pytest.fixture(scope="session")
def verified() -> Run:
    return play("virtio.fs.verify", extra=GROUPS)


@pytest.fixture(scope="session")
def reported(verified: Run, tmp_path_factory: pytest.TempPathFactory) -> Written:
    page, table = (tmp_path_factory.mktemp("report") / name for name in ("fleet.html", "fleet.md"))
    extra = {
        **GROUPS,
        "virtiofs_report_html": str(page),
        "virtiofs_report_markdown": str(table),
        "virtiofs_report_measure": True,
        "virtiofs_benchmark_size": "8MiB",
    }
    run = play("virtio.fs.report", extra=extra)
    return Written(run, page.read_text(), table.read_text())


@pytest.fixture(scope="session")
def one_away(reported: Written, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The playbook while one hypervisor does not answer."""
    inventory: Path = tmp_path_factory.mktemp("away") / "away.yml"
    inventory.write_text(AWAY)
    return play("virtio.fs.share", extra=GROUPS, options=(f"--inventory={inventory}",))


@pytest.fixture(scope="session")
def unshared(one_away: Run, machine: Callable[[str], Machine]) -> Run:
    at_once(map(machine, GUESTS), lambda one: one.check("echo keep me >/shared/proof_own/data; sync /shared/proof_own"))
    return play("virtio.fs.unshare", extra=UNSHARE)


@pytest.fixture(scope="session")
def after(unshared: Run, machine: Callable[[str], Machine]) -> dict[str, dict[str, str]]:
    """What every hypervisor looks like when all is taken away."""

    def look(one: Machine) -> dict[str, str]:
        guests = GUESTS[one.name]
        old = {f"{guest} before": f"cat /run/proof-before/{guest}.xml" for guest in guests}
        new = {f"{guest} after": f"virsh dumpxml --inactive --security-info {guest}" for guest in guests}
        live = {f"{guest} live": f"virsh dumpxml {guest}" for guest in guests}
        facts = {
            "fstab": "diff /run/proof-before/fstab /etc/fstab && echo same",
            "mounts": "findmnt --list --noheadings --output TARGET | grep -E '^(/shared|/srv/proof|/var/lib/virtiofs)'",
            "data": "mount -o ro LABEL=proof_own /mnt && cat /mnt/data; umount /mnt",
            "media": "ls -A /srv/proof/media",
            "daemons": "pgrep --count --full '[v]irtiofsd.*(proof|shared)'",
        }
        return one.read({**facts, **old, **new, **live})

    return at_once(map(machine, GUESTS), look)


def proof_of(run: Run, guest: str) -> list[dict[str, Any]]:
    return list(run.named("Compare", guest).returned["ansible_facts"]["virtiofs_guest_proof"])


def without_what_stays(xml: str) -> str:
    """A definition without shared memory and PCI ports: taking them away again would need another restart."""
    root = ElementTree.fromstring(xml)
    for parent, path in ((root, "memoryBacking"), (root.find("cpu"), "numa")):
        found = parent.find(path) if parent is not None else None
        if parent is not None and found is not None:
            parent.remove(found)
    devices = root.find("devices")
    assert devices is not None
    for port in devices.findall("controller[@model='pcie-root-port']"):
        devices.remove(port)
    return ElementTree.canonicalize(ElementTree.tostring(root, encoding="unicode"), strip_text=True)


def test_the_generations_are_three(machine: Callable[[str], Machine]) -> None:
    said = at_once(map(machine, GUESTS), lambda one: one.check("virsh version --daemon"))
    libvirts = {name: re.search(r"daemon: (\d+)\.(\d+)", text).groups() for name, text in said.items()}  # type: ignore[union-attr]
    assert len(set(libvirts.values())) == 3, libvirts
    assert int(libvirts["hv2"][0]) < 10 <= int(libvirts["hv1"][0]) <= int(libvirts["hv3"][0])


@GUEST
def test_every_guest_has_what_its_own_hypervisor_lists(machine: Callable[[str], Machine], guest: str) -> None:
    live = mounts.parse(machine(guest).check(mounts.LIVE))
    assert {mount.path for mount in live if mount.fstype == "virtiofs"} == MOUNTS[guest]


@HYPERVISORS
def test_bytes_go_both_ways(machine: Callable[[str], Machine], hypervisor: str) -> None:
    host, guest = machine(hypervisor), machine(WRITERS[hypervisor])
    assert crosses(host, "/shared/proof_own", guest, "/srv/own", f"from-{hypervisor}")
    assert crosses(guest, "/srv/own", host, "/shared/proof_own", f"to-{hypervisor}")


def test_all_is_proven_and_the_exit_status_says_so(verified: Run) -> None:
    assert [(one.host, one.message) for one in verified.failures()] == []
    assert verified.returncode == 0


@GUEST
def test_every_share_is_proven_in_its_own_words(verified: Run, guest: str) -> None:
    proven = {row["guest_path"]: (row["host_to_guest"], row["guest_to_host"]) for row in proof_of(verified, guest)}
    assert proven == {path: ("ok", "ok" if path == "/srv/own" else "read-only") for path in MOUNTS[guest]}


def test_verifying_changes_nothing(verified: Run) -> None:
    assert [(one.host, one.task) for one in verified.results if one.changed] == []


def test_the_report_succeeds(reported: Written) -> None:
    assert [(one.host, one.task, one.message) for one in reported.run.failures()] == []
    assert reported.run.returncode == 0


def test_the_table_has_every_hypervisor_with_its_version(reported: Written, machine: Callable[[str], Machine]) -> None:
    for name in GUESTS:
        version = machine(name).check("virsh --version").strip()
        assert re.search(rf"\| {name} \| {re.escape(version)} \|", reported.table), reported.table


@GUEST
def test_the_table_has_every_share_of_every_guest_with_its_proof(reported: Written, guest: str) -> None:
    rows = [line for line in reported.table.splitlines() if re.search(rf"\| {guest} \|", line)]
    assert len(rows) == len(MOUNTS[guest]), reported.table
    for path in MOUNTS[guest]:
        (row,) = [line for line in rows if f"| {path} |" in line]
        assert ("both ways" if path == "/srv/own" else "read-only") in row


@pytest.mark.parametrize("guest", sorted(WRITERS.values()))
def test_the_report_has_figures_of_every_guest_that_can_write(reported: Written, guest: str) -> None:
    (row,) = [line for line in reported.table.splitlines() if f"| {guest} |" in line and "| /srv/own |" in line]
    figures = re.findall(r"\| (\d+(?:\.\d+)?) (?=\|)", row)
    assert len(figures) == 2, row
    assert all(float(figure) > 0 for figure in figures)


def test_the_page_has_all_of_them_and_needs_nothing_else(reported: Written) -> None:
    for word in (*GUESTS, *MOUNTS, "proof_own", "/srv/films", "3 / 3", "7 / 7"):
        assert word in reported.page
    assert not re.search(r"<script|<link|<img|https?://|@import|url\(", reported.page)


def test_the_report_shows_no_trouble(reported: Written) -> None:
    assert not re.search(r"unreachable|not proven|daemon dead|stale mount|listed only", reported.page)


def test_a_hypervisor_that_is_away_fails_the_run(one_away: Run) -> None:
    assert one_away.returncode != 0


@pytest.mark.parametrize("host", ["hv2", "old1"])
def test_who_was_left_out_says_why(one_away: Run, host: str) -> None:
    said = [one.message for one in one_away.results if one.host == host and one.task == "Say why"]
    assert len(said) == 1
    assert "the hypervisor hv2 could not be reached" in said[0]
    assert host in said[0]


def test_nobody_else_failed(one_away: Run) -> None:
    assert {one.host for one in one_away.failures()} == {"hv2", "old1"}


@pytest.mark.parametrize("guest", ["vm1", "vm2", "new1"])
def test_the_others_went_on_to_the_proof(one_away: Run, guest: str) -> None:
    assert [row["ok"] for row in proof_of(one_away, guest)] == [True] * len(MOUNTS[guest])


def test_the_guest_of_the_one_that_is_away_is_left_alone(one_away: Run) -> None:
    """But for the question that comes before its hypervisor is reached, and changes nothing."""
    ours = [one for one in one_away.results if one.host == "old1" and one.action.startswith("virtio.fs.")]
    done = [one for one in ours if one.status != "skipped"]
    assert [one.task for one in done if one.task != PREFLIGHT] == []
    assert [one.task for one in done if one.changed] == []


def test_unsharing_succeeds_everywhere(unshared: Run) -> None:
    assert [(one.host, one.task, one.message) for one in unshared.failures()] == []
    assert unshared.returncode == 0


@GUEST
def test_the_guest_is_as_before(unshared: Run, machine: Callable[[str], Machine], guest: str) -> None:
    said = machine(guest).read({"fstab": "diff /root/fstab.before /etc/fstab && echo same", "live": mounts.LIVE})
    assert said["fstab"] == "same\n"
    assert [mount.path for mount in mounts.parse(said["live"]) if mount.fstype == "virtiofs"] == []


@HYPERVISORS
def test_the_hypervisor_is_as_before(after: dict[str, dict[str, str]], hypervisor: str) -> None:
    seen = after[hypervisor]
    assert (seen["fstab"], seen["mounts"], seen["daemons"].strip()) == ("same\n", "", "0")


@HYPERVISORS
def test_the_definitions_are_as_before(after: dict[str, dict[str, str]], hypervisor: str) -> None:
    seen = after[hypervisor]
    for guest in GUESTS[hypervisor]:
        assert without_what_stays(seen[f"{guest} after"]) == without_what_stays(seen[f"{guest} before"])
        assert domains.parse(seen[f"{guest} live"]).tags == set()


@HYPERVISORS
def test_the_data_is_kept(after: dict[str, dict[str, str]], hypervisor: str) -> None:
    assert after[hypervisor]["data"] == "keep me\n"


def test_a_second_time_there_is_nothing_to_do(after: dict[str, dict[str, str]]) -> None:
    again = play("virtio.fs.unshare", extra=UNSHARE)
    assert [(one.host, one.task, one.message) for one in again.failures()] == []
    assert [(one.host, one.task, one.actions) for one in again.results if one.changed] == []
    assert again.returncode == 0
