# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks on fleets where something is away, wrong or hostile; libvirt's test driver stands for the machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from local_fleet import HERE, NOWHERE, Played, hypervisor, node, play

SHARE, UNSHARE, REPORT, VERIFY = "virtio.fs.share", "virtio.fs.unshare", "virtio.fs.report", "virtio.fs.verify"
ONE_BY_ONE = {"virtiofs_serial": 1}


def guest(of: str, **more: Any) -> dict[str, Any]:
    return {**HERE, "virtiofs_guest_hypervisor": of, **more}


@pytest.fixture
def listed(tmp_path: Path) -> list[dict[str, Any]]:
    """One share that no guest mounts: that would need a guest."""
    return [{"name": "data", "path": str(tmp_path / "data"), "domains": ["vm1"]}]


@pytest.fixture
def well(tmp_path: Path, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return hypervisor(node(tmp_path, "well", {"vm1": {}}), listed)


def away(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {**NOWHERE, "virtiofs_host_shares": listed}


def shared(run: Played, host: str) -> list[str]:
    """The tags that the hypervisor's domains got."""
    return [tag for result in run.of("virtiofs_domain", host) for one in result["domains"] for tag in one["config"]]


@pytest.mark.parametrize("guests", [{}, {"vm1": guest("hv1")}], ids=["the role alone", "with a guest"])
@pytest.mark.parametrize("options", [(), ("--check",)], ids=["run", "check"])
def test_a_misspelt_key_is_told_with_the_nearest_one(
    tmp_path: Path, guests: dict[str, Any], options: tuple[str, ...]
) -> None:
    shares = [{"name": "data", "path": str(tmp_path / "data"), "domain": ["vm1"]}]
    run = play(tmp_path, SHARE, {"hv1": hypervisor(node(tmp_path, "n", {"vm1": {}}), shares)}, guests, *options)
    assert run.returncode != 0
    assert "the share 'data' has the unknown key 'domain': did you mean 'domains'?" in run.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("extra", [{}, ONE_BY_ONE], ids=["all at once", "one by one"])
def test_the_only_hypervisor_is_away(tmp_path: Path, listed: list[dict[str, Any]], extra: dict[str, Any]) -> None:
    run = play(tmp_path, SHARE, {"hv1": away(listed)}, {"vm1": guest("hv1")}, extra=extra)
    assert run.returncode != 0
    assert run.failed() == {"hv1", "vm1"}
    assert "vm1: the hypervisor hv1 could not be reached" in run.said("vm1")


@pytest.mark.parametrize("extra", [{}, ONE_BY_ONE], ids=["all at once", "one by one"])
def test_one_that_is_away_holds_nobody_else_up(
    tmp_path: Path, well: dict[str, Any], listed: list[dict[str, Any]], extra: dict[str, Any]
) -> None:
    fleet = {"hv1": away(listed), "hv2": well}
    guests = {"vm1": guest("hv1"), "vm2": guest("hv2", virtiofs_guest_domain="vm1")}
    run = play(tmp_path, SHARE, fleet, guests, extra=extra)
    assert run.returncode != 0
    assert run.failed() == {"hv1", "vm1"}
    assert shared(run, "hv2") == ["data"]


def test_one_that_fails_holds_nobody_else_up(
    tmp_path: Path, well: dict[str, Any], listed: list[dict[str, Any]]
) -> None:
    """Its domain is somebody else's: the share is listed for it on two hypervisors, and only one has it."""
    fleet = {"hv1": hypervisor(node(tmp_path, "empty", {"other": {}}), listed), "hv2": well}
    guests = {"vm1": guest("hv2"), "vm9": guest("hv1")}
    run = play(tmp_path, SHARE, fleet, guests)
    assert run.returncode != 0
    assert run.failed() == {"hv1", "vm9"}
    assert "vm1" in run.said("hv1")
    assert "vm9: the hypervisor hv1 failed in this run" in run.said("vm9")
    assert shared(run, "hv2") == ["data"]


def test_a_guest_alone_needs_no_run_of_its_hypervisor(tmp_path: Path, well: dict[str, Any]) -> None:
    run = play(tmp_path, SHARE, {"hv1": well}, {"vm1": guest("hv1")}, "--limit", "vm1")
    assert run.returncode == 0, run.output
    assert run.of("virtiofs_domain", "hv1") == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "missing required arguments: virtiofs_guest_hypervisor"),
        ({"virtiofs_guest_hypervisor": ""}, "virtiofs_guest_hypervisor is not set"),
        (
            {"virtiofs_guest_hypervisor": "nosuch"},
            "virtiofs_guest_hypervisor is 'nosuch', and the inventory has no such host",
        ),
    ],
    ids=["none", "empty", "unknown"],
)
def test_a_guest_whose_hypervisor_is_not_known_is_told_so(
    tmp_path: Path, well: dict[str, Any], variables: dict[str, Any], sentence: str
) -> None:
    run = play(tmp_path, SHARE, {"hv1": well}, {"vm1": {**HERE, **variables}})
    assert run.returncode != 0
    assert sentence in run.said("vm1")


