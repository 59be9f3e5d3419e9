# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fsync has confirmed in a guest is there after it lost its power, and a frozen filesystem loses nothing."""

from __future__ import annotations

import time

import pytest
from proof.exchange import crosses
from proof.machine import wait_until

HOST = "/shared/proof_journal"
GUEST = "/srv/journal"
BOOT_SECONDS = 240

# Writes numbered lines, and each number that fsync has confirmed to a file beside them, which is replaced as a whole.
WRITER = f"""\
cat >/root/proof-writer.py <<'END'
import os
journal = os.open("{GUEST}/journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
number = 0
while number < 1000000:
    os.write(journal, b"line %08d\\n" % number)
    os.fsync(journal)
    with open("{GUEST}/.confirmed", "w") as file:
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())
    os.rename("{GUEST}/.confirmed", "{GUEST}/confirmed")
    number += 1
END
setsid python3 /root/proof-writer.py >/dev/null 2>&1 </dev/null &
"""


def confirmed(hv1) -> int:
    return int(hv1.sh(f"cat {HOST}/confirmed").text or -1)


def journal(hv1) -> list[str]:
    return hv1.check(f"cat {HOST}/journal").split("\n")


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def writing(hv1, vm1):
    vm1.check(WRITER)
    wait_until("the guest writes", 60, lambda: confirmed(hv1) > 20)


@pytest.fixture(scope="session")
def frozen(writing, hv1):
    """Numbers that were confirmed when the filesystem was frozen, a little later, and after it was thawed."""
    hv1.check(f"fsfreeze --freeze {HOST}")
    try:
        at_first = confirmed(hv1)
        time.sleep(5)
        later = confirmed(hv1)
    finally:
        hv1.check(f"fsfreeze --unfreeze {HOST}")
    wait_until("the guest goes on", 60, lambda: confirmed(hv1) > later + 5)
    return at_first, later


@pytest.fixture(scope="session")
def powerless(frozen, hv1):
    """The number that was confirmed last when the guest lost its power in the middle of writing."""
    before = confirmed(hv1)
    hv1.check("virsh destroy vm1")
    number = confirmed(hv1)
    assert number >= before
    return number


@pytest.fixture(scope="session")
def started_again(powerless, hv1, vm1):
    kept = hv1.check(f"b2sum <{HOST}/journal")
    hv1.check("virsh start vm1", 120)
    wait_until("vm1 answers", BOOT_SECONDS, lambda: vm1.sh(f"mountpoint -q {GUEST}").returncode == 0, 3)
    return kept


def test_a_frozen_filesystem_holds_the_writer_up(frozen):
    at_first, later = frozen
    assert later - at_first <= 1


def test_every_confirmed_line_is_there_once_and_in_order(powerless, hv1):
    lines = journal(hv1)
    whole = lines[:-1]
    assert powerless > 20
    assert len(whole) > powerless
    assert whole == [f"line {number:08}" for number in range(len(whole))]


def test_the_line_that_was_not_confirmed_is_whole_or_a_beginning(powerless, hv1):
    last = journal(hv1)[-1]
    assert f"line {powerless + 2:08}\n".startswith(last) or last == ""


def test_the_guest_has_the_share_again_with_the_same_bytes(started_again, vm1):
    assert vm1.check(f"b2sum <{GUEST}/journal") == started_again


def test_both_sides_write_again(started_again, hv1, vm1):
    assert crosses(vm1, GUEST, hv1, HOST, "guest-to-host")
    assert crosses(hv1, HOST, vm1, GUEST, "host-to-guest")


def test_the_filesystem_behind_is_sound(started_again, hv1):
    assert "clean" in hv1.check("dumpe2fs -h $(findfs LABEL=proof_journal) 2>/dev/null | grep state")
    assert hv1.sh("dmesg | grep -i 'ext4.*error'").stdout == ""
