# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Against a mount that really never answers: nothing hangs, and nothing piles up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unresponsive_filesystem import unresponsive_filesystem

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current, on_path
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import (
    Outcome,
    Stuck,
    only_one,
    touch,
    touch_all,
)
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import symlink_in


def _stuck_processes() -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])
        except FileNotFoundError:
            continue
        if stat.rpartition(")")[2].split()[0] == "D" and parent in (os.getpid(), 1):
            found.append(pid)
    return found


def test_a_touch_ends_in_time_and_the_second_run_adds_no_stuck_process(unresponsive: str) -> None:
    before = _stuck_processes()
    started = time.monotonic()
    with pytest.raises(Stuck, match=f"{unresponsive} did not answer within 1 seconds"):
        touch(unresponsive, lambda: [os.statvfs(unresponsive).f_bsize], 1)
    assert time.monotonic() - started < 5
    stuck = set(_stuck_processes()) - set(before)
    assert len(stuck) == 1, "the child is to be in uninterruptible sleep, else this test proves nothing"

    with pytest.raises(Stuck, match=f"an earlier process still waits for an answer from {unresponsive}"):
        touch(unresponsive, lambda: [os.statvfs(unresponsive).f_bsize], 0.5)
    assert set(_stuck_processes()) - set(before) == stuck


def test_after_the_daemon_is_gone_a_touch_is_a_clear_error_and_no_lock_is_left(tmp_path: Path) -> None:
    path = str(tmp_path)
    with unresponsive_filesystem(path) as daemon:
        with pytest.raises(Stuck):
            touch(path, lambda: [os.statvfs(path).f_bsize], 0.5)
        os.kill(daemon, 9)
        with pytest.raises(VirtiofsError, match="Transport endpoint is not connected"):
            touch(path, lambda: [os.statvfs(path).f_bsize], 10)
    with only_one(path, 5):
        pass


def test_the_others_answer_meanwhile(unresponsive: str) -> None:
    outcomes = touch_all({unresponsive: lambda: [os.statvfs(unresponsive).f_bsize], "/": lambda: ["here"]}, 1)
    assert outcomes["/"] == Outcome(("here",))
    assert outcomes[unresponsive].stuck


def test_a_process_that_leaves_a_stuck_child_behind_closes_its_session(unresponsive: str) -> None:
    program = f"""
import os
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import touch
touch({unresponsive!r}, lambda: [os.statvfs({unresponsive!r}).f_bsize], 0.5)
"""
    started = time.monotonic()
    # Reads, as ssh does, until nobody holds the other end of the pipes.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert time.monotonic() - started < 20
    assert done.stderr.rstrip().endswith(f"{unresponsive} did not answer within 0.5 seconds")


def test_mountinfo_and_the_search_for_symlinks_ask_no_filesystem(unresponsive: str) -> None:
    started = time.monotonic()
    mounted = on_path(current(), unresponsive)
    assert mounted is not None
    assert (mounted.fstype, mounted.source) == ("fuse", "unresponsive")
    assert symlink_in(unresponsive) is None
    assert time.monotonic() - started < 1
