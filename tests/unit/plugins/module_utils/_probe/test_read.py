# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of a directory, in children of their own, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._probe.read import read_probes
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import Probe, wanted


def asked(path: Path, *actions: str, **given: Any) -> tuple[Probe, ...]:
    items = [{"path": str(path), "action": action, "nonce": "n", "size": "1K", **given} for action in actions]
    return wanted({"timeout": 60, "probes": items})


def outcomes(path: Path, *actions: str, writing: bool = True, **given: Any) -> list[dict[str, Any]]:
    return read_probes(asked(path, *actions, **given), 60, writing)


def test_what_is_written_is_read_and_taken_away(tmp_path: Path) -> None:
    written, checked, cleaned = outcomes(tmp_path, "write", "check", "clean")
    assert [each["ok"] for each in (written, checked, cleaned)] == [True] * 3
    assert written["sha256"] == checked["sha256"]
    assert list(tmp_path.iterdir()) == []


def test_without_writing_all_is_left_out_that_writes(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "write", "check", "measure", "inspect", writing=False)
    assert [each["skipped"] for each in found] == [True, True, True, False]
    assert list(tmp_path.iterdir()) == []


def test_a_share_that_can_be_written_to_is_no_read_only_one(tmp_path: Path) -> None:
    (found,) = outcomes(tmp_path, "write", readonly=True)
    assert (found["ok"], found["error"]) == (False, "it is to be read-only, but it could be written to")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_mounted_is_not_written_to(tmp_path: Path) -> None:
    (found,) = outcomes(tmp_path, "write", tag="media")
    assert not found["ok"]
    assert "the share media is not mounted on" in found["error"]
    assert list(tmp_path.iterdir()) == []


def test_each_has_its_result_in_the_order_of_the_list(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = tmp_path / "a", tmp_path / "b"
    probes = (*asked(one, "write", "measure"), *asked(other, "check"), *asked(one, "clean"))
    found = read_probes(probes, 60, True)
    assert [(each["path"][-1], each["action"]) for each in found] == [
        ("a", "write"),
        ("a", "measure"),
        ("b", "check"),
        ("a", "clean"),
    ]
    assert not found[2]["ok"]


@pytest.mark.parametrize("action", ["write", "inspect"])
def test_a_directory_that_is_not_there(tmp_path: Path, action: str) -> None:
    (found,) = outcomes(tmp_path / "none", action)
    assert (found["ok"], found["errno"]) == (False, "ENOENT")
