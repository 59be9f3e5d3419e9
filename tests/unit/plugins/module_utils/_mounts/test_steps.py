# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that a hypervisor and a guest share, on real files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import steps
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import (
    MakeDirectory,
    ReadUnits,
    Remount,
    RemoveLines,
    Target,
    WriteLines,
)
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import only_one

_MEDIA = Entry("media", "/srv/media", "virtiofs", ("rw",))
_DATA = Entry("LABEL=data", "/shared/data", "ext4", ("rw", "nofail"))
_OTHERS = "# the machine's own\nUUID=1 / ext4 defaults 0 1\n"


@dataclass(frozen=True)
class _Line:
    entry: Entry

    def written_to(self, text: str) -> str:
        if "taken" in text:
            raise VirtiofsError("taken meanwhile")
        return with_entry(text, self.entry)


class _Machine(Target):
    def __init__(self, fstab: Path) -> None:
        self.fstab = str(fstab)
        self.events: list[str] = []

    def seconds(self) -> float:
        return 0.1

    @contextlib.contextmanager
    def rollback(self) -> Iterator[None]:
        try:
            yield
        except VirtiofsError:
            self.events.append("rolled back")
            raise

    def lines_written(self, before: str, step: WriteLines) -> None:
        self.events.append(f"{len(step.lines)} lines after {len(before)} bytes")

    def mounted(self, mount_point: str) -> None:
        self.events.append(f"mounted {mount_point}")


@pytest.fixture
def machine(tmp_path: Path) -> _Machine:
    fstab = tmp_path / "fstab"
    fstab.write_text(_OTHERS)
    return _Machine(fstab)


def test_all_lines_are_written_at_once_and_the_target_gets_the_text_before(machine: _Machine) -> None:
    step = WriteLines((_Line(_MEDIA), _Line(_DATA)), frozenset({"/shared/data"}))
    assert step.summary == "write the fstab lines of media on /srv/media, LABEL=data on /shared/data"
    step.apply(machine)
    text = "media /srv/media virtiofs rw 0 0\nLABEL=data /shared/data ext4 rw,nofail 0 0\n"
    assert Path(machine.fstab).read_text() == _OTHERS + text
    step.apply(machine)
    assert machine.events == [f"2 lines after {len(_OTHERS)} bytes"]


def test_a_line_that_cannot_be_written_keeps_all_of_them_out(machine: _Machine) -> None:
    taken = replace(_MEDIA, spec="taken", path="/srv/taken")
    with pytest.raises(VirtiofsError, match="taken meanwhile"):
        WriteLines((_Line(_MEDIA), _Line(taken), _Line(_DATA))).apply(machine)
    assert Path(machine.fstab).read_text() == _OTHERS
    assert machine.events == []


def test_lines_are_removed_by_what_they_mean_and_no_others(machine: _Machine) -> None:
    fstab = Path(machine.fstab)
    fstab.write_text(_OTHERS + "media\t/srv/media virtiofs rw # ours\nmedia /srv/other virtiofs rw\n")
    step = RemoveLines((_MEDIA,))
    assert step.summary == "remove the fstab line of media on /srv/media"
    step.apply(machine)
    assert fstab.read_text() == _OTHERS + "media /srv/other virtiofs rw\n"


def test_what_systemd_refuses_is_undone_by_the_target(machine: _Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise VirtiofsError("refused")

    monkeypatch.setattr(steps.mount, "reload_units", refused)
    with pytest.raises(VirtiofsError, match="refused"):
        ReadUnits().apply(machine)
    assert machine.events == ["rolled back"]


def test_a_remount_names_every_choice_and_what_is_fixed_only_when_told_to() -> None:
    options = ("ro", "_netdev", "data=journal")
    assert Remount("/srv", options).summary == (
        "change the options of /srv to ro,suid,dev,exec,relatime,diratime,async,nolazytime"
    )
    assert Remount("/srv", options, fixed=True).summary.endswith("nolazytime,data=journal")


def test_a_remount_that_fails_is_undone_by_the_target(machine: _Machine, tmp_path: Path) -> None:
    with pytest.raises(VirtiofsError, match="nothing is mounted there"):
        Remount(str(tmp_path), ("ro",)).apply(machine)
    assert machine.events == ["rolled back"]


def test_a_remount_that_does_not_answer_says_what_to_do_about_it(machine: _Machine) -> None:
    machine.remedy = "restart it"
    with only_one("/proc", 5), pytest.raises(VirtiofsError) as caught:
        Remount("/proc", ("rw",)).apply(machine)
    assert str(caught.value) == (
        "cannot change the options of /proc: an earlier process still waits for an answer from /proc; restart it"
    )


def test_a_directory_gets_its_mode_whatever_the_umask(machine: _Machine, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        MakeDirectory(str(tmp_path / "a"), 0o750).apply(machine)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o750
    # Another run was faster, and its mode is not this one's to change.
    MakeDirectory(str(tmp_path / "a")).apply(machine)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o750


def test_a_directory_that_cannot_be_made_is_named(machine: _Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VirtiofsError, match=f"cannot make the directory {tmp_path}/file/a: "):
        MakeDirectory(f"{tmp_path}/file/a").apply(machine)
