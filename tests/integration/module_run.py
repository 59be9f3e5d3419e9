# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module as Ansible does: a process of its own, options in, one JSON object out."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_PROGRAM = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[2].encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.virtio.fs.plugins.modules." + sys.argv[1]).main()
"""


def run_module(name: str, options: dict[str, Any], *, check: bool = False, timeout: float = 120) -> dict[str, Any]:
    """What the module returned. Reads, as ssh does, until nobody holds the other end of the pipes."""
    given = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, name, json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.stderr == "", done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
