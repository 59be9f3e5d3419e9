# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the lab, for the tests of every scenario."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "lab")]

import keys  # noqa: E402
import topology  # noqa: E402
from proof.machine import Machine  # noqa: E402

# One handshake for all commands, and none waits for ever for a machine that is gone.
SESSION = [
    "-oControlMaster=auto",
    "-oControlPersist=60s",
    f"-oControlPath={keys.folder()}/proof-%p",
    "-oServerAliveInterval=10",
    "-oServerAliveCountMax=6",
]


@pytest.fixture(scope="session")
def machine() -> Callable[[str], Machine]:
    """A host of the lab, by its name."""
    known: dict[str, Machine] = {}

    def named(name: str) -> Machine:
        if name not in known:
            host = topology.host(name)
            options = [*keys.ssh_command(host)[1:-1], *SESSION]
            spec = f"ssh://root@127.0.0.1:{host.port}"
            known[name] = Machine(name, testinfra.get_host(spec, ssh_extra_args=shlex.join(options)))
        return known[name]

    return named


@pytest.fixture(scope="session")
def hv1(machine: Callable[[str], Machine]) -> Machine:
    return machine("hv1")


@pytest.fixture(scope="session")
def guests(machine: Callable[[str], Machine]) -> tuple[Machine, ...]:
    """The three guests of hv1."""
    return tuple(machine(name) for name in ("vm1", "vm2", "vm3"))
