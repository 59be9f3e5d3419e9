# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: what it shows of a fleet, and that no value of the fleet can change the page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter.report import in_words, report_html, report_markdown
from ansible_collections.virtio.fs.plugins.plugin_utils._report_model import Hypervisor, Report, Row, report
from ansible_collections.virtio.fs.tests.unit.made_up_fleet import (
    GUESTS,
    HYPERVISORS,
    domain,
    fleet,
    guest,
    info,
    proof,
)

WHEN = "2026-11-22 17:00 UTC"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Every element must be closed, in order; collects what could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data.strip())


def of(variables: dict[str, Any]) -> Report:
    guests = [name for name in variables if not name.startswith("hv")]
    return report(variables, [name for name in variables if name.startswith("hv")], guests, WHEN)


def only(variables: dict[str, Any]) -> Hypervisor:
    (found,) = of(variables).hypervisors
    return found


def row(variables: dict[str, Any]) -> Row:
    (found,) = only(variables).rows
    return found


def one(*domains: dict[str, Any], listed: Any = None, **more: Any) -> dict[str, Any]:
    host = {"virtiofs_report_info": info(*domains, **more)}
    return {"hv1": host if listed is None else {**host, "virtiofs_host_shares": listed}}


def states(variables: dict[str, Any]) -> list[str]:
    return [flag.words for flag in row(variables).flags]


def test_who_needs_help_comes_first():
    levels = [(each.name.partition(".")[0], each.level) for each in of(fleet()).hypervisors]
    assert levels == [("hv2", "bad"), ("hv3", "bad"), ("hv4", "bad"), ("hv1", "warning")]


def test_the_sums():
    found = of(fleet())
    assert (found.reached, found.shares, found.guests, found.proven, found.unproven) == (2, 4, 5, 3, 1)
    assert (found.count("bad"), found.count("warning"), found.count("note")) == (1, 1, 1)


def test_a_hypervisor_that_cannot_be_reached_shows_its_list():
    found = next(each for each in of(fleet()).hypervisors if each.unreachable)
    assert (found.trouble, [each.share for each in found.rows]) == ("It could not be reached", ["backup"])
    assert [flag.words for flag in found.rows[0].flags] == ["as listed"]


def test_a_hypervisor_that_was_not_asked_at_all():
    assert only({"hv1": {}}).trouble == "It was not asked"


def test_an_error_of_a_hypervisor_is_shown_in_its_own_words():
    host = {"virtiofs_report_info": {"msg": "Task failed: no libvirt"}}
    assert (only({"hv1": host}).trouble, only({"hv1": host}).level) == ("no libvirt", "bad")


def test_a_share_that_is_well_has_nothing_to_tell():
    shares = [{"name": "data", "domains": ["vm1"], "mount": "/mnt"}]
    variables = {**one(domain("vm1", "data"), listed=shares), "vm1": guest("hv1", proof("data", "/mnt"))}
    found = row(variables)
    assert (found.guest, found.mount, found.proof.words, found.flags) == ("vm1", "/mnt", "both ways", ())
    assert only(variables).level == "good"


def test_a_failed_proof_tells_the_direction_that_failed():
    rows = (proof("data", "/mnt", to_host="the hypervisor cannot read: other content"),)
    found = row({**one(domain("vm1", "data")), "vm1": guest("hv1", *rows)})
    assert (found.proof.level, found.proof.why) == ("bad", "guest to host: the hypervisor cannot read: other content")


def test_a_proof_that_was_not_made_is_not_shown_as_made():
    variables = {**one(domain("vm1", "data")), "vm1": {"virtiofs_guest_hypervisor": "hv1"}}
    assert row(variables).proof.words == "not asked"
    variables["vm1"]["virtiofs_report_trouble"] = "Task failed: no list"
    assert (row(variables).proof.words, row(variables).proof.why) == ("not proven", "no list")
    left_out = proof("data", "/mnt", "not done in check mode", "not done in check mode")
    assert row({**variables, "vm1": guest("hv1", {**left_out, "ok": True})}).proof.words == "not asked"
    assert row(one(domain("vm1", "data"))).proof.words == "no guest"


def test_a_guest_of_another_hypervisor_proves_nothing_here():
    assert row({**one(domain("vm1", "data")), "vm1": guest("hv9", proof("data", "/mnt"))}).proof.words == "no guest"


def test_a_share_that_could_not_be_measured_says_so():
    figures = [{"tag": "data", "guest": {"error": "no answer"}, "host": {}}]
    tried = guest("hv1", proof("data", "/mnt"), virtiofs_guest_measured=figures)
    variables = {**one(domain("vm1", "data")), "vm1": tried}
    assert [(flag.words, flag.why) for flag in row(variables).flags] == [("not measured", "no answer")]


def test_the_agent_knows_best_where_it_is_mounted():
    told = [{"tag": "data", "path": "/a"}, {"tag": "data", "path": "/b"}, {"tag": "x", "path": "/x"}]
    variables = {**one(domain("vm1", "data", mounts=told)), "vm1": guest("hv1", proof("data", "/mnt"))}
    assert row(variables).mount == "/a, /b"