HOSTILE = "a{{ 1 + 1 }}{% raw %}'\"$(id)"


def test_no_name_becomes_a_template(tmp_path: Path) -> None:
    root = tmp_path / "root"
    shares = [
        {"name": HOSTILE, "domains": ["vm1"]},
        {"name": "path", "tag": "{{ 2 + 2 }}", "path": f"{tmp_path}/p{{{{ 3 + 3 }}}}", "domains": ["vm1"]},
    ]
    fleet = {"hv1": hypervisor(node(tmp_path, "node", {"vm1": {}}), shares, virtiofs_host_root=str(root))}
    run = play(tmp_path, SHARE, fleet, {"vm1": guest("hv1")}, "--diff")
    assert run.returncode == 0, run.output
    assert sorted(shared(run, "hv1")) == sorted([HOSTILE, "{{ 2 + 2 }}"])
    assert [path.name for path in root.iterdir()] == [HOSTILE]
    assert (tmp_path / "p{{ 3 + 3 }}").is_dir()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (None, "name the shares to take away"),
        ([], "name the shares to take away"),
        ("data", "name the shares to take away"),
        (["data", "nosuch"], "no hypervisor has a share named nosuch in virtiofs_host_shares"),
    ],
    ids=["none", "an empty list", "a string", "one that is unknown"],
)
def test_unshare_wants_names(tmp_path: Path, well: dict[str, Any], names: Any, sentence: str) -> None:
    extra = {} if names is None else {"virtiofs_unshare": names}
    run = play(tmp_path, UNSHARE, {"hv1": well}, {"vm1": guest("hv1")}, extra=extra)
    assert run.returncode != 0
    assert sentence in run.said("hv1")
    assert run.of("virtiofs_domain", "hv1") == []


def test_what_is_gone_already_is_gone(tmp_path: Path, well: dict[str, Any]) -> None:
    """The second time, or the first one after a failure in the middle."""
    run = play(tmp_path, UNSHARE, {"hv1": well}, {"vm1": guest("hv1")}, extra={"virtiofs_unshare": ["data"]})
    assert run.returncode == 0, run.output
    assert [result["changed"] for result in run.of("virtiofs_domain", "hv1")] == [False]
    assert "Gone: data." in run.output


def test_what_one_hypervisor_still_has_is_not_called_gone(
    tmp_path: Path, well: dict[str, Any], listed: list[dict[str, Any]]
) -> None:
    fleet = {"hv1": away(listed), "hv2": well}
    guests = {"vm1": guest("hv2")}
    run = play(tmp_path, UNSHARE, fleet, guests, extra={"virtiofs_unshare": ["data"]})
    assert run.returncode != 0
    assert len(run.of("virtiofs_domain", "hv2")) == 1
    assert "Gone:" not in run.output


