# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A /dev that nobody keeps: no udev, and nodes that are missing or left of another device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output

# Its arguments: a directory, pairs of a node and its name in the new /dev, "--", a command.
OWN_NODES = """\
set -e
dev="$1/dev"
shift
mkdir "$dev"
mount -t tmpfs tmpfs "$dev"
cp -a /dev/null /dev/urandom /dev/loop-control "$dev"
while [ "$1" != -- ]; do cp -a "$1" "$dev/$2"; shift 2; done
shift
mount --move "$dev" /dev
exec "$@"
"""
IMPATIENT = """\
from ansible_collections.virtio.fs.plugins.module_utils._partition import gpt
import partition_once
gpt._NODE_SECONDS = 1
raise SystemExit(partition_once.main())
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


def failed_with(lab: DiskLab, item: Mapping[str, str], nodes: Mapping[str, str]) -> str:
    """The message of a run with these nodes only, by name."""
    job = lab.directory / "job.json"
    job.write_text(json.dumps({"directory": str(lab.directory), "items": [item]}))
    pairs = [word for name, node in nodes.items() for word in (node, os.path.basename(name))]
    once = [sys.executable, "-B", "-c", IMPATIENT, str(job)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", OWN_NODES, "sh", str(lab.directory), *pairs, "--", *once],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert lab.fstab.read_text() == NEIGHBOURS
    return done.stdout.strip()


@pytest.mark.parametrize("stale", [False, True])
def test_nobody_makes_the_node_of_a_new_partition(lab: DiskLab, stale: bool) -> None:
    disk, others = lab.disk(32), lab.disk(32)
    item = {"label": lab.label(), "disk": disk, "size": "16MiB"}
    before = lab.digest(others)
    message = failed_with(lab, item, {disk: disk, **({f"{disk}p1": others} if stale else {})})
    why = "no device appears, does anything keep /dev?"
    assert message == f"the kernel does not take over the partitions of {disk}: {why}"
    assert lab.digest(others) == before
    # Where there are nodes it is completed.
    lab.converged(item)


def test_the_node_of_a_partition_is_that_of_another_device(lab: DiskLab) -> None:
    disk, others = lab.disk(32), lab.disk(32)
    label = lab.label()
    subprocess.run(["sfdisk", "-q", disk], input=f'label: gpt\nsize=16M, name="{label}"\n', text=True, check=True)
    output("partx", "--update", disk)
    item = {"label": label, "disk": disk, "size": "16MiB"}
    before = lab.digest(disk), lab.digest(others)
    message = failed_with(lab, item, {disk: disk, f"{disk}p1": others})
    assert message == f"{label}: the kernel has no device for this partition"
    assert (lab.digest(disk), lab.digest(others)) == before
