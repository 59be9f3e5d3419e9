# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which scripts on this machine are ours, and what the daemon itself says of what it would be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.read import ACCOUNTS, read_scripts, read_text
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import NAME, Script
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

SCRIPT = Script({"direct_io": True, "migration_on_error": "abort"})


def daemon(directory: Path, says: str = "exit 0") -> Virtiofsd:
    path = directory / "virtiofsd"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return Virtiofsd(str(path), "rust", (1, 13, 2))


@pytest.mark.parametrize(("mode", "safe"), [(0o755, os.geteuid() == 0), (0o775, False), (0o644, False)])
def test_a_script_is_safe_when_root_alone_can_write_to_it(tmp_path: Path, mode: int, safe: bool) -> None:
    where = Path(SCRIPT.place(str(tmp_path)))
    where.write_text(SCRIPT.text("/v", []))
    where.chmod(mode)
    found = read_scripts(str(tmp_path))
    assert {path: (one.script, one.safe) for path, one in found.items()} == {str(where): (SCRIPT, safe)}


def test_what_is_no_script_of_ours_is_left_out(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}directory").mkdir()
    (tmp_path / f"{NAME}text").write_text("exec something\n")
    (tmp_path / f"{NAME}link").symlink_to(tmp_path / f"{NAME}text")
    (tmp_path / f"{NAME}gone").symlink_to(tmp_path / "nothing")
    assert read_scripts(str(tmp_path)) == {}
    assert read_scripts(str(tmp_path / "nowhere")) == {}


def test_the_daemon_itself_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        VirtiofsError, match="does not take --allow-direct-io --migration-on-error=abort: no such thing"
    ):
        read_text(SCRIPT, daemon(tmp_path, "echo no such thing >&2; exit 2"), None)


def test_it_is_not_asked_again_about_what_is_there(tmp_path: Path) -> None:
    text = read_text(SCRIPT, daemon(tmp_path), None)
    assert read_text(SCRIPT, daemon(tmp_path, "exit 2"), text) == text


def test_the_names_are_those_of_this_machine() -> None:
    assert (ACCOUNTS.user("root"), ACCOUNTS.group("root"), ACCOUNTS.primary_group(0)) == (0, 0, 0)
    with pytest.raises(KeyError):
        ACCOUNTS.user("nobody-has-this-name")
