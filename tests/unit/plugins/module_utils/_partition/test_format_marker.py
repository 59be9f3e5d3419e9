# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The note that the content of a device is ours to write over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition import format_marker
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(state_directory=str(tmp_path / "state"))


def test_it_is_kept_until_it_is_removed(target: Target) -> None:
    assert format_marker.read(target, "data") == {}
    format_marker.write(target, "data", "wwid 64", "aaaa")
    assert format_marker.read(target, "data") == {"device": "wwid 64", "filesystem": "aaaa"}
    assert format_marker.read(target, "other") == {}
    format_marker.remove(target, "data")
    assert format_marker.read(target, "data") == {}


def test_where_earlier_versions_kept_it(target: Target) -> None:
    format_marker.write(target, "data", "wwid 64", "aaaa")
    kept = Path(target.state_directory) / "begun" / "data.json"
    assert kept.read_text() == '{"device": "wwid 64", "filesystem": "aaaa"}\n'
    assert kept.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "{", '["device"]', "null"])
def test_what_is_no_note_gives_no_right_to_write(target: Target, text: str) -> None:
    format_marker.write(target, "data", "wwid 64", "aaaa")
    Path(target.format_marker_path("data")).write_text(text)
    assert format_marker.read(target, "data") == {}


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(VirtiofsError, match=r"cannot make .*/state/begun"):
        format_marker.write(Target(state_directory=str(tmp_path / "state")), "data", "wwid 64", "aaaa")