def test_the_number_of_tasks_depends_on_neither_shares_nor_domains(tmp_path: Path) -> None:
    counts = set()
    for domains, shares in ((1, 1), (20, 3)):
        folder = tmp_path / f"{domains}"
        tags = [f"share{number}" for number in range(shares)]
        names = [f"vm{number}" for number in range(domains)]
        for tag in tags:
            (folder / tag).mkdir(parents=True)
        has = {name: {tag: str(folder / tag) for tag in tags} for name in names}
        listed = [{"name": tag, "path": str(folder / tag), "domains": names} for tag in tags]
        run = play(folder, SHARE, {"hv1": hypervisor(node(folder, "node", has), listed)}, {})
        assert run.returncode == 0, run.output
        assert len(shared(run, "hv1")) == domains * shares
        assert not any(one["returned"].get("changed") for one in run.results)
        counts.add(len([one for one in run.results if one["status"] != "skipped"]))
    assert len(counts) == 1


def test_the_report_tells_who_is_away_and_succeeds(
    tmp_path: Path, well: dict[str, Any], listed: list[dict[str, Any]]
) -> None:
    fleet = {"hv1": away(listed), "hv2": well}
    guests = {"vm1": guest("hv1"), "vm2": guest("hv2", virtiofs_guest_domain="vm1"), "vm3": {**NOWHERE, **guest("hv2")}}
    table = tmp_path / "report.md"
    extra = {"virtiofs_report_markdown": str(table), "virtiofs_report_html": str(tmp_path / "report.html")}
    run = play(tmp_path, REPORT, fleet, guests, extra=extra)
    assert run.returncode == 0, run.output
    text = table.read_text()
    assert "1 of 2 hypervisors answered" in text
    assert "| hv1 | It could not be reached |" in text


def test_the_report_of_guests_alone_is_written_and_says_what_it_lacks(
    tmp_path: Path, well: dict[str, Any], listed: list[dict[str, Any]]
) -> None:
    fleet = {"hv1": well, "hv2": away(listed)}
    guests = {"vm1": guest("hv1"), "vm2": guest("hv2"), "vm3": HERE}
    table, page = tmp_path / "report.md", tmp_path / "report.html"
    extra = {"virtiofs_report_markdown": str(table), "virtiofs_report_html": str(page)}
    run = play(tmp_path, REPORT, fleet, guests, "--limit", "vm1,vm3", extra=extra)
    assert run.returncode == 0, run.output
    assert "No hypervisor takes part in this run" in run.said("vm1")
    assert run.of("virtiofs_info", "hv1") == []
    assert "It was not asked" in page.read_text()
    text = table.read_text()
    assert "0 of 1 hypervisors answered" in text
    assert "| hv1 | data |" in text
    assert "hv2" not in text


def test_a_date_among_the_variables_of_a_host_does_not_matter(tmp_path: Path, well: dict[str, Any]) -> None:
    """ansible-core before 2.19 makes text of what a variable holds, and reads that again: not of a date."""
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/hv1.yml").write_text("bought: 2026-07-01\n")
    table = tmp_path / "report.md"
    extra = {"virtiofs_report_markdown": str(table), "virtiofs_report_html": ""}
    run = play(tmp_path, REPORT, {"hv1": well}, {"vm1": guest("hv1")}, extra=extra)
    assert run.returncode == 0, run.output
    assert "1 of 1 hypervisors answered" in table.read_text()


def test_a_proof_without_guests_is_no_proof(tmp_path: Path, well: dict[str, Any]) -> None:
    fleet, guests = {"hv1": well}, {"vm1": guest("hv1")}
    alone = play(tmp_path, VERIFY, fleet, guests, "--limit", "hv1")
    assert alone.returncode != 0
    assert "No guest takes part in this run" in alone.said("hv1")
    for limit in ("vm1", "all"):
        run = play(tmp_path, VERIFY, fleet, guests, "--limit", limit)
        assert run.returncode == 0, run.output
