# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in parts: each has a time limit, a log, a line of progress and a row in the closing table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

# What a part may still do after it was told to end: its own clean-up.
GRACE_SECONDS = 45
SIGN_OF_LIFE_SECONDS = 60
SHOWN_LOG_LINES = 150


class PartFailed(Exception):
    """One sentence that says why a part failed."""


class PartStopped(PartFailed):
    """A part that was ended because the one beside it had failed."""


@dataclass(frozen=True)
class Tally:
    """Tests, or checks where a part has no tests to count."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


ONE_CHECK = Tally(passed=1)
NOTHING_COUNTED = Tally()


@dataclass
class Part:
    """What a part's function works with: commands that end with the part's time, and its log."""

    name: str
    seconds: float
    log: Path
    environment: Mapping[str, str]
    live: bool = False
    begun: float = field(default_factory=time.monotonic)
    stop: threading.Event = field(default_factory=threading.Event)

    def note(self, line: str) -> None:
        with self.log.open("a") as log:
            log.write(line.rstrip("\n") + "\n")

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        cwd: Path,
        extra: Mapping[str, str] | None = None,
        into: Path | None = None,
        check: bool = True,
        each_second: Callable[[], None] | None = None,
    ) -> int:
        """Run a command with its output in the log, or its standard output in the file ``into``.

        A failure, or the end of the part's time, is a PartFailed. ``each_second`` is called while it runs.
        """
        words = [str(word) for word in argv]
        self.note(f"$ {' '.join(words)}")
        with self.log.open("a") as log, (into or Path(os.devnull)).open("w") as file:
            child = subprocess.Popen(
                words,
                cwd=cwd,
                env={**self.environment, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=file if into else log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._watch(child, Path(words[0]).name, each_second)
        except BaseException:
            end_group(child)
            raise
        if check and child.returncode != 0:
            raise PartFailed(f"{Path(words[0]).name} ended with exit status {child.returncode}")
        return child.returncode

    def _watch(self, child: subprocess.Popen[bytes], name: str, each_second: Callable[[], None] | None) -> None:
        shown = self.log.stat().st_size
        next_sign = time.monotonic() + SIGN_OF_LIFE_SECONDS
        while True:
            try:
                child.wait(1)
            except subprocess.TimeoutExpired:
                pass
            if self.live:
                shown = self._show_from(shown)
            if each_second:
                each_second()
            if child.returncode is not None:
                return
            if self.stop.is_set():
                raise PartStopped("the part beside it has failed")
            spent = time.monotonic() - self.begun
            if spent > self.seconds:
                raise PartFailed(f"{name} was not done when the part's {self.seconds:.0f} seconds were over")
            if time.monotonic() > next_sign:
                next_sign += SIGN_OF_LIFE_SECONDS
                print(f"  ... {self.name}: {spent:.0f} s", flush=True)

    def _show_from(self, offset: int) -> int:
        with self.log.open("rb") as log:
            log.seek(offset)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        for line in whole.decode("utf-8", "replace").splitlines():
            print(f"    {self.name}: {line}", flush=True)
        return offset + len(whole)

    def test_tally(self, report: Path) -> Tally:
        """What a JUnit report counts. No test at all, or a skipped one, proves nothing and is a failure."""
        if not report.exists():
            raise PartFailed("there is no report of the tests, so none was run")
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
        names = ("tests", "failures", "errors", "skipped")
        total = {name: sum(int(suite.get(name, 0)) for suite in suites) for name in names}
        failed = total["failures"] + total["errors"]
        tally = Tally(max(0, total["tests"] - failed - total["skipped"]), failed, total["skipped"])
        if total["tests"] == 0:
            raise PartFailed("no test was run")
        return tally


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End a command with all it started: asked first, so that it can clean up, then by force."""
    for number, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            pass
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        break
    try:
        os.killpg(child.pid, signal.SIGKILL)  # what the command left behind in its group
    except ProcessLookupError:
        pass


@dataclass
class Row:
    name: str
    seconds: float
    outcome: str
    tally: Tally = NOTHING_COUNTED


