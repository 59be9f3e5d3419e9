# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds the code: workflows, forms, licence texts and what Galaxy reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
FORMS = sorted(path for path in ROOT.glob(".github/ISSUE_TEMPLATE/*.yml") if path.name != "config.yml")


def _document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _commands(workflow: Path) -> list[str]:
    jobs = _document(workflow)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_has_a_time_limit(workflow: Path):
    document = _document(workflow)
    assert document["permissions"] == {"contents": "read"}
    for name, job in document["jobs"].items():
        assert job["timeout-minutes"] > 0, name
        # Only the job that attaches the artifact may write, and it runs no code of the repository.
        if "permissions" in job:
            assert (workflow.stem, name) == ("release", "attach")
            assert not any("checkout" in step.get("uses", "") for step in job["steps"])


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_there_is_and_publishes_nothing(workflow: Path):
    commands = "\n".join(_commands(workflow))
    for script in re.findall(r"\bscript/\w+", commands):
        assert (ROOT / script).is_file()
    assert "collection publish" not in commands


def test_the_workflows_run_what_they_are_for():
    commands = {workflow.stem: "\n".join(_commands(workflow)) for workflow in WORKFLOWS}
    assert "script/test --quick" in commands["pull-request"]
    assert "nox --sessions unit-of sanity-of" in commands["pull-request"]
    assert "script/test --full" in commands["nightly"]
    assert "nox --session build-import" in commands["release"]


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_for(form: Path):
    document = _document(form)
    assert document["name"]
    assert document["description"]
    fields = [field for field in document["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in fields]
    assert names
    assert len(names) == len(set(names))
    for field in fields:
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert field["attributes"]["label"]
        assert ("options" in field["attributes"]) == (field["type"] in ("dropdown", "checkboxes"))


def test_each_licence_that_a_file_names_has_its_text_once():
    assert [path.name for path in (ROOT / "LICENSES").iterdir()] == ["GPL-3.0-or-later.txt"]
    assert (ROOT / "LICENSES/GPL-3.0-or-later.txt").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_a_role_says_what_it_is_for_and_what_it_needs(role: str):
    about = _document(ROOT / "roles" / role / "meta/main.yml")["galaxy_info"]
    needed = _document(ROOT / "meta/runtime.yml")["requires_ansible"]
    assert re.fullmatch(r"[A-Z].{20,150}[^.]", about["description"])
    assert needed == f">={about['min_ansible_version']}.0"


@pytest.mark.parametrize("page", ["README.md", "docs/docsite/rst/guide_awx.rst"])
def test_a_page_names_the_ansible_core_that_is_asked_for(page: str):
    needed = _document(ROOT / "meta/runtime.yml")["requires_ansible"]
    named = re.findall(r"ansible-core (\d+\.\d+) or newer", (ROOT / page).read_text())
    assert [f">={version}.0" for version in named] == [needed]


def test_the_sanity_tests_run_with_each_ansible_core_from_there_on():
    needed = _document(ROOT / "meta/runtime.yml")["requires_ansible"]
    (line,) = re.findall(r"^CORES = .*$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    minors = [int(minor) for minor in re.findall(r'"2\.(\d+)":', line)]
    assert needed == f">=2.{minors[0]}.0"
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_nothing_was_added_in_a_version_that_is_still_to_come():
    """All of it is new in the first release."""
    version = _document(ROOT / "galaxy.yml")["version"]
    assert re.fullmatch(r"[1-9]\d*\.\d+\.\d+", version)
    added = re.compile(r"^ *version_added: (.+)$", re.MULTILINE)
    named = {path.name: set(added.findall(path.read_text())) for path in (ROOT / "plugins").rglob("*.[py]*")}
    later = {name: found for name, found in named.items() if any(_numbers(one) > _numbers(version) for one in found)}
    assert later == {}
    if not (ROOT / "changelogs/changelog.yaml").exists():
        assert {one for found in named.values() for one in found} == {version}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def test_the_collection_adds_nothing_to_an_execution_environment():
    assert _document(ROOT / "meta/execution-environment.yml") == {"version": 1, "dependencies": {}}


def test_what_is_for_this_repository_only_is_not_in_the_artifact():
    ignored = set(_document(ROOT / "galaxy.yml")["build_ignore"])
    only_here = {path.name for path in ROOT.iterdir()} - ignored
    assert only_here <= {
        ".git",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "changelogs",
        "docs",
        "galaxy.yml",
        "meta",
        "playbooks",
        "plugins",
        "roles",
    }
