# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many processes virtiofs_partition starts where nothing is to be done: as many for twenty items as for a few."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_lab import DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.disk import read_label_owners
from ansible_collections.virtio.fs.plugins.module_utils._system import command

_COUNT = 20


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as lab:
        yield lab


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The commands that are really started, by name."""
    counted: Counter[str] = Counter()
    popen = subprocess.Popen

    def noted(argv: list[str], **options: Any) -> Any:
        counted[os.path.basename(argv[0])] += 1
        return popen(argv, **options)

    monkeypatch.setattr(command.subprocess, "Popen", noted)
    return counted


def partitions(lab: DiskLab) -> list[dict[str, Any]]:
    disk = lab.disk(16 + 9 * _COUNT)
    return [{"label": lab.label(f"p{number}"), "disk": disk, "size": "8MiB"} for number in range(_COUNT)]


def images(lab: DiskLab) -> list[dict[str, Any]]:
    return [
        {"label": lab.label(f"i{number}"), "image": str(lab.directory / f"{number}.img"), "size": "8MiB"}
        for number in range(4)
    ]


def devices(lab: DiskLab) -> list[dict[str, Any]]:
    return [{"label": lab.label(f"d{number}"), "device": lab.disk(8)} for number in range(4)]


@pytest.mark.parametrize("made", [partitions, images, devices])
def test_the_items_share_the_processes(lab: DiskLab, started: Counter[str], made: Any) -> None:
    items = made(lab)
    done = lab.undisturbed(*items)
    assert not done.failed, done.msg
    # One more for each device of this machine that holds nothing.
    started.clear()
    read_label_owners(["none"])
    strange = started["blkid"] - 1
    started.clear()
    again = lab.run(*items)
    assert (again.failed, again.changed) == (False, False), again.values
    assert sum(started.values()) - strange <= 10, started
    assert set(started) <= {"blkid", "wipefs", "sfdisk", "losetup"}
    assert started["blkid"] - strange <= 3
    assert started["wipefs"] <= 2


def test_what_a_partition_holds_is_seen_whatever_its_neighbours_hold(lab: DiskLab) -> None:
    """blkid ends at the first device that it knows nothing of, and has to be asked again."""
    items = [{"label": lab.label(f"p{number}"), "disk": lab.disk(20), "size": "8MiB"} for number in range(3)]
    done = lab.undisturbed(*items)
    assert not done.failed, done.msg
    output("umount", str(lab.root / str(items[0]["label"])))
    output("wipefs", "-aq", f"{items[0]['disk']}p1")
    output("dd", "if=/dev/zero", f"of={items[0]['disk']}p1", "bs=1M", "count=8", "conv=fsync")
    owned = lab.disk(8)
    output("mkfs.ext4", "-q", "-L", str(items[2]["label"]), owned)
    message = lab.refused(*items[1:])
    assert str(items[2]["label"]) in message
    assert owned in message
