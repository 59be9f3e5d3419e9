# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps on this machine, which has no such share, and the sentences for what fails."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import steps
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    Guest,
    Mount,
    StartAutomount,
    automount_unit,
    why_not_mounted,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry

# mount(8) 2.38 and Linux 6.1; mount(8) 2.41 and Linux 6.12.
_OLD = "mount: /mnt: wrong fs type, bad option, bad superblock on data, missing codepage or helper program"
_NEW = "mount: /mnt: fsconfig() failed: virtiofs: Unknown parameter 'nonsense'"


@pytest.mark.parametrize(("message", "log"), [(_OLD, ["virtiofs: Unknown parameter 'nonsense'"]), (_NEW, [])])
def test_an_option_that_the_kernel_does_not_know(message: str, log: list[str]) -> None:
    sentence = why_not_mounted("data", "/mnt", message, log)
    assert sentence == "cannot mount data on /mnt: the kernel does not know the option 'nonsense'"


def test_a_tag_that_is_not_there() -> None:
    log = ["something else", "virtio-fs: tag <data> not found"]
    assert why_not_mounted("data", "/mnt", _OLD, log).startswith("there is no share with the tag data in this guest")


def test_what_is_not_understood_is_passed_on() -> None:
    assert why_not_mounted("data", "/mnt", "mount: /mnt: out of memory", []).endswith("mount: /mnt: out of memory")


def test_a_mount_that_fails_takes_its_directories_back(tmp_path: Path) -> None:
    """No guest has this share, and most machines that run this have no virtiofs at all."""
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "new" / "media"
    step = Mount("no-such-share", str(path), ("rw",), (str(path.parent), str(path)))
    with pytest.raises(VirtiofsError, match="no-such-share"):
        step.apply(Guest("/nowhere/fstab", 1))
    assert [str(each) for each in tmp_path.rglob("*")] == [str(tmp_path / "kept")]


def test_what_a_share_hid_that_went_is_looked_at_when_it_is_mounted(tmp_path: Path) -> None:
    """When this was planned, another share was mounted above it, and had the directory."""
    path = tmp_path / "new" / "media"
    with pytest.raises(VirtiofsError, match="no-such-share") as error:
        Mount("no-such-share", str(path), ("rw",)).apply(Guest("/nowhere/fstab", 1))
    assert "does not exist" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "new").symlink_to("/etc")
    with pytest.raises(VirtiofsError, match=rf"^share no-such-share, path: {tmp_path}/new is a symbolic link"):
        Mount("no-such-share", str(path), ("rw",)).apply(Guest("/nowhere/fstab", 1))


@pytest.mark.parametrize("before", [None, "no-such-share {path} virtiofs ro 0 0\n"], ids=["no line", "another line"])
def test_an_automount_that_fails_puts_fstab_back(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "media"
    path.mkdir()
    theirs = "# theirs\ntmpfs /tmp tmpfs\n"
    old = theirs + (before or "").format(path=path)
    fstab = tmp_path / "fstab"
    # As the step before has written it; systemd has read another fstab.
    fstab.write_text(theirs + f"no-such-share {path} virtiofs rw,x-systemd.automount 0 0\n")
    was = Entry("no-such-share", str(path), "virtiofs", ("ro",)) if before else None
    with pytest.raises(VirtiofsError):
        StartAutomount("no-such-share", str(path), was, (str(path),)).apply(Guest(str(fstab), 5))
    assert fstab.read_text() == old
    assert not path.exists()


def test_the_time_is_that_of_the_run_and_a_step_gets_at_least_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(steps.time, "monotonic", lambda: now)
    guest = Guest("/nowhere/fstab", 30)
    assert (guest.seconds(), guest.is_over()) == (30, False)
    now += 28.5
    assert (guest.seconds(), guest.is_over()) == (2, False)
    now += 60
    assert (guest.seconds(), guest.is_over()) == (1, True)


def test_what_one_share_waited_another_one_does_not_wait_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps.kernel, "read_tags", frozenset)
    guest = Guest("/nowhere/fstab", 1.5)
    took = []
    for tag in ("first", "second"):
        begin = time.monotonic()
        with pytest.raises(VirtiofsError, match=f"there is no share with the tag {tag} in this guest, nor any other"):
            Mount(tag, str(tmp_path), ("rw",)).apply(guest)
        took.append(time.monotonic() - begin)
    assert took[0] > 1.4
    assert took[1] < 0.5


def test_the_unit_of_an_automount_is_that_of_systemd() -> None:
    assert automount_unit("/srv/my media-1") == "srv-my\\x20media\\x2d1.automount"
