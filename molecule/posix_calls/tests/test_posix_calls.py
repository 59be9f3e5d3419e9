# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of POSIX end the same way through a share as on the filesystem behind it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

HOST = "/shared/proof_calls"
GUEST = "/srv/calls"
PROGRAM = (Path(__file__).parents[1] / "calls.py").read_text()
NAMES = [
    node.name
    for node in ast.parse(PROGRAM).body
    if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "case" for one in node.decorator_list)
]
RUN = "python3 - {} <<'THE END OF THE PROGRAM'\n{}\nTHE END OF THE PROGRAM\n"

# A guest's kernel and the daemon agree on these, and differ from the filesystem of the host. The mount of the guest is
# nodev like that of the host, so devices do not open on either.
OTHERWISE: dict[str, object] = {}


@pytest.fixture(scope="session")
def on_the_host(hv1):
    return json.loads(hv1.check(RUN.format(HOST, PROGRAM), 120))


@pytest.fixture(scope="session")
def in_the_guest(machine, on_the_host):
    return json.loads(machine("vm1").check(RUN.format(GUEST, PROGRAM), 600))


def test_all_cases_ran(on_the_host, in_the_guest):
    assert len(NAMES) > 40
    assert list(on_the_host) == list(in_the_guest) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_same_call_ends_the_same_way(name, on_the_host, in_the_guest):
    assert not str(on_the_host[name]).startswith("failed"), "the case itself is wrong"
    assert in_the_guest[name] == OTHERWISE.get(name, on_the_host[name])


def test_a_device_of_the_share_does_not_open(in_the_guest):
    assert in_the_guest["devices_do_not_open"] == "EACCES"


def test_nothing_stays_behind(in_the_guest, hv1):
    assert hv1.check(f"ls {HOST}").split() == ["lost+found"]
