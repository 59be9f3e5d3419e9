# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages print as output can be seen, and their tables are complete."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from ansible_collections.virtio.fs.plugins.filter import fleet, proof, shares
from ansible_collections.virtio.fs.tests.unit import listings
from ansible_collections.virtio.fs.tests.unit.listings import ROOT

DOCSITE = ROOT / "docs/docsite"
GUIDES = sorted(path.stem for path in DOCSITE.glob("rst/*.rst"))


def _page(name: str) -> str:
    return (ROOT / name).read_text()


def _first(page: str, language: str, part: str) -> str:
    return next(one.text for one in listings.in_language(language) if one.page == page and part in one.text)


def _smallest_case(page: str) -> tuple[dict[str, Any], str]:
    """What hosts know of each other in the first inventory of a page, and the name of its guest."""
    document = yaml.safe_load(_first(page, "yaml", "hypervisors:\n"))
    hosts = {**document["hypervisors"]["hosts"], **document["guests"]["hosts"]}
    return hosts, next(iter(document["guests"]["hosts"]))


@pytest.mark.parametrize("page", ["README.md", "docs/docsite/rst/guide_start.rst"])
def test_the_table_of_the_smallest_case_is_what_its_inventory_ends_with(page: str):
    variables, guest = _smallest_case(page)
    of = variables[guest]["virtiofs_guest_hypervisor"]
    listed = shares.shares_of(variables, of)
    rows = shares.proofs(listed, variables[guest]["virtiofs_guest_domain"])
    variables[guest]["virtiofs_guest_proof"] = [{**row, "host_to_guest": "ok", "guest_to_host": "ok"} for row in rows]
    lines = proof.proof_table(variables, [guest])
    assert _first(page, "text", "host directory").splitlines() == [line.rstrip() for line in lines]


@pytest.mark.parametrize("page", ["README.md", "docs/docsite/rst/guide_start.rst"])
def test_the_sentence_about_waiting_is_what_the_smallest_case_says(page: str):
    variables, guest = _smallest_case(page)
    domain, of = variables[guest]["virtiofs_guest_domain"], variables[guest]["virtiofs_guest_hypervisor"]
    message = f"domain {domain} must be shut down and started for media: its running memory is not shared"
    entry = {"domain": domain, "reason": "no_shared_memory", "tags": ["media"], "message": message}
    variables[of]["virtiofs_host_result"] = {"restart_required": [entry]}
    said = fleet.waiting(variables, of, domain, ["media"])
    assert " ".join(_first(page, "text", "must be shut down").split()) == said
    # Put together of two texts in the module.
    for part in ("must be shut down and started for", "its running memory is not shared"):
        assert any(part in text for text in listings.messages())


def _keys(page: str, heading: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    section = re.split(r"^[-=]{4,}$", _page(page).split(f"\n{heading}\n", 1)[1], flags=re.MULTILINE)[1]
    return {name for row in re.findall(r"^   \* - (``.*)$", section, re.MULTILINE) for name in _literals([row])}


def _literals(texts: Iterable[str]) -> list[str]:
    return [name for text in texts for name in re.findall(r"``([^`]+)``", text)]


def test_the_list_has_every_key_of_a_share_and_no_other():
    assert _keys("docs/docsite/rst/guide_list.rst", "Every key of a share") == set(listings.share_options())


def test_the_list_has_every_key_of_storage_and_no_other():
    storage = listings.share_options()["storage"]["options"]
    assert _keys("docs/docsite/rst/guide_list.rst", "Every key of storage") == set(storage)


def test_the_page_of_the_role_has_every_key_of_a_share():
    rows = re.findall(r"^\| (`.*?) \|", _page("roles/virtiofs_host/README.md"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(listings.share_options()) - named == set()


def test_every_code_of_a_problem_is_explained():
    """The module names them in the documentation of what it returns."""
    returned = yaml.safe_load(listings.module_text("virtiofs_info", "RETURN"))["problems"]["description"]
    codes = {code for text in returned for code in re.findall(r"V\((\w+)\)", text)}
    assert len(codes) > 10
    assert _keys("docs/docsite/rst/guide_fleet.rst", "What is wrong, for programs") - {"what"} == codes


def test_every_extra_variable_is_in_the_readme():
    text = _page("README.md")
    assert sorted(name for name in listings.extra_variables() if f"`{name}`" not in text) == []


def test_every_guide_is_in_the_readme_and_on_the_site():
    readme = _page("README.md")
    assert [name for name in GUIDES if f"/docs/docsite/rst/{name}.rst)" not in readme] == []
    sections = yaml.safe_load(_page("docs/docsite/extra-docs.yml"))["sections"]
    assert sorted(name for section in sections for name in section["toctree"]) == GUIDES


def test_the_page_of_platforms_names_what_they_were_checked_by():
    seen = yaml.safe_load(_page("tests/fixtures/platforms.yml"))
    sources = [one["source"] for kind in seen.values() for one in kind.values()]
    page = _page("docs/docsite/rst/guide_platforms.rst")
    addresses = {found for source in sources for found in re.findall(r"https://[^\s,]+", source)}
    assert len(addresses) >= 4
    assert sorted(address for address in addresses if address not in page) == []


def test_every_repository_link_of_the_site_is_the_one_of_galaxy():
    repository = yaml.safe_load(_page("galaxy.yml"))["repository"]
    links = yaml.safe_load(_page("docs/docsite/links.yml"))
    assert f"https://github.com/{links['edit_on_github']['repository']}" == repository
    assert all(link["url"].startswith(repository) for link in links["extra_links"])


TROUBLES = "docs/docsite/rst/guide_troubleshooting.rst"
# A term alone on its line is a message of ours. One with a classifier behind it is somebody else's.
OUR_MESSAGES = re.findall(r"^``(.+)``\n    \S", (ROOT / TROUBLES).read_text(), re.MULTILINE)


def test_the_page_of_troubles_has_messages():
    assert len(OUR_MESSAGES) >= 30


@pytest.mark.parametrize("message", OUR_MESSAGES)
def test_a_message_of_the_page_of_troubles_can_be_seen(message: str):
    """Its parts follow each other in one text of the code; where it is put together of two, each is in one."""
    pattern = ".*".join(map(re.escape, message.split("…")))
    whole = re.compile(pattern.replace(r"\ ", r"\s+"), re.DOTALL)
    assert any(whole.search(text) for text in listings.messages())
