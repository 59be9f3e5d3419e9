# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A script is written as root's own, whoever had the file before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._user_map.steps import MODE, WriteScript


def write(path: Path) -> None:
    step = WriteScript(str(path), "exec true\n")
    if os.geteuid() == 0:
        step.apply(None)
        return
    # Only root can give a file to root.
    with pytest.raises(VirtiofsError, match=f"^cannot change {path}: "):
        step.apply(None)


def test_a_script_is_there_with_its_mode(tmp_path: Path) -> None:
    write(tmp_path / "script")
    assert (tmp_path / "script").read_text() == "exec true\n"
    if os.geteuid() == 0:
        status = (tmp_path / "script").stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (MODE, 0, 0)


@pytest.mark.parametrize(("mode", "stays"), [(0o777, False), (0o775, False), (0o755, os.geteuid() == 0)])
def test_who_has_it_open_for_writing_has_another_file_then(tmp_path: Path, mode: int, stays: bool) -> None:
    path = tmp_path / "script"
    path.write_text("exec false\n")
    path.chmod(mode)
    with path.open("r+") as theirs:
        write(path)
        same = os.fstat(theirs.fileno()).st_nlink > 0
        theirs.write("#!/bin/evil")
    assert path.read_text() == "exec true\n"
    assert not (same and not stays)


def test_its_summary() -> None:
    assert WriteScript("/usr/sbin/x", "").summary == "write /usr/sbin/x, which starts virtiofsd with a map of users"
