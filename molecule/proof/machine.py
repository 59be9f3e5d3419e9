# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of the lab, seen through testinfra, with few round trips and a limit on every wait."""

from __future__ import annotations

import base64
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")

# Of ssh itself.
_NOT_REACHED = 255


@dataclass(frozen=True)
class Output:
    """What a command said."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.strip()

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


class Machine:
    """Runs shell text on one host of the inventory."""

    def __init__(self, name: str, host: Any) -> None:
        self.name = name
        self.host = host

    def __repr__(self) -> str:
        return self.name

    def sh(self, text: str, timeout: int = 60) -> Output:
        """Run shell text and return what it said, whatever its exit status.

        124 means that it did not end in time, 255 that the machine was not reached: testinfra raises an error then, and
        one that boots is asked until it answers.
        """
        try:
            result = self.host.run(f"timeout --kill-after=5 {timeout} sh -c {shlex.quote(text)}")
        except RuntimeError as error:
            result = error.args[0] if error.args else None
            if getattr(result, "rc", None) != _NOT_REACHED:
                raise
        return Output(result.rc, result.stdout, result.stderr)

    def touch(self, text: str, seconds: int = 20) -> Output:
        """Like ``sh`` for what may touch the mount of a dead virtiofsd.

        Such a program cannot be killed, and one that holds the session's pipes keeps ssh open: so it writes to files,
        and nobody waits for it past its time.
        """
        return self.sh(_abandonable(text, seconds), seconds + 30)

    def check(self, text: str, timeout: int = 60) -> str:
        """Run shell text that must succeed."""
        done = self.sh(text, timeout)
        assert done.returncode == 0, (
            f"on {self.name}, exit {done.returncode}:\n{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def read(self, facts: Mapping[str, str], timeout: int = 60) -> dict[str, str]:
        """Many facts in one round trip: a name and the shell text that prints it, for each."""
        text = "\n".join(f"{{ {command}\n}} 2>&1 | base64 -w0; echo" for command in facts.values())
        printed = self.check(text, timeout).splitlines()
        return {
            name: base64.b64decode(line).decode(errors="surrogateescape")
            for name, line in zip(facts, printed, strict=True)
        }


def _abandonable(text: str, seconds: int) -> str:
    return f"""\
box=$(mktemp -d) || exit 125
setsid sh -c {shlex.quote(text)} >"$box/out" 2>"$box/err" </dev/null &
child=$!
tries=0
while kill -0 "$child" 2>/dev/null && [ "$tries" -lt {seconds * 4} ]; do sleep 0.25; tries=$((tries + 1)); done
if kill -0 "$child" 2>/dev/null; then kill -9 "$child"; status=124; else wait "$child"; status=$?; fi
cat "$box/out"; cat "$box/err" >&2
exit "$status"
"""


def wait_until(what: str, seconds: float, test: Callable[[], object], pause: float = 0.5) -> None:
    """Wait for a condition, and say which one it was when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(pause)


def at_once(machines: Iterable[Machine], job: Callable[[Machine], Value]) -> dict[str, Value]:
    """The same job on several machines at the same time; the results by machine name."""
    everyone = list(machines)
    with ThreadPoolExecutor(max(1, len(everyone))) as pool:
        return {one.name: value for one, value in zip(everyone, pool.map(job, everyone))}
