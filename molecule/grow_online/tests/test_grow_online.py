# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ext4 and its partition grow while a program writes to it; nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proof.playbook import play

KEEP = str(Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "keep.yml")
PLACE = "/shared/proof_grow"
MIB = 2**20
WRITE = f"""\
set -e
head -c 8388608 /dev/urandom >{PLACE}/data
b2sum {PLACE}/data >/run/proof-sum
setsid python3 -c '
import time
with open("{PLACE}/log", "w", buffering=1) as log:
    for number in range(100_000):
        print(number, file=log)
        time.sleep(0.05)
' </dev/null >/dev/null 2>&1 &
echo $! >/run/proof-writer
"""
SIZE = f"stat -fc '%b %S' {PLACE}"


def keep(size, *options, **extra):
    run = play(KEEP, extra={"proof_size": size, **extra}, limit="vm1", options=options)
    assert run.returncode == 0, run.output[-3000:]
    (result,) = run.of("virtiofs_partition", "vm1")
    return result


def size(vm1):
    blocks, each = vm1.check(SIZE).split()
    return int(blocks) * int(each)


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def made(vm1):
    done = keep("32MiB")
    vm1.check(WRITE)
    return done, size(vm1)


@pytest.fixture(scope="session")
def foreseen(made, vm1):
    return keep("128MiB", "--check", proof_grow=True), size(vm1)


@pytest.fixture(scope="session")
def grown(foreseen, vm1):
    before = vm1.check(f"wc -l <{PLACE}/log")
    done = keep("128MiB", proof_grow=True)
    return done, size(vm1), int(before), int(vm1.check(f"sleep 1; wc -l <{PLACE}/log"))


@pytest.fixture(scope="session")
def again(grown):
    return keep("128MiB", proof_grow=True)


@pytest.fixture(scope="session")
def checked(again, vm1):
    """The bytes, and what e2fsck says when nobody uses it any more."""
    sums = vm1.sh("b2sum --check --quiet /run/proof-sum")
    vm1.check(f"kill $(cat /run/proof-writer); sleep 1; rm /run/proof-writer; cp {PLACE}/log /run/proof-log")
    vm1.check(f"umount {PLACE}")
    return sums, vm1.sh("e2fsck -fn $(readlink -f /run/proof-disk)p1", 120)


def test_check_mode_grows_nothing_and_foresees_it(made, foreseen, grown):
    assert foreseen[1] == made[1]
    assert foreseen[0].changed
    assert foreseen[0].actions == grown[0].actions


def test_partition_and_filesystem_are_larger(made, grown):
    assert grown[0].returned["partitions"]["proof_grow"]["size"] == 128 * MIB
    assert grown[1] - made[1] > 80 * MIB


def test_the_writer_went_on(grown):
    assert grown[3] > grown[2] > 0


def test_a_second_run_changes_nothing(again):
    assert (again.changed, again.actions) == (False, [])


def test_no_byte_is_lost(checked, vm1):
    assert checked[0].returncode == 0, checked[0].stdout
    lines = vm1.check("cat /run/proof-log").split()
    assert lines == [str(number) for number in range(len(lines))]


def test_the_filesystem_is_sound(checked):
    assert checked[1].returncode == 0, checked[1].stdout
