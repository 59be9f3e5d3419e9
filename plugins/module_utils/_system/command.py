# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command within a time limit. The only file that starts processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# A child in uninterruptible sleep ignores SIGKILL: it gets this long to die, then it is left behind.
_REAP_SECONDS = 2.0

# System tools live where an unprivileged user's PATH does not look.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandTimeout(VirtiofsError):
    """The command did not end within its time limit."""


@dataclass(frozen=True)
class Completed:
    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """The command's own words, on one line."""
        text = self.stderr.strip() or self.stdout.strip() or f"exit status {self.returncode}"
        return " ".join(text.split())


def find(name: str) -> str | None:
    """The path of a command, or None where it is not installed."""
    return shutil.which(name, path=_PATH)


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> Completed:
    """Run a command and return its output, whatever its exit status.

    ``timeout`` is in seconds. Output goes to files, never to a pipe: a child that has to be left behind
    (a process that touches the mount of a dead virtiofsd cannot be killed) then holds nothing open that
    somebody waits for, such as the pipes of an ssh session. ``keep`` are descriptors that the child is
    given all the same: a lock that it then holds for as long as it lives.

    :raises VirtiofsError: the command is not installed.
    :raises CommandTimeout: it did not end in time.
    """
    path = argv[0] if os.path.isabs(argv[0]) else find(argv[0])
    if path is None:
        raise VirtiofsError(f"the command {argv[0]} is not installed")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
        given.write(stdin.encode("utf-8", "surrogateescape"))
        given.seek(0)
        try:
            # run_command() has no time limit, and waits for whoever holds its pipes.
            child = subprocess.Popen(  # pylint: disable=ansible-bad-function
                [path, *argv[1:]],
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
                pass_fds=keep,
                cwd="/",
                env={"PATH": _PATH, "LC_ALL": "C", "HOME": "/root", **(environment or {})},
            )
        except OSError as error:
            raise VirtiofsError(f"cannot run {argv[0]}: {error.strerror}") from error
        if not _ended(child, timeout):
            _kill(child)
            raise CommandTimeout(f"{' '.join(argv)} did not end within {timeout:g} seconds")
        out.seek(0)
        err.seek(0)
        return Completed(
            tuple(argv),
            child.returncode,
            out.read().decode("utf-8", "surrogateescape"),
            err.read().decode("utf-8", "surrogateescape"),
        )


def check(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> Completed:
    """Like :func:`run`, and an exit status other than 0 is an error with the command's own message."""
    completed = run(argv, timeout=timeout, stdin=stdin, environment=environment, keep=keep)
    if completed.returncode != 0:
        raise VirtiofsError(f"{' '.join(argv)} failed: {completed.message}")
    return completed


def _ended(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _REAP_SECONDS
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if not _ended(child, max(0.0, deadline - time.monotonic())):
        # Popen would complain about a running child when it is collected.
        child.returncode = -signal.SIGKILL
