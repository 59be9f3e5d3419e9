# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writer, on real files: the old text or the new one, and everything else about the file as it was."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files


def test_a_missing_file_reads_as_empty_and_is_made(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    assert files.read(str(path)) == ""
    assert files.edit(str(path), lambda text: text + "a\n") is True
    assert path.read_text() == "a\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["fstab"]


def test_no_change_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text("a\n")
    before = path.stat()
    assert files.edit(str(path), lambda text: text) is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_mode_and_extended_attributes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text("a\n")
    path.chmod(0o640)
    os.setxattr(path, "user.note", b"kept")
    files.edit(str(path), lambda _text: "b\n")
    assert path.read_text() == "b\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.getxattr(path, "user.note") == b"kept"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "fstab"
    target.write_text("a\n")
    link = tmp_path / "fstab"
    link.symlink_to("real/fstab")
    files.edit(str(link), lambda _text: "b\n")
    assert link.is_symlink()
    assert target.read_text() == "b\n"


def test_bytes_that_are_not_utf8_survive(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_bytes(b"# caf\xe9\x0c\xc2\x85\n")
    files.edit(str(path), lambda text: text + "x\n")
    assert path.read_bytes() == b"# caf\xe9\x0c\xc2\x85\nx\n"


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".fstab.virtiofs").write_text("half")
    files.edit(str(tmp_path / "fstab"), lambda _text: "b\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["fstab"]


def test_a_failing_change_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    path.write_text("a\n")

    def fail(_text: str) -> str:
        raise VirtiofsError("no")

    with pytest.raises(VirtiofsError, match="no"):
        files.edit(str(path), fail)
    assert path.read_text() == "a\n"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VirtiofsError, match="not a regular file"):
        files.read(str(tmp_path))


def test_a_fifo_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fstab")
    with pytest.raises(VirtiofsError, match="not a regular file"):
        files.edit(str(tmp_path / "fstab"), lambda _text: "b\n")


def test_a_lock_that_is_held_ends_in_an_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(VirtiofsError, match="locked by another process"):
            files.edit(str(tmp_path / "fstab"), lambda _text: "b\n", timeout=0.2)
        assert time.monotonic() - began < 5
    finally:
        os.close(descriptor)


def test_twenty_parallel_edits_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "fstab"
    code = (
        "import sys\n"
        "from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab\n"
        "entry = fstab.Entry('tag' + sys.argv[2], '/mnt/' + sys.argv[2], 'virtiofs', ('rw',))\n"
        "fstab.edit(sys.argv[1], lambda text: fstab.with_entry(text, entry))\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(20)]
    assert [child.wait(60) for child in children] == [0] * 20
    assert sorted(path.read_text().splitlines()) == sorted(f"tag{n} /mnt/{n} virtiofs rw 0 0" for n in range(20))


def test_what_was_written_is_on_the_disk_before_and_after_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut nothing else says whether the new file was empty, or the old one is back."""
    path = tmp_path / "fstab"
    path.write_text("a\n")
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        calls.append("fsync " + os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def renamed(source: str, destination: str) -> None:
        calls.append("rename " + Path(source).read_text())
        rename(source, destination)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    files.edit(str(path), lambda _text: "b\n")
    assert calls == ["fsync .fstab.virtiofs", "rename b\n", f"fsync {tmp_path.name}"]
