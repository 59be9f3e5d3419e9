# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A filesystem that was made by hand: the list that virtiofs_info prints must change nothing of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_lab import DiskLab

from ansible_collections.virtio.fs.plugins.filter import shares as filters
from ansible_collections.virtio.fs.plugins.module_utils._info import sources
from ansible_collections.virtio.fs.plugins.module_utils._info.adopt import as_shares
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import document, domain, facts, filesystem


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    made = DiskLab(tmp_path)
    yield made
    made.clean_up()


def command(*argv: str, stdin: str = "") -> None:
    subprocess.run(argv, input=stdin, check=True, capture_output=True, text=True, timeout=60)


def typed_by_hand(lab: DiskLab, options: str, passno: int) -> Path:
    """A partition, ext4, a label, a line in fstab and a mount, as a person types them."""
    disk, label = lab.disk(), lab.label("vm1")
    command("sfdisk", "--quiet", "--label", "gpt", disk, stdin="size=40MiB\n")
    command("partx", "--update", disk)
    command("mkfs.ext4", "-q", "-L", label, f"{disk}p1")
    path = lab.root / label
    lab.root.mkdir(mode=0o700)
    path.mkdir()
    with lab.fstab.open("a") as file:
        file.write(f"LABEL={label}  {path}  ext4  {options}  0 {passno}\n")
    command("mount", "-o", options, f"{disk}p1", str(path))
    return path


def adopted(lab: DiskLab, path: Path) -> list[dict[str, Any]]:
    mounts, entries = mountinfo.current(), fstab.entries(lab.fstab.read_text())
    state = facts(
        domain(document(filesystem("vm1", str(path)))),
        sources=(sources.read_source(str(path), mounts, entries),),
        fstab=entries,
        block_links=sources.read_block_links(mounts),
    )
    return filters.partitions(as_shares(state)[0])


@pytest.mark.parametrize(
    ("options", "passno"),
    [
        (",".join(PARTITION_OPTIONS), 2),
        ("rw,noatime,nosuid,nodev", 0),
        ("defaults", 1),
    ],
    ids=["as the role makes it", "another line", "not hardened at all"],
)
def test_the_list_changes_nothing(lab: DiskLab, options: str, passno: int) -> None:
    path = typed_by_hand(lab, options, passno)
    (item,) = adopted(lab, path)
    assert (item["path"], item["label"]) == (str(path), path.name)
    before = lab.snapshot()
    outcome = lab.run(item)
    assert not outcome.failed, outcome.msg
    assert (outcome.changed, outcome.actions, lab.snapshot()) == (False, [], before)
