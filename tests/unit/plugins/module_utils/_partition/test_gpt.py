# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping a table before it is changed, and which partition a name means. Changes are made in the integration tests."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition import gpt
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.tests.unit.made_up_disk import OURS


def test_a_table_is_kept_once_as_it_was_before_the_first_change(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(2**26)
    target = Target(state_directory=str(tmp_path / "state"))
    for name in ("first", "second"):
        script = f'label: gpt\nsize=8M, name="{name}"\n'
        subprocess.run(["sfdisk", "-q", str(disk)], input=script, text=True, check=True, timeout=60)
        gpt.dump(target, str(disk))
    (kept,) = (tmp_path / "state" / "tables").iterdir()
    assert target.dumps == {str(disk): str(kept)}
    assert 'name="first"' in kept.read_text()


def test_a_partition_that_the_kernel_does_not_have() -> None:
    for partition in (replace(OURS, node=None), replace(OURS, node="/dev/null", devnum="254:1")):
        with pytest.raises(VirtiofsError, match=r"^data: the kernel has no device for this partition"):
            gpt.known(partition)
