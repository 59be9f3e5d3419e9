# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, without containers and without ignore files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import machine
from parts import Part, PartFailed, Tally

# The pip that each supported ansible-core wants to bootstrap: 2.19; 2.20 and 2.21.
BOOTSTRAPPED_PIPS = ("24.2", "25.2")

# ansible-test would download a script for this, from a place that is no package registry.
BOOTSTRAP = '''\
"""Stands in for get-pip.py: Python's own ensurepip, then the version that is asked for."""
import ensurepip
import subprocess
import sys

ensurepip.bootstrap()
# Options that only get-pip.py has.
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]))
'''

STARTED = re.compile(r'^Running sanity test "([a-z-]+)"', re.MULTILINE)
FAILED = re.compile(r"FATAL: The \d+ sanity test\(s\) listed below \(out of \d+\) failed[^\n]*\n(.*)", re.DOTALL)


def check(part: Part, collection: Path) -> Tally:
    """Run all tests with the tools' Python. ``collection`` must be a real directory, not a symlink."""
    folder = machine.home() / ".ansible/test/cache"
    folder.mkdir(parents=True, exist_ok=True)
    for version in BOOTSTRAPPED_PIPS:
        (folder / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    returncode = part.run(
        ["ansible-test", "sanity", "--local", "--python", python, "--color", "no"], cwd=collection, check=False
    )
    log = part.log.read_text(errors="replace")
    run = set(STARTED.findall(log))
    failed = FAILED.search(log)
    if failed:
        names = failed.group(1).split()
        raise PartFailed(f"sanity tests failed: {', '.join(names)}", Tally(len(run) - len(names), len(names)))
    if returncode != 0:
        raise PartFailed(f"ansible-test ended with exit status {returncode}")
    if not run:
        raise PartFailed("no sanity test was run")
    return Tally(len(run))
