# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of this machine, as far as that needs no device of our own: the rest is in the integration tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import Target
from ansible_collections.virtio.fs.plugins.module_utils._partition import read
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition, wanted


def item(**options: str) -> WantedPartition:
    return WantedPartition("data", "/shared/data", disk=options.get("disk"), device=options.get("device"))


def test_the_device_numbers_of_the_nodes_that_fstab_names() -> None:
    specs = ("/dev/null", "/dev/nowhere", "LABEL=x", "/srv")
    entries = tuple(Entry(spec, f"/{spec}", "ext4", ("rw",)) for spec in specs)
    assert read._devnums(entries) == {"/dev/null": "1:3"}


@pytest.mark.parametrize(
    ("path", "words"),
    [("/dev/nowhere", "there is no device"), ("/dev", "is a directory"), ("/dev/null", "is a character device")],
)
@pytest.mark.parametrize("option", ["disk", "device"])
def test_what_is_no_block_device(option: str, path: str, words: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^data, {option}: .*{words}"):
        read._node(item(**{option: path}))


def test_an_argument_of_mkfs_that_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = ("-E", f"discard,root_owner={os.getuid()}", str(tmp_path / "file"), "/dev/null")
    assert read._names_device(WantedPartition("data", "/shared/data", mkfs_options=options)) is None


def test_without_the_tools_nothing_is_read_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(read.command, "find", lambda program: None if program == "sfdisk" else f"/sbin/{program}")
    asked = wanted({"partitions": [{"label": "data", "image": str(tmp_path / "x.img"), "size": "1G"}]})
    with pytest.raises(NotYet) as refusal:
        read.read(Target(), asked)
    assert str(refusal.value) == "sfdisk is not installed (package fdisk), disks cannot be read"
    assert refusal.value.actions == (f"have data on {tmp_path}/x.img mounted on /shared/data",)


def test_a_mkfs_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = tuple(
        WantedPartition(label, f"/shared/{label}", state, fstype=fstype)
        for label, state, fstype in (("a", "present", "xfs"), ("b", "present", "xfs"), ("c", "absent", "btrfs"))
    )
    monkeypatch.setattr(read.command, "find", lambda program: None)
    assert read._missing(items) == ["mkfs.xfs is not installed (package xfsprogs)"]
    monkeypatch.setattr(read.command, "find", lambda program: f"/sbin/{program}")
    assert read._missing(items) == []