def daemon(**state: bool) -> list[dict[str, Any]]:
    return [{"domain": "vm1", "tag": "data", "dead": False, "stale": False, **state}]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (one(domain("vm1"), listed=[{"name": "data", "domains": ["vm1"]}]), ["listed only"]),
        (one(listed=[{"name": "data", "domains": ["vm1"]}]), ["no such domain"]),
        (one(domain("vm1", "data"), listed=[{"name": "data", "domains": ["vm1"]}]), []),
        (one(domain("vm1", "data"), listed=[{"name": "data", "domains": ["vm1"], "state": "absent"}]), []),
        (one(domain("vm1", "data", state="off")), ["domain is off"]),
        (one(domain("vm1", "data"), daemons=daemon(dead=True)), ["daemon dead"]),
        (one(domain("vm1", "data"), daemons=daemon(stale=True)), ["stale mount"]),
        (one(domain("vm1", "data"), sources=[{"path": "/shared/data", "size": 100, "free": 10}]), ["nearly full"]),
        (one(domain("vm1", "data"), sources=[{"path": "/shared/data", "size": 100, "free": 11}]), []),
        (one(domain("vm1", "data", drift=[{"tag": "data", "kind": "options", "options": ["cache"]}])), ["drift"]),
    ],
)
def test_the_state_of_a_share(host: dict[str, Any], words: list[str]):
    assert states(host) == words


def test_a_share_that_the_list_does_not_have():
    variables = one(domain("vm1", "data", "other"), listed=[{"name": "data", "domains": ["vm1"]}])
    assert [[flag.words for flag in each.flags] for each in only(variables).rows] == [[], ["not in the list"]]


def test_the_page_is_well_formed_and_needs_nothing_else():
    page = Page(report_html(fleet(), HYPERVISORS, GUESTS, WHEN))
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(page.tags)
    assert not {"src", "href", "srcset", "action", "style"} & {name for name, _value in page.attributes}
    assert not any(name.startswith("on") for name, _value in page.attributes)
    text = report_html(fleet(), HYPERVISORS, GUESTS, WHEN)
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


EVIL = """</td><script>alert("1")</script>'"&{{ 7 * 7 }}{% raw %}"""


def evil() -> dict[str, Any]:
    """Everything that a guest, a host or a mount point can be called."""
    problem = {"what": EVIL, "where": EVIL, "message": EVIL, "remedy": EVIL}
    data = domain(EVIL, EVIL, mounts=[{"tag": EVIL, "path": EVIL}])
    return {
        "hv1": {"virtiofs_report_info": info(data, libvirt=EVIL, problems=[problem, {**problem, "what": "drift"}])},
        "hv2": {"virtiofs_report_info": {"msg": EVIL}},
        EVIL: guest("hv1", proof(EVIL, EVIL, EVIL, EVIL)),
    }


def test_no_value_becomes_markup():
    text = report_html(evil(), ["hv1", "hv2"], [EVIL], EVIL)
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert EVIL in page.texts
    assert "49" not in "".join(page.texts)


def test_no_value_breaks_out_of_a_table_cell():
    text = report_markdown(evil(), ["hv1", "hv2"], [EVIL], "a|b\nc")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert "<" not in text.replace("\\<", "")
    widths = [line.replace("\\|", "").count("|") for line in tables]
    assert widths == [7] * 4 + [8] * 3 + [6] * 4
    assert "a\\|b c" in text


def test_the_markdown_has_a_column_for_figures_only_when_there_are_some():
    assert "write MiB/s" in report_markdown(fleet(), HYPERVISORS, GUESTS, WHEN)
    assert "write MiB/s" not in report_markdown(one(domain("vm1", "data")), ["hv1"], [], WHEN)


def test_what_several_shares_have_alike_is_one_row_that_names_them():
    low = {"what": "open_files_low", "message": "few are left", "remedy": "raise the limit"}
    given = [{**low, "where": f"share {number}"} for number in range(7)] + [{**low, "where": "x", "message": "none"}]
    model = report({"hv1": {"virtiofs_report_info": info(domain("vm1"), problems=given)}}, ["hv1"], [], WHEN)
    assert [(each.where, each.message) for each in model.hypervisors[0].problems] == [
        ("share 0; share 1; share 2; share 3; share 4 and 2 more", "few are left"),
        ("x", "none"),
    ]


def test_both_forms_count_problems_alike():
    assert "2 problems and 1 note" in report_markdown(fleet(), HYPERVISORS, GUESTS, WHEN)
    assert "<b>2</b><span>problems and 1 note</span>" in report_html(fleet(), HYPERVISORS, GUESTS, WHEN)


def test_an_empty_fleet_is_a_report_too():
    assert Page(report_html({}, [], [], WHEN)).open == []
    assert "0 of 0 hypervisors" in report_markdown({}, [], [], WHEN)


def test_hosts_are_a_list():
    with pytest.raises(AnsibleFilterError, match="write a list"):
        report_html({}, "hv1", [], WHEN)


@pytest.mark.parametrize(
    ("number", "words"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (100 * 1024**3, "100 GiB"), (2**60, "1024 PiB")],
)
def test_bytes_for_a_person(number: int | None, words: str):
    assert in_words(number) == words
