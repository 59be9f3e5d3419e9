# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether virtiofs_host knows that the running libvirt daemon has not read qemu.conf, also in a later run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

TASKS = Path(__file__).parents[2] / "roles/virtiofs_host/tasks/memory_file.yml"


@pytest.mark.parametrize(
    ("daemon", "edited", "unread"),
    [(-100, -50, True), (-50, -100, False), (None, -50, False), (-50, 10_000, False), (-50, None, False)],
    ids=["edited after the start", "started after the edit", "no daemon", "a clock that was wrong", "no file"],
)
def test_the_daemon_is_older_than_the_file(
    tmp_path: Path, daemon: int | None, edited: int | None, unread: bool
) -> None:
    places = {"/etc/libvirt/qemu.conf": tmp_path / "qemu.conf", "/run/libvirt/qemu/driver.pid": tmp_path / "driver.pid"}
    for place, when in zip(places.values(), (edited, daemon)):
        if when is not None:
            place.touch()
            os.utime(place, (time.time() + when,) * 2)
    tasks = {task.get("register"): task for task in yaml.safe_load(TASKS.read_text())}
    argv = tasks["__virtiofs_host_unread"]["ansible.builtin.command"]["argv"]
    assert set(places) < set(argv)
    done = subprocess.run(
        [str(places.get(word, word)) for word in argv], capture_output=True, text=True, check=False, timeout=20
    )
    assert bool(done.stdout) is unread
