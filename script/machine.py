# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands need of the machine they run on: root, packages, the tools' environment, and being alone."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("VIRTIOFS_CACHE") or "/var/cache/virtio-fs")
PACKAGE_LISTS = (CHECKOUT / "script/debian-packages.txt", CHECKOUT / "molecule/lab/packages.txt")
PINNED_TOOLS = CHECKOUT / "requirements-dev.txt"

# The distribution's Python: only that one sees the distribution's python3-libvirt and python3-lxml.
PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 11)
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

NO_SERVICES = Path("/usr/sbin/policy-rc.d")
NO_SERVICES_TEXT = "#!/bin/sh\n# Written by virtio.fs: packages that are installed now start no service.\nexit 101\n"


class MachineError(Exception):
    """One sentence that tells a person what this machine lacks."""


def demand_root(command: str) -> None:
    if os.geteuid() != 0:
        raise MachineError(
            f"{command} needs root: it installs Debian packages and works with loop devices, mounts and containers. "
            f"Run: sudo {command}"
        )


@contextmanager
def alone(command: str) -> Iterator[None]:
    """Hold the machine's one lock; a second run ends with a sentence that names the first."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read().strip() or "another run"
            raise MachineError(f"{other} is at work on this machine; wait for its end") from None
        lock.truncate(0)
        lock.write(f"{command} (process {os.getpid()}, since {time.strftime('%H:%M')})")
        lock.flush()
        yield
        lock.truncate(0)


def wanted_packages(lists: tuple[Path, ...] = PACKAGE_LISTS) -> list[str]:
    words = set()
    for path in lists:
        lines = path.read_text().splitlines()
        words |= {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    return sorted(words)


def missing_packages() -> list[str]:
    """What the lists ask for and is not installed, as the lists write it."""
    if not shutil.which("dpkg-query", path=SYSTEM_PATH):
        raise MachineError("this machine has no dpkg: the commands work on Debian and Ubuntu only")
    listing = subprocess.run(
        ["/usr/bin/dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    installed = {line.split()[1] for line in listing.stdout.splitlines() if line.startswith("installed ")}
    return [word for word in wanted_packages() if word.rstrip("?") not in installed]


def available(package: str) -> bool:
    policy = subprocess.run(
        ["/usr/bin/apt-cache", "policy", package], check=True, capture_output=True, text=True, timeout=60
    )
    return "Candidate:" in policy.stdout and "Candidate: (none)" not in policy.stdout


@contextmanager
def no_service_starts() -> Iterator[None]:
    """Packages that are installed meanwhile start nothing; an administrator's own policy stays in force."""
    ours = not NO_SERVICES.exists() or NO_SERVICES.read_text() == NO_SERVICES_TEXT
    if ours:
        NO_SERVICES.write_text(NO_SERVICES_TEXT)
        NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            NO_SERVICES.unlink(missing_ok=True)


def environment_folder() -> Path:
    """The tools' environment for these pins and this interpreter, whether it was made yet or not."""
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], check=True, capture_output=True, text=True
    ).stdout
    if tuple(int(word) for word in version.split()) < OLDEST_PYTHON:
        raise MachineError(
            f"{PYTHON} is Python {'.'.join(version.split())}, and ansible-core 2.19 needs 3.11: "
            "use Debian 12, Ubuntu 24.04 or newer"
        )
    recipe = PINNED_TOOLS.read_bytes() + version.encode()
    return CACHE / f"venv-{hashlib.sha256(recipe).hexdigest()[:12]}"


def is_complete(environment: Path) -> bool:
    # The marker is written last: an interrupted run leaves an environment without it.
    return (environment / "complete").exists()


def clean_environment(tools: Path) -> dict[str, str]:
    """Environment variables for every program that is started: the tools first, and nothing of the caller's Python."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_", "PYTHON", "PY_", "PYENV_", "VIRTUAL_ENV"))
    }
    return {
        **kept,
        "PATH": f"{tools}/bin:{SYSTEM_PATH}",
        "HOME": str(home()),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIRTIOFS_CACHE": str(CACHE),
    }


def home() -> Path:
    """A home directory of the commands' own: nothing of theirs stays in the caller's."""
    return CACHE / "home"


def hand_down_pip_settings(tools: Path) -> None:
    """Write the caller's pip settings to a file: ansible-test hides environment variables from its pip."""
    listing = subprocess.run(
        [str(tools / "bin/python"), "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = {}
    for line in listing.splitlines():
        name, value = line.split("=", 1)
        if name.startswith(("global.", "install.", ":env:.")):
            settings[name.rsplit(".", 1)[-1]] = " ".join(str(ast.literal_eval(value)).split())
    settings.pop("config-file", None)
    path = home() / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[global]\n" + "".join(f"{option} = {value}\n" for option, value in settings.items()))
