# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mount(8) and the kernel say becomes the sentence that a person needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    Guest,
    MountShare,
    StartAutomount,
    WriteLine,
    _why_not_mounted,
    automount_unit,
    no_such_tag,
)
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry

# mount(8) 2.38 and Linux 6.1; mount(8) 2.41 and Linux 6.12.
_OLD = "mount: /mnt: wrong fs type, bad option, bad superblock on data, missing codepage or helper program"
_NEW = "mount: /mnt: fsconfig() failed: virtiofs: Unknown parameter 'nonsense'"


@pytest.mark.parametrize(("said", "log"), [(_OLD, ["virtiofs: Unknown parameter 'nonsense'"]), (_NEW, [])])
def test_an_option_that_the_kernel_does_not_know(said: str, log: list[str]) -> None:
    sentence = _why_not_mounted("data", "/mnt", said, log)
    assert sentence == "cannot mount data on /mnt: the kernel does not know the option 'nonsense'"


def test_a_tag_that_is_not_there() -> None:
    log = ["something else", "virtio-fs: tag <data> not found"]
    assert _why_not_mounted("data", "/mnt", _OLD, log).startswith("there is no share with the tag data in this guest")


def test_what_is_not_understood_is_passed_on() -> None:
    assert _why_not_mounted("data", "/mnt", "mount: /mnt: out of memory", []).endswith("mount: /mnt: out of memory")


def test_the_tags_that_are_there_are_named_where_the_kernel_tells() -> None:
    assert "only a, b: add the share" in no_such_tag("x", frozenset({"b", "a"}))
    assert "nor any other" in no_such_tag("x", frozenset())
    assert "does not tell" in no_such_tag("x", None)


def test_a_line_of_somebody_else_that_came_meanwhile_stays(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    theirs = "host:/x /srv//media/ nfs ro 0 0\n"
    fstab.write_text(theirs)
    step = WriteLine(Entry("media", "/srv/media", "virtiofs", ("rw",)), str(fstab))
    with pytest.raises(VirtiofsError, match=r"meanwhile has a line for host:/x \(nfs\) on /srv/media"):
        step.apply(Guest(str(fstab), 1))
    assert fstab.read_text() == theirs


def test_a_mount_that_fails_takes_its_directories_back(tmp_path: Path) -> None:
    """No guest has this share, and most machines that run this have no virtiofs at all."""
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "new" / "media"
    step = MountShare("no-such-share", str(path), ("rw",), (str(path.parent), str(path)))
    with pytest.raises(VirtiofsError, match="no-such-share"):
        step.apply(Guest("/nowhere/fstab", 1))
    assert [str(each) for each in tmp_path.rglob("*")] == [str(tmp_path / "kept")]


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


def test_the_unit_of_an_automount_is_that_of_systemd() -> None:
    assert automount_unit("/srv/my media-1") == "srv-my\\x20media\\x2d1.automount"
