# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of script/test: a part that hangs, does nothing or skips must not pass."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "script"))

import parts  # noqa: E402
from parts import ONE_CHECK, Part, PartFailed, Run, Tally  # noqa: E402


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part("example", 30, tmp_path / "example.log", dict(os.environ))


def _report(path: Path, **counts: int) -> Path:
    attributes = " ".join(f'{name}="{count}"' for name, count in counts.items())
    path.write_text(f"<testsuites><testsuite {attributes}/></testsuites>")
    return path


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_a_commands_output_is_in_the_log(part: Part):
    part.run(["sh", "-c", "echo out; echo err >&2"], cwd=Path("/"))
    assert part.log.read_text().splitlines() == ["$ sh -c echo out; echo err >&2", "out", "err"]


def test_a_command_that_fails_fails_the_part(part: Part):
    with pytest.raises(PartFailed, match=r"^sh ended with exit status 3$"):
        part.run(["sh", "-c", "exit 3"], cwd=Path("/"))


def test_a_command_that_hangs_is_ended_with_all_it_started(part: Part, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(parts, "GRACE_SECONDS", 1)
    part.seconds = 1
    pids = tmp_path / "pids"
    begun = time.monotonic()
    with pytest.raises(PartFailed, match=r"^sh was not done when the part's 1 seconds were over$"):
        part.run(["sh", "-c", f"trap '' TERM; sleep 60 & echo $$ $! > {pids}; wait; sleep 60"], cwd=Path("/"))
    assert time.monotonic() - begun < 20
    # One that was killed takes a moment to die on a machine with other work.
    deadline = time.monotonic() + 10
    while any(_alive(int(pid)) for pid in pids.read_text().split()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in pids.read_text().split() if _alive(int(pid))] == []


def test_a_command_gets_time_to_clean_up(part: Part, tmp_path: Path):
    part.seconds = 1
    clean = tmp_path / "clean"
    with pytest.raises(PartFailed):
        part.run(["sh", "-c", f"trap 'echo > {clean}; exit' TERM; sleep 60 & wait"], cwd=Path("/"))
    assert clean.exists()


def test_a_command_reads_nothing_from_the_terminal(part: Part):
    part.run(["sh", "-c", "cat; echo end"], cwd=Path("/"))
    assert part.log.read_text().splitlines()[-1] == "end"


def test_no_report_is_a_failure(part: Part, tmp_path: Path):
    with pytest.raises(PartFailed, match="none was run"):
        part.test_tally(tmp_path / "none.xml")


def test_no_test_is_a_failure(part: Part, tmp_path: Path):
    with pytest.raises(PartFailed, match="no test was run"):
        part.test_tally(_report(tmp_path / "report.xml", tests=0, failures=0, errors=0, skipped=0))


def test_tests_are_counted(part: Part, tmp_path: Path):
    report = _report(tmp_path / "report.xml", tests=9, failures=1, errors=2, skipped=1)
    assert part.test_tally(report) == Tally(passed=5, failed=3, skipped=1)


@pytest.mark.parametrize("tally", [Tally(passed=5, failed=1), Tally(passed=5, skipped=1)], ids=["failed", "skipped"])
def test_a_failed_or_skipped_test_stops_the_run(tally: Tally, tmp_path: Path):
    run = Run(tmp_path, {}, live=False)
    run.part("first", 5, lambda part: ONE_CHECK)
    with pytest.raises(PartFailed):
        run.part("second", 5, lambda part: tally)
    assert [(row.name, row.outcome) for row in run.rows] == [("first", "ok"), ("second", "FAILED")]
    assert run.tally == ONE_CHECK + tally


def test_the_summary_names_what_was_not_reached(tmp_path: Path):
    run = Run(tmp_path, {}, live=False)
    run.part("first", 5, lambda part: Tally(passed=7))
    assert [line.split() for line in run.summary(["first", "second"]).splitlines()] == [
        ["part", "seconds", "passed", "failed", "outcome"],
        ["-" * 40],
        ["first", "0", "7", "0", "ok"],
        ["second", "0", "0", "0", "not", "run"],
        ["all", "0", "7", "0"],
    ]


def test_an_interrupted_part_is_in_the_summary(tmp_path: Path):
    def interrupted(part: Part) -> Tally:
        raise KeyboardInterrupt

    run = Run(tmp_path, {}, live=False)
    with pytest.raises(KeyboardInterrupt):
        run.part("first", 5, interrupted)
    assert [(row.outcome, row.tally.failed) for row in run.rows] == [("interrupted", 1)]


def _sleeps(seconds: float) -> Callable[[Part], Tally]:
    def work(part: Part) -> Tally:
        part.run(["sleep", str(seconds)], cwd=Path("/"))
        return ONE_CHECK

    return work


def test_two_parts_run_beside_each_other_and_all_are_in_the_summary(tmp_path: Path):
    run = Run(tmp_path, dict(os.environ), live=False)
    met = threading.Barrier(2, timeout=20)

    def meets(part: Part) -> Tally:
        met.wait()
        return ONE_CHECK

    run.side_by_side([(name, 30, meets) for name in ("a", "b", "c", "d")])
    assert sorted((row.name, row.outcome) for row in run.rows) == [(name, "ok") for name in ("a", "b", "c", "d")]
    assert run.tally == Tally(passed=4)


def test_when_a_part_fails_the_one_beside_it_is_ended_and_no_other_begins(tmp_path: Path):
    def fails(part: Part) -> Tally:
        raise PartFailed("it is wrong")

    run = Run(tmp_path, dict(os.environ), live=False)
    begun = time.monotonic()
    with pytest.raises(PartFailed, match="it is wrong"):
        run.side_by_side([("long", 30, _sleeps(60)), ("bad", 30, fails), ("next", 30, _sleeps(60))])
    assert time.monotonic() - begun < 20
    assert [(row.name, row.outcome) for row in run.rows] == [("bad", "FAILED"), ("long", "stopped")]
    assert run.tally == Tally(failed=1)


def test_an_interruption_ends_all_that_run_beside_each_other(tmp_path: Path):
    run = Run(tmp_path, dict(os.environ), live=False)
    begun = time.monotonic()
    timer = threading.Timer(1, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.side_by_side([("one", 60, _sleeps(60)), ("two", 60, _sleeps(60)), ("three", 60, _sleeps(60))])
    assert time.monotonic() - begun < 20
    assert sorted((row.name, row.outcome) for row in run.rows) == [("one", "stopped"), ("two", "stopped")]


def test_script_test_runs_every_session_that_nox_runs_by_default():
    """One that was only in noxfile.py would guard nothing."""
    noxfile = (ROOT / "noxfile.py").read_text()
    ours = re.findall(r"^@nox\.session(?:\(name=\"([\w-]+)\"\))?\ndef (\w+)", noxfile, re.MULTILINE)
    brought = re.findall(r"^\[sessions\.(\w+)\]", (ROOT / "antsibull-nox.toml").read_text(), re.MULTILINE)
    sessions = {name or function for name, function in ours} | {name.replace("_", "-") for name in brought}
    assert len(sessions) > 5
    run = (ROOT / "script/run_tests.py").read_text()
    calls = " ".join(re.findall(r"nox\(([^)]*)\)", run))
    assert 'tests("tests/unit")' in run
    assert sorted(name for name in sessions - {"unit"} if f'"{name}"' not in calls) == []


def test_a_signal_interrupts_and_the_next_one_does_not():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        parts.stop_on_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
