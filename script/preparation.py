# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The set-up that every command begins with: Debian packages and the tools' own environment, only what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import machine
from parts import NOTHING_COUNTED, Part, PartFailed, Run, Tally

PACKAGES_SECONDS = 900
TOOLS_SECONDS = 600


def prepare(run: Run) -> Path:
    """Install what is missing, and return the tools' environment."""
    missing = machine.missing_packages()
    # An optional package that this archive does not have is no reason to ask the archive every time.
    if any(not word.endswith("?") or machine.available(word.rstrip("?")) for word in missing):
        run.part("packages", PACKAGES_SECONDS, lambda part: _install_packages(part, missing))
    tools = machine.environment_folder()
    if not machine.is_complete(tools):
        run.part("tools", TOOLS_SECONDS, lambda part: _make_environment(part, tools))
    machine.hand_down_pip_settings(tools)
    return tools


def _install_packages(part: Part, missing: list[str]) -> Tally:
    # A third-party archive that does not answer must not stop the run: whether it mattered, the installation tells.
    part.run(["apt-get", "update", "--quiet"], cwd=Path("/"), check=False)
    chosen = [word.rstrip("?") for word in missing if not word.endswith("?") or machine.available(word.rstrip("?"))]
    if not chosen:
        return NOTHING_COUNTED
    print(f"  installing {', '.join(chosen)}", flush=True)
    with machine.no_service_starts():
        part.run(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
            + ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *chosen],
            cwd=Path("/"),
            extra={"DEBIAN_FRONTEND": "noninteractive", "PATH": machine.SYSTEM_PATH},
        )
    return NOTHING_COUNTED


def _make_environment(part: Part, tools: Path) -> Tally:
    shutil.rmtree(tools, ignore_errors=True)
    here = machine.CHECKOUT
    part.run([machine.PYTHON, "-m", "venv", "--system-site-packages", tools], cwd=here)
    part.run(
        [str(tools / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["--no-deps", "--requirement", str(machine.PINNED_TOOLS)],
        cwd=here,
        # The caller's home may hold the pip settings that this machine needs.
        extra={"HOME": str(Path.home())},
    )
    part.run([tools / "bin/python", "-c", "import ansible, libvirt, lxml, pytest"], cwd=here)
    if not (tools / "bin/ansible-playbook").exists():
        raise PartFailed("the environment has no ansible-playbook")
    (tools / "complete").touch()
    return NOTHING_COUNTED
