# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs the lab: commands, processes known by pid and start time, waiting with a limit, progress."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

STARTED = time.monotonic()
PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)


class LabError(Exception):
    """One sentence that tells a person what is wrong with the lab or its machine."""


def say(sentence: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f}s] {sentence}", file=sys.stderr, flush=True)


def run(argv: Sequence[str], timeout: float = 60, stdin: str | None = None, check: bool = True) -> str:
    """Run a command to its end and return what it printed; a failure or a time-out is a LabError."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            errors="replace",
            preexec_fn=_die_with_parent,
        )
    except FileNotFoundError:
        raise LabError(f"the command {argv[0]} is missing on this machine") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"`{_shortened(argv)}` did not finish in {timeout:.0f} seconds") from None
    if check and done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()
        # apt and what calls apt: the first error is the cause.
        message = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise LabError(f"`{_shortened(argv)}` failed: {message}")
    return done.stdout


def _shortened(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) <= 160 else f"{text[:60]} ... {text[-90:]}"


def _die_with_parent() -> None:
    # An `up` that is killed must not leave a package installation behind that goes on writing.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(what: str, seconds: float, test: Callable[[], bool], pause: float = 0.3) -> float:
    """Wait for a condition; return how long it took. LabError names what did not happen."""
    begun = time.monotonic()
    while not test():
        if time.monotonic() - begun > seconds:
            raise LabError(f"{what} did not happen within {seconds:.0f} seconds")
        time.sleep(pause)
    return time.monotonic() - begun


def missing_packages() -> list[str]:
    """Debian packages from packages.txt whose command or file is not on this machine."""
    missing = []
    for line in (Path(__file__).parent / "packages.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            package, proof = line.split()
            found = Path(proof).exists() if proof.startswith("/") else _which(proof)
            if not found:
                missing.append(package)
    return missing


def _which(command: str) -> bool:
    # sudo and cron often leave the sbin directories out of PATH.
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def demand_root_and_packages() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab makes containers and loop devices, so it must run as root")
    missing = missing_packages()
    if missing:
        raise LabError(f"this machine lacks packages that the lab needs; run: apt-get install {' '.join(missing)}")


def has_kvm() -> bool:
    """Whether guests can use KVM. The device node is no proof: a paravirtual /dev/kvm opens and then hangs a guest."""
    flags = set()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags.update(line.split(":", 1)[1].split())
    return bool(flags & {"vmx", "svm"}) and Path("/dev/kvm").exists()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which a process started; with its pid this names one process for ever. None: gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def record(path: Path, pid: int) -> None:
    begun = start_time(pid)
    replace_text(path, f"{pid} {begun}\n")


def recorded(path: Path) -> int | None:
    """The recorded process, if it is still the same one."""
    try:
        pid, begun = path.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if begun != "None" and start_time(int(pid)) == int(begun) else None


def end_process(path: Path, number: int, seconds: float) -> bool:
    """Send a signal to a recorded process and wait; True when it is gone."""
    pid = recorded(path)
    if pid is None:
        return True
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    try:
        wait_until("the end of a process", seconds, lambda: recorded(path) is None, pause=0.1)
    except LabError:
        return False
    return True


def kill_process(path: Path) -> None:
    if not end_process(path, signal.SIGKILL, 15):
        raise LabError(f"process {path.read_text().split()[0]} ({path.name}) cannot be ended, not even with SIGKILL")


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.rename(path)


def in_parallel(jobs: Iterable[Callable[[], object]]) -> None:
    """Run jobs at the same time; the first error is raised after all have ended."""
    from concurrent.futures import ThreadPoolExecutor

    all_jobs = list(jobs)
    if not all_jobs:
        return
    with ThreadPoolExecutor(len(all_jobs)) as pool:
        for future in [pool.submit(job) for job in all_jobs]:
            future.result()
