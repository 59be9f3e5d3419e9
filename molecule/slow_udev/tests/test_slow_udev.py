# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""udev is slow: what is reported as mounted stays mounted, and the next run has nothing to do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from proof import mounts
from proof.playbook import Run, play

KEEP = str(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "keep.yml")
PATHS = ("/shared/proof_slow1", "/shared/proof_slow2")
# What systemd takes away when udev comes to the last event it has taken by then.
LATER_SECONDS = 45


def keep() -> Run:
    run = play(KEEP, limit="hv1")
    assert run.returncode == 0, run.output[-3000:]
    return run


@pytest.fixture(scope="session")
def made(hv1):
    """The mounts right after the first run, and later, when udev has seen everything."""
    began = time.monotonic()
    run = keep()
    print(f"made in {time.monotonic() - began:.0f} s", flush=True)
    at_once = mounts.parse(hv1.check(mounts.LIVE))
    time.sleep(LATER_SECONDS)
    hv1.check("udevadm settle --timeout=150; systemctl daemon-reload")
    return run, at_once, mounts.parse(hv1.check(mounts.LIVE))


def test_udev_was_slow(made, hv1):
    assert hv1.check("cat /etc/udev/rules.d/99-proof-slow.rules")
    (result,) = made[0].of("virtiofs_partition", "hv1")
    assert result.changed


@pytest.mark.parametrize("path", PATHS)
def test_it_is_mounted(made, path):
    assert mounts.on(made[1], path) is not None


@pytest.mark.parametrize("path", PATHS)
def test_it_stays_mounted(made, path):
    assert mounts.on(made[2], path) is not None


@pytest.mark.parametrize("path", PATHS)
def test_systemd_has_the_mount_and_no_failure(made, hv1, path):
    assert hv1.check(f"systemctl show --property=ActiveState --value {path}").strip() == "active"


def test_the_next_run_has_nothing_to_do(made):
    (result,) = keep().of("virtiofs_partition", "hv1")
    assert (result.changed, result.returned["actions"]) == (False, [])
