# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the lab, for the tests of every scenario."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).parent))

from proof.machine import Machine
from proof.playbook import inventory_options

# Without a control path that stays, testinfra would shake hands anew for every command.
os.environ.setdefault("ANSIBLE_SSH_EXTRA_ARGS", "-o ControlPath=/run/virtiofs-proof-%r@%h:%p")

LONGEST_TEST = 900


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """No test, and no fixture that it is the first to ask for, runs for ever."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {LONGEST_TEST} seconds")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST_TEST)
    try:
        return (yield)
    finally:
        signal.alarm(0)


@pytest.fixture(scope="session")
def machine() -> Callable[[str], Machine]:
    """A host of the inventory, by its name."""
    inventory = inventory_options()[0].removeprefix("--inventory=")
    known: dict[str, Machine] = {}

    def named(name: str) -> Machine:
        if name not in known:
            known[name] = Machine(name, testinfra.get_host(f"ansible://{name}?ansible_inventory={inventory}"))
        return known[name]

    return named


@pytest.fixture(scope="session")
def hv1(machine: Callable[[str], Machine]) -> Machine:
    return machine("hv1")


@pytest.fixture(scope="session")
def guests(machine: Callable[[str], Machine]) -> tuple[Machine, ...]:
    """The three guests of hv1."""
    return tuple(machine(name) for name in ("vm1", "vm2", "vm3"))


@pytest.fixture(scope="session")
def lab_variables() -> dict[str, dict[str, Any]]:
    """The inventory's variables, by host."""
    done = subprocess.run(
        ["ansible-inventory", *inventory_options(), "--list"], capture_output=True, text=True, timeout=60, check=True
    )
    variables: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return variables
