# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX and Automation Platform need: a file of the project for each playbook, and results that outlive the job."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from local_fleet import HERE, hypervisor, node, play

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/docsite/rst/guide_awx.rst").read_text()
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def wrapper(folder: Path, playbook: str) -> str:
    """The file that the page shows for share, for another playbook."""
    (shown,) = re.findall(
        r"^    - name: Share\n      ansible\.builtin\.import_playbook: virtio\.fs\.share$", PAGE, re.MULTILINE
    )
    path = folder / f"{playbook}.yml"
    path.write_text(
        "\n".join(line[4:] for line in shown.replace("virtio.fs.share", f"virtio.fs.{playbook}").splitlines())
    )
    return str(path)


@pytest.fixture
def fleet(tmp_path: Path) -> dict[str, dict[str, Any]]:
    shares = [{"name": "data", "path": str(tmp_path / "data"), "domains": ["vm1"]}]
    return {"hv1": hypervisor(node(tmp_path, "node", {"vm1": {}}), shares)}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_project_can_have_a_file_for_each_playbook(tmp_path: Path, playbook: str) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--syntax-check", "-i", "hv1,"]
    done = subprocess.run(
        [*command, wrapper(tmp_path, playbook)], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_share_runs_from_the_file_of_a_project(tmp_path: Path, fleet: dict[str, dict[str, Any]]) -> None:
    run = play(tmp_path, wrapper(tmp_path, "share"), fleet, {})
    assert run.returncode == 0, run.output
    assert (tmp_path / "data").is_dir()


def test_the_report_becomes_an_artifact(
    tmp_path: Path, fleet: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "true")
    extra = {"virtiofs_report_html": "", "virtiofs_report_markdown": "", "virtiofs_report_stats": "report_of_shares"}
    run = play(tmp_path, wrapper(tmp_path, "report"), fleet, {}, extra=extra)
    assert run.returncode == 0, run.output
    (line,) = re.findall(r"RUN: (\{.*\})", run.output)
    assert "hv1" in json.loads(line)["report_of_shares"]
    assert list(tmp_path.glob("virtiofs-report.*")) == []


def test_the_report_is_no_artifact_unless_a_name_says_so(
    tmp_path: Path, fleet: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_SHOW_CUSTOM_STATS", "true")
    monkeypatch.setenv("PWD", str(tmp_path))
    run = play(tmp_path, wrapper(tmp_path, "report"), fleet, {})
    assert run.returncode == 0, run.output
    assert "CUSTOM STATS" not in run.output
    assert (tmp_path / "virtiofs-report.md").exists()


def test_a_default_for_the_action_group_reaches_its_modules(tmp_path: Path) -> None:
    (tmp_path / "look.yml").write_text(
        f"""
- hosts: hypervisors
  gather_facts: false
  module_defaults:
    group/virtio.fs.libvirt:
      uri: {node(tmp_path, "node", {"of_the_default": {}})}
  tasks:
    - virtio.fs.virtiofs_info:
"""
    )
    run = play(tmp_path, str(tmp_path / "look.yml"), {"hv1": HERE}, {})
    assert run.returncode == 0, run.output
    (result,) = run.of("virtiofs_info", "hv1")
    assert [one["name"] for one in result["domains"]] == ["of_the_default"]
