# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A touch ends in time, or is left behind without holding anything of ours, once per path."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import bounded
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import (
    Outcome,
    Stuck,
    only_one,
    touch,
    touch_all,
)
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, run


@pytest.fixture(autouse=True)
def no_lock_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Only those of this test: others may run at the same time.
    name = bounded._lock_name
    used = {name(str(tmp_path))}

    def recorded(path: str) -> str:
        used.add(name(path))
        return name(path)

    monkeypatch.setattr(bounded, "_lock_name", recorded)
    yield
    assert [lock for lock in used if os.path.exists(lock)] == []


def test_values_come_back_in_order(tmp_path: Path) -> None:
    def work() -> Iterator[Any]:
        yield {"a": 1}
        yield "ä"

    assert touch(str(tmp_path), work, 10) == ({"a": 1}, "ä")


def test_an_error_is_one_sentence(tmp_path: Path) -> None:
    def work() -> Iterator[Any]:
        yield os.listdir(tmp_path / "missing")

    with pytest.raises(VirtiofsError, match=r"^No such file or directory: .*/missing$"):
        touch(str(tmp_path), work, 10)


def test_a_defect_does_not_pass_for_success(tmp_path: Path) -> None:
    def work() -> Iterator[Any]:
        yield dict[str, int]()["x"]

    with pytest.raises(VirtiofsError, match=r"a defect in virtio\.fs"):
        touch(str(tmp_path), work, 10)


def test_a_child_that_dies_does_not_pass_for_success(tmp_path: Path) -> None:
    def work() -> Iterator[Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    with pytest.raises(VirtiofsError, match="ended without an answer"):
        touch(str(tmp_path), work, 10)


def test_what_does_not_answer_is_given_up_in_time_and_its_first_words_are_kept(tmp_path: Path) -> None:
    def work() -> Iterator[Any]:
        yield "first"
        time.sleep(60)
        yield "second"

    started = time.monotonic()
    outcome = touch_all({str(tmp_path): work}, 0.3)[str(tmp_path)]
    assert outcome == Outcome(("first",), stuck=f"{tmp_path} did not answer within 0.3 seconds")
    assert time.monotonic() - started < 5
    with pytest.raises(Stuck, match=r"did not answer within 0\.3 seconds"):
        touch(str(tmp_path), work, 0.3)


def test_one_that_is_stuck_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    def stuck() -> Iterator[Any]:
        time.sleep(60)
        yield

    started = time.monotonic()
    outcomes = touch_all(
        {f"{tmp_path}/{number}": stuck for number in range(4)} | {f"{tmp_path}/good": lambda: ["fine"]}, 3
    )
    assert time.monotonic() - started < 30
    assert outcomes[f"{tmp_path}/good"] == Outcome(("fine",))
    assert [bool(outcome.stuck) for outcome in outcomes.values()] == [True] * 4 + [False]
    assert list(outcomes) == [*(f"{tmp_path}/{number}" for number in range(4)), f"{tmp_path}/good"]


def test_a_second_touch_waits_for_the_first_and_is_not_added_to_one_that_never_ends(tmp_path: Path) -> None:
    path = str(tmp_path)
    ran: Path = tmp_path / "ran"

    def work() -> Iterator[Any]:
        ran.touch()
        yield

    with only_one(path, 1):
        with pytest.raises(Stuck, match=f"an earlier process still waits for an answer from {path}"):
            touch(path, work, 0.2)
        assert not ran.exists()
        touch(f"{tmp_path}/another", work, 10)
    ran.unlink()
    touch(path, work, 10)
    assert ran.exists()


def test_a_lock_that_is_held_costs_the_other_paths_nothing(tmp_path: Path) -> None:
    held, free = f"{tmp_path}/held", f"{tmp_path}/free"

    def work() -> Iterator[Any]:
        time.sleep(0.3)
        yield "fine"

    with only_one(held, 1):
        outcomes = touch_all({held: work, free: work}, 2)
    assert outcomes[held].stuck == f"an earlier process still waits for an answer from {held}"
    assert outcomes[free] == Outcome(("fine",))


def test_a_child_left_behind_keeps_the_lock_until_it_ends(tmp_path: Path) -> None:
    path = str(tmp_path)
    with only_one(path, 1) as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    try:
        for dummy in range(2):
            with pytest.raises(Stuck), only_one(path, 0.2):
                pass
    finally:
        child.kill()
        child.wait()
    with only_one(path, 1):
        pass


def test_a_command_can_be_given_the_lock(tmp_path: Path) -> None:
    with only_one(str(tmp_path), 1) as lock:
        listed = run(["ls", "-l", "/proc/self/fd"], keep=[lock]).stdout
        with pytest.raises(CommandTimeout):
            run(["sleep", "60"], keep=[lock], timeout=0.2)
    assert "virtiofs-touch-" in listed


def test_two_runs_at_once_do_the_work_one_after_the_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"""
import os, time
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import touch
def work():
    with open({str(log)!r}, "a") as file:
        file.write("in\\n"); file.flush(); time.sleep(0.02); file.write("out\\n")
    yield
for dummy in range(5):
    touch({str(tmp_path)!r}, work, 20)
"""
    children = [subprocess.Popen([sys.executable, "-c", program], env=os.environ.copy()) for dummy in range(3)]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    assert log.read_text().split() == ["in", "out"] * 15


def test_a_child_holds_no_pipe_of_the_session(tmp_path: Path) -> None:
    program = f"""
import time
from ansible_collections.virtio.fs.plugins.module_utils._system import bounded
bounded._REAP_SECONDS = 0
bounded.os.kill = lambda pid, signal: print(pid, flush=True)  # as if it could not be killed
def work():
    time.sleep(60)
    yield
bounded.touch_all({{{str(tmp_path)!r}: work}}, 0.2)
"""
    started = time.monotonic()
    # Like ssh, run() reads until nobody holds the other end of the pipe.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert time.monotonic() - started < 10
    assert done.stderr == ""
    os.kill(int(done.stdout), signal.SIGKILL)
    with only_one(str(tmp_path), 5):
        pass


def test_the_child_keeps_no_other_descriptor(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)

    def work() -> Iterator[Any]:
        yield sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in range(200) if os.path.islink(f"/proc/self/fd/{fd}"))

    try:
        (targets,) = touch(str(tmp_path), work, 10)
    finally:
        os.close(read)
        os.close(write)
    assert [target for target in targets if not target.startswith(("/dev/null", "/tmp/", "/run/virtiofs-touch-"))] == []
