# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemon there is, by its own words, and which scripts are safe to be taken for ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._user_map.read import ACCOUNTS, read
from ansible_collections.virtio.fs.plugins.module_utils._user_map.script import scripts
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import Pair, UserMap, Wanted

MAPS = (UserMap("homes", (Pair(1000, 2000),), (Pair(1000, 3000),)),)


def daemon(directory: Path, version: str) -> str:
    path = directory / "virtiofsd"
    path.write_text(f"#!/bin/sh\necho virtiofsd {version}\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_daemon_there_is_nothing_to_start_yet(tmp_path: Path) -> None:
    with pytest.raises(NotYet, match="is not a virtiofsd that can be run") as caught:
        read(Wanted(MAPS, str(tmp_path / "none")))
    assert caught.value.actions == ("start virtiofsd with a map of users for homes",)


def test_a_daemon_that_cannot_map_users_is_named(tmp_path: Path) -> None:
    path = daemon(tmp_path, "1.12.0")
    with pytest.raises(VirtiofsError, match=rf"a map of users needs virtiofsd 1\.13, {path} is virtiofsd 1\.12\.0"):
        read(Wanted(MAPS, path))
    assert read(Wanted((UserMap("plain", (), ()),), path)).texts == {}


@pytest.mark.parametrize(("mode", "safe"), [(0o755, os.geteuid() == 0), (0o775, False), (0o644, False)])
def test_a_script_counts_when_root_alone_can_write_to_it(tmp_path: Path, mode: int, safe: bool) -> None:
    wanted = Wanted(MAPS, daemon(tmp_path, "1.13.2"), str(tmp_path))
    ((where, text),) = scripts(str(wanted.virtiofsd), wanted).values()
    Path(where).write_text(text)
    Path(where).chmod(mode)
    assert read(wanted).texts == ({where: text} if safe else {})


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    wanted = Wanted(MAPS, daemon(tmp_path, "1.13.2"), str(tmp_path))
    ((where, _text),) = scripts(str(wanted.virtiofsd), wanted).values()
    Path(where).mkdir()
    with pytest.raises(VirtiofsError, match="is not a regular file"):
        read(wanted)


def test_the_names_are_those_of_this_machine() -> None:
    assert (ACCOUNTS.user("root"), ACCOUNTS.group("root"), ACCOUNTS.primary_group(0)) == (0, 0, 0)
    with pytest.raises(KeyError):
        ACCOUNTS.user("nobody-has-this-name")
