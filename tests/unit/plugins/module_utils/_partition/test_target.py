# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of a run, and what it takes back: with real files."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import WriteLines
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line
from ansible_collections.virtio.fs.plugins.module_utils._partition.steps_mount import SetImmutable
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target


def free(node: Path) -> bool:
    descriptor = os.open(node, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_a_lock_that_was_loosened_is_taken_again(tmp_path: Path) -> None:
    node = tmp_path / "disk"
    node.touch()
    target = Target(fstab=str(tmp_path / "fstab"), lock_seconds=0.2)
    target.lock(str(node))
    assert not free(node)
    target.loosen(str(node))
    assert free(node)
    target.lock(str(node))
    assert not free(node)
    target.unlock(str(node))
    assert free(node)


def test_a_lock_that_somebody_took_meanwhile_is_an_error(tmp_path: Path) -> None:
    node = tmp_path / "disk"
    node.touch()
    target = Target(fstab=str(tmp_path / "fstab"), lock_seconds=0.2)
    target.lock(str(node))
    target.loosen(str(node))
    with node.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(VirtiofsError, match="is locked by another program"):
            target.lock(str(node))
    assert target.locks == {}


def test_a_directory_that_cannot_be_guarded_takes_the_lines_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount, "reload_units", lambda: None)
    fstab = tmp_path / "fstab"
    fstab.write_text("# the machine's own\n")
    target = Target(fstab=str(fstab))
    entry = Entry("LABEL=data", "/shared/data", "ext4", ("rw",))
    WriteLines((Line("data", entry),), frozenset({"/shared/data"})).apply(target)
    assert "LABEL=data" in fstab.read_text()
    with pytest.raises(VirtiofsError):
        SetImmutable(str(tmp_path / "missing")).apply(target)
    assert fstab.read_text() == "# the machine's own\n"


def test_a_line_that_is_mounted_is_not_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "reload_units", lambda: None)
    fstab = tmp_path / "fstab"
    fstab.write_text("")
    target = Target(fstab=str(fstab))
    lines = tuple(Line(name, Entry(f"LABEL={name}", f"/shared/{name}", "ext4", ("rw",))) for name in ("a", "b"))
    WriteLines(lines, frozenset({"/shared/a", "/shared/b"})).apply(target)
    target.mounted("/shared/a")
    with pytest.raises(VirtiofsError, match="it failed"), target.rollback():
        raise VirtiofsError("it failed")
    assert fstab.read_text() == "LABEL=a /shared/a ext4 rw 0 0\n"
    # Only once: what somebody wrote since stays.
    fstab.write_text("LABEL=b /shared/b ext4 rw 0 0\n")
    with pytest.raises(VirtiofsError, match="it failed"), target.rollback():
        raise VirtiofsError("it failed")
    assert fstab.read_text() == "LABEL=b /shared/b ext4 rw 0 0\n"


def test_each_dump_has_a_place_of_its_own(tmp_path: Path) -> None:
    target = Target(state_directory=str(tmp_path))
    first = Path(target.new_dump_path("/dev/mapper/a"))
    assert (first.parent, first.name.startswith("mapper!a-")) == (tmp_path / "tables", True)
    first.touch()
    assert target.new_dump_path("/dev/mapper/a") != str(first)
