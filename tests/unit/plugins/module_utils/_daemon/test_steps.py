# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A script is written as root's own, whoever had the file before, and goes when no domain names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import MODE, RemoveScript, WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


class Domains:
    def __init__(self, binary: str = "") -> None:
        self.binary = binary

    def names_binary(self, path: str) -> bool:
        return path == self.binary


def write(path: Path) -> None:
    step = WriteScript(str(path), "exec true\n", ("direct_io",))
    if os.geteuid() == 0:
        step.apply(Domains())
        return
    # Only root can give a file to root.
    with pytest.raises(VirtiofsError, match=f"^cannot change {path}: "):
        step.apply(Domains())


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


@pytest.mark.parametrize("used", [True, False])
def test_a_script_that_was_given_to_a_domain_meanwhile_stays(tmp_path: Path, used: bool) -> None:
    path = tmp_path / "script"
    path.write_text("exec true\n")
    RemoveScript(str(path)).apply(Domains(str(path) if used else "/another"))
    assert path.exists() is used


def test_their_summaries() -> None:
    written = WriteScript("/usr/sbin/x", "", ("direct_io", "map_users")).summary
    assert written == "write /usr/sbin/x, which starts virtiofsd with direct_io and map_users"
    assert RemoveScript("/usr/sbin/x").summary == "remove /usr/sbin/x, which no share uses any more"