class Run:
    """The parts that were run, in the order of their ends; it stops at the first that fails."""

    def __init__(self, logs: Path, environment: Mapping[str, str], live: bool) -> None:
        self.logs = logs
        self.environment = environment
        self.live = live
        self.rows: list[Row] = []
        self.begun = time.monotonic()
        logs.mkdir(parents=True, exist_ok=True)

    def part(self, name: str, seconds: float, work: Callable[[Part], Tally], *, live: bool = False) -> None:
        """Run one part. Its failure is shown with the end of its log, and raised again."""
        part = self._begin(name, seconds, live)
        try:
            self._run(part, work)
        except PartFailed as error:
            _show_failure(part, error)
            raise

    def side_by_side(self, parts: Sequence[tuple[str, float, Callable[[Part], Tally]]], lanes: int = 2) -> None:
        """Run parts, a few at a time. When one fails, those beside it are ended and no other begins."""
        waiting = list(parts)
        stop = threading.Event()
        failures: list[tuple[Part, BaseException]] = []

        def lane() -> None:
            while waiting and not stop.is_set():
                name, seconds, work = waiting.pop(0)
                part = self._begin(name, seconds, live=False)
                part.stop = stop
                try:
                    self._run(part, work)
                except BaseException as error:
                    failures.append((part, error))
                    stop.set()

        threads = [threading.Thread(target=lane) for dummy in range(min(lanes, len(waiting)))]
        try:
            for thread in threads:
                thread.start()
            # Not join: when a signal breaks that off, it takes the thread for one that has ended.
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        if failures:
            part, error = failures[0]
            if isinstance(error, PartFailed):
                _show_failure(part, error)
            raise error

    def _begin(self, name: str, seconds: float, live: bool) -> Part:
        log = self.logs / f"{name}.log"
        log.write_text("")
        print(f"{name} ...", flush=True)
        return Part(name, seconds, log, self.environment, live or self.live)

    def _run(self, part: Part, work: Callable[[Part], Tally]) -> None:
        try:
            tally = work(part)
            if tally.failed or tally.skipped:
                raise _failed_tests(tally)
        except PartStopped:
            self._close(part, "stopped", NOTHING_COUNTED)
            raise
        except PartFailed as error:
            self._close(part, "FAILED", error.args[1] if len(error.args) > 1 else Tally(failed=1))
            raise
        except BaseException:
            self._close(part, "interrupted", Tally(failed=1))
            raise
        self._close(part, "ok", tally)

    def _close(self, part: Part, outcome: str, tally: Tally) -> None:
        row = Row(part.name, time.monotonic() - part.begun, outcome, tally)
        self.rows.append(row)
        print(f"{row.name}: {row.outcome}, {row.seconds:.0f} s{_counted(tally)}", flush=True)

    @property
    def tally(self) -> Tally:
        return sum((row.tally for row in self.rows), NOTHING_COUNTED)

    def summary(self, planned: Sequence[str]) -> str:
        """The closing table, with the parts that were not reached."""
        reached = {row.name for row in self.rows}
        rows = [*self.rows, *(Row(name, 0, "not run") for name in planned if name not in reached)]
        lines = [("part", "seconds", "passed", "failed", "outcome")]
        for row in [*rows, Row("all", time.monotonic() - self.begun, "", self.tally)]:
            lines.append((row.name, f"{row.seconds:.0f}", str(row.tally.passed), str(_bad(row.tally)), row.outcome))
        return table(lines)


def _bad(tally: Tally) -> int:
    return tally.failed + tally.skipped


def _failed_tests(tally: Tally) -> PartFailed:
    said = []
    if tally.failed:
        said.append(f"{tally.failed} failed")
    if tally.skipped:
        said.append(f"{tally.skipped} skipped, and a skipped test proves nothing")
    return PartFailed(f"of {tally.passed + _bad(tally)} tests {' and '.join(said)}", tally)


def _counted(tally: Tally) -> str:
    if tally in (NOTHING_COUNTED, ONE_CHECK):
        return ""
    return f", {tally.passed} passed" + (f", {_bad(tally)} failed" if _bad(tally) else "")


def _show_failure(part: Part, error: PartFailed) -> None:
    lines = part.log.read_text(errors="replace").splitlines()
    if not part.live:
        for line in lines[-SHOWN_LOG_LINES:]:
            print(f"    {line}", flush=True)
    print(f"\n{part.name} failed: {error.args[0]}. The whole log: {part.log}", flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text under a ruled head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def stop_on_signals() -> None:
    """Make the signals that end a run raise KeyboardInterrupt, so that every clean-up is reached."""

    def ignore(number: int, frame: object) -> None:
        print("  cleaning up, please wait", flush=True)

    def interrupt(number: int, frame: object) -> None:
        # A second signal must not break the clean-up off. (Not SIG_IGN: programs started later would inherit that.)
        for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(one, ignore)
        raise KeyboardInterrupt(f"signal {number}")

    for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(one, interrupt)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
