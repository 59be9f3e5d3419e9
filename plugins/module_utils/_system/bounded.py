# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Touch a path that may never answer, within a time limit.

When a virtiofsd dies, a process that touches its mount goes to uninterruptible sleep and survives SIGKILL.
So the touch happens in a child that is never waited for past its time, holds nothing that anybody waits
for, and keeps a lock for as long as it lives: the next run finds the lock and does not add a second one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# Yields what it learns, value by value: what was learnt before it got stuck is not lost.
Work = Callable[[], Iterable[Any]]

# A child that was killed gets this long to go. One in uninterruptible sleep does not.
_REAP_SECONDS = 1.0


class Stuck(VirtiofsError):
    """Something does not answer: the process that asked is still waiting, and cannot be ended."""


@dataclass(frozen=True)
class Outcome:
    """What a bounded child reported. ``stuck`` says why there will not be more, ``error`` that it failed."""

    values: tuple[Any, ...] = ()
    error: str | None = None
    stuck: str | None = None


@dataclass
class _Child:
    path: str
    pid: int
    report: IO[bytes]
    ended: bool = False
    killed: bool = field(default=False)


@contextlib.contextmanager
def only_one(path: str, seconds: float) -> Iterator[int]:
    """Hold the lock of everything that touches this path. Yields its descriptor, for a child to inherit.

    The lock lives with the descriptor: a child that got stuck keeps it until it ends.

    :raises Stuck: somebody else held it for all the ``seconds``.
    """
    lock = _try_lock(path, time.monotonic() + seconds)
    if lock is None:
        raise Stuck(_still_waiting(path))
    try:
        yield lock
    finally:
        _release(path, lock)


def touch(path: str, work: Work, seconds: float) -> tuple[Any, ...]:
    """Do this one piece of work on a path, in a child.

    :raises Stuck: it did not end in time, or an earlier one still has not.
    :raises VirtiofsError: the work failed with one.
    """
    (outcome,) = touch_all({path: work}, seconds).values()
    if outcome.stuck is not None:
        raise Stuck(outcome.stuck)
    if outcome.error is not None:
        raise VirtiofsError(outcome.error)
    return outcome.values


def touch_all(works: Mapping[str, Work], seconds: float) -> dict[str, Outcome]:
    """Do the work of each path in a child of its own, all at the same time, within ``seconds`` together."""
    deadline = time.monotonic() + seconds
    waiting = dict(works)
    children: dict[str, _Child] = {}
    with contextlib.ExitStack() as stack:
        pause = 0.002
        while True:
            # One path whose lock is held must not cost the others their time.
            for path in list(waiting):
                lock = _try_lock(path, 0)
                if lock is not None:
                    stack.callback(_release, path, lock)
                    report = stack.enter_context(tempfile.TemporaryFile())
                    children[path] = _Child(path, _start(waiting.pop(path), report, lock), report)
            if (_all_reaped(children.values()) and not waiting) or time.monotonic() >= deadline:
                break
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        _end(children.values())
        outcomes = {path: _outcome(child, seconds) for path, child in children.items()}
    return {path: outcomes.get(path) or Outcome(stuck=_still_waiting(path)) for path in works}


def _start(work: Work, report: IO[bytes], lock: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        os.chdir("/")
        _keep_only({report.fileno(), lock})
        _run(work, report)
        status = 0
    finally:
        # Nothing of the parent's clean-up may run here: it would remove the module's files under it.
        os._exit(status)


def _run(work: Work, report: IO[bytes]) -> None:
    try:
        for value in work():
            _send(report, {"value": value})
        _send(report, {"end": True})
    except VirtiofsError as error:
        _send(report, {"error": str(error)})
    except OSError as error:
        _send(report, {"error": f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")})
    except Exception as error:
        _send(report, {"error": f"a defect in virtio.fs, please report it: {type(error).__name__}: {error}"})


def _send(report: IO[bytes], message: Any) -> None:
    report.write(json.dumps(message).encode() + b"\n")
    report.flush()


def _keep_only(descriptors: set[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in descriptors:
            # The descriptor that listed the directory is closed already.
            with contextlib.suppress(OSError):
                os.close(int(name))


def _end(children: Collection[_Child]) -> None:
    for child in children:
        if not _reaped(child):
            child.killed = True
            os.kill(child.pid, signal.SIGKILL)
    grace = time.monotonic() + _REAP_SECONDS
    while not _all_reaped(children) and time.monotonic() < grace:
        time.sleep(0.02)


def _all_reaped(children: Collection[_Child]) -> bool:
    # Every one is asked, so that none stays a zombie because of one before it.
    return sum(_reaped(child) for child in children) == len(children)


def _reaped(child: _Child) -> bool:
    if not child.ended:
        child.ended = os.waitpid(child.pid, os.WNOHANG)[0] == child.pid
    return child.ended


def _outcome(child: _Child, seconds: float) -> Outcome:
    child.report.seek(0)
    values: list[Any] = []
    error: str | None = "the process that asked ended without an answer"
    for line in child.report.read().split(b"\n"):
        try:
            message = json.loads(line)
        except ValueError:
            # Killed in the middle of a line, or the end of the file.
            continue
        if "value" in message:
            values.append(message["value"])
        else:
            error = message.get("error")
    if child.killed:
        return Outcome(tuple(values), stuck=f"{child.path} did not answer within {seconds:g} seconds")
    return Outcome(tuple(values), error)


def _lock_name(path: str) -> str:
    directory = "/run" if os.access("/run", os.W_OK) else tempfile.gettempdir()
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    return f"{directory}/virtiofs-touch-{os.getuid()}-{digest}.lock"


def _still_waiting(path: str) -> str:
    return f"an earlier process still waits for an answer from {path}"


def _release(path: str, lock: int) -> None:
    # Not unlocked: that would take the lock from a stuck child that shares it.
    os.close(lock)
    left = _try_lock(path, 0)
    if left is not None:
        os.unlink(_lock_name(path))
        os.close(left)


def _try_lock(path: str, deadline: float) -> int | None:
    name = _lock_name(path)
    while True:
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(name, follow_symlinks=False), os.fstat(lock)):
                return lock
        except FileNotFoundError:
            # Its last holder removed the file between our open and our lock.
            pass
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                return None
            time.sleep(0.05)
        os.close(lock)
