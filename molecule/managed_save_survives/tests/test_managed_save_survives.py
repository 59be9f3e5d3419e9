# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest is saved with a file open that is deleted: it does not start, is named, is repaired, and goes on.

With migration_on_error from the beginning it starts at once. On the hypervisor of Debian 13 and on that of sid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from proof.machine import Machine, wait_until
from proof.playbook import Run, play

SOURCE = "/srv/proof/saved"
MOUNT = "/srv/saved"
SCRIPTS = "ls /usr/sbin | grep ^virtiofsd-with- | sort"
START_SECONDS = 120
# Holds two files open, one of them deleted, and answers what it reads of each when it is asked by a signal file.
HOLDER = f"""
import os, time
kept, lost = (os.open('{MOUNT}/' + name, os.O_RDWR | os.O_CREAT) for name in ('kept', 'lost'))
os.write(kept, b'kept'); os.write(lost, b'lost'); os.fsync(kept); os.fsync(lost)
os.unlink('{MOUNT}/lost')
open('/run/holding', 'w').close()
while not os.path.exists('/run/answer'):
    time.sleep(0.2)
def read(descriptor):
    try:
        return os.pread(descriptor, 9, 0).decode()
    except OSError as error:
        return os.strerror(error.errno)
with open('/run/answered', 'w') as file:
    file.write(read(kept) + ',' + read(lost))
"""


@dataclass(frozen=True)
class Side:
    """A hypervisor with its guest."""

    host: Machine
    guest: Machine
    groups: dict[str, Any]

    def play(self, playbook: str, *options: str, share: dict[str, Any] | None = None, **more: Any) -> Run:
        listed = {"name": "saved", "path": SOURCE, "mount": MOUNT, "domains": [self.guest.name], **(share or {})}
        extra = {**self.groups, "virtiofs_host_shares": [listed], "virtiofs_host_apply": "restart", **more}
        limit = (
            self.host.name if more.get("virtiofs_host_repair_managed_save") else f"{self.host.name},{self.guest.name}"
        )
        return play(playbook, extra=extra, limit=limit, options=options)

    def hold(self) -> str:
        """Have a program in the guest hold the files, and return by what its boot is known."""
        self.guest.check("rm -f /run/holding /run/answer /run/answered")
        self.guest.check(
            f"cat >/run/holder.py <<'END'\n{HOLDER}\nEND\nsetsid python3 /run/holder.py >/dev/null 2>&1 </dev/null &"
        )
        wait_until("the files are held", 60, lambda: self.guest.sh("test -e /run/holding").returncode == 0)
        return self.guest.check("cat /proc/sys/kernel/random/boot_id")

    def answer(self) -> str:
        wait_until("the guest answers again", START_SECONDS, lambda: self.guest.sh("touch /run/answer").returncode == 0)
        wait_until("its program answers", 60, lambda: self.guest.sh("test -s /run/answered").returncode == 0)
        return self.guest.check("cat /run/answered")

    def save(self) -> None:
        # The session would be taken for one that still answers.
        self.host.check(f"virsh managedsave {self.guest.name}", timeout=300)

    def start(self) -> Any:
        return self.host.sh(f"virsh start {self.guest.name}", timeout=START_SECONDS)

    def info(self) -> Any:
        run = self.play("virtio.fs.report")
        return next(one.returned for one in run.of("virtiofs_info", self.host.name))


@pytest.fixture(scope="module", params=["Debian 13", "sid"])
def side(request: pytest.FixtureRequest, machine: Callable[[str], Machine]) -> Side:
    if request.param == "sid":
        return Side(machine("hv3"), machine("new1"), {"virtiofs_hypervisors": "hv3", "virtiofs_guests": "new1"})
    return Side(machine("hv1"), machine("vm3"), {})


@dataclass(frozen=True)
class Told:
    """What was seen on the way."""

    boot: str
    warned: list[str]
    definition: str
    first_start: Any
    problems: list[dict[str, Any]]
    refused: Run
    checked: Run
    repaired: Run
    again: Run
    second_start: Any
    answer: str
    boot_after: str


@pytest.fixture(scope="module")
def told(side: Side) -> Told:
    run = side.play("virtio.fs.share")
    assert run.returncode == 0, run.output[-3000:]
    boot = side.hold()
    warned = [one["what"] for one in side.info()["problems"]]
    definition = side.host.check(f"virsh dumpxml {side.guest.name} --inactive")
    side.save()
    first_start = side.start()
    problems = side.info()["problems"]
    refused = side.play("virtio.fs.share", share={"readonly": True}, virtiofs_host_repair_managed_save=True)
    checked = side.play("virtio.fs.share", "--check", virtiofs_host_repair_managed_save=True)
    repaired = side.play("virtio.fs.share", virtiofs_host_repair_managed_save=True)
    again = side.play("virtio.fs.share", virtiofs_host_repair_managed_save=True)
    second_start = side.start()
    answer = side.answer() if second_start.returncode == 0 else ""
    boot_after = side.guest.sh("cat /proc/sys/kernel/random/boot_id").stdout
    return Told(
        boot,
        warned,
        definition,
        first_start,
        problems,
        refused,
        checked,
        repaired,
        again,
        second_start,
        answer,
        boot_after,
    )


def test_a_save_that_may_not_start_is_told_before(told: Told) -> None:
    assert "save_may_not_start" in told.warned


def test_the_save_does_not_start(told: Told) -> None:
    assert told.first_start.returncode != 0
    assert "load of migration failed" in told.first_start.stderr


def test_it_is_named_with_its_remedy(told: Told) -> None:
    (problem,) = [one for one in told.problems if one["what"] == "saved_with_shares"]
    assert problem["message"].startswith("it is saved since ")
    assert "(saved)" in problem["message"]
    assert "virtiofs_host_repair_managed_save" in problem["remedy"]


def test_a_change_of_its_definition_is_refused_meanwhile(told: Told) -> None:
    (failure,) = told.refused.failures()
    assert "has a managed save image, which it would start from without the change" in failure.message


def test_the_repair_is_what_check_mode_has_told_and_is_done_once(side: Side, told: Told) -> None:
    (checked,), (done,), (again,) = (
        run.of("virtiofs_domain", side.host.name) for run in (told.checked, told.repaired, told.again)
    )
    assert done.actions == checked.actions
    assert done.actions[-1] == (
        f"have the managed save image of {side.guest.name} start although a file of saved is lost"
    )
    assert (again.changed, again.actions) == (False, [])


def test_it_starts_and_goes_on_and_only_the_lost_file_gives_an_error(told: Told) -> None:
    assert told.second_start.returncode == 0, told.second_start.stderr
    assert told.answer == "kept,Input/output error"
    assert told.boot_after == told.boot


def test_its_definition_is_as_it_was(side: Side, told: Told) -> None:
    assert side.host.check(f"virsh dumpxml {side.guest.name} --inactive") == told.definition


def test_it_reads_and_writes_both_ways_afterwards(side: Side, told: Told) -> None:
    side.guest.check(f"echo of the guest >{MOUNT}/after")
    assert side.host.check(f"cat {SOURCE}/after") == "of the guest\n"
    side.host.check(f"echo of the host >{SOURCE}/after")
    assert side.guest.check(f"dd if={MOUNT}/after iflag=direct status=none || cat {MOUNT}/after") == "of the host\n"


def test_with_the_option_from_the_beginning_it_starts_at_once(side: Side, told: Told) -> None:
    run = side.play("virtio.fs.share", share={"migration_on_error": "guest-error"})
    assert run.returncode == 0, run.output[-3000:]
    # Only the new script is named now: nothing is saved any more, and the domain was started with it.
    assert len(side.host.check(SCRIPTS).split()) == 1
    boot = side.hold()
    assert "save_may_not_start" not in [one["what"] for one in side.info()["problems"]]
    side.save()
    started = side.start()
    assert started.returncode == 0, started.stderr
    assert side.answer() == "kept,Input/output error"
    assert side.guest.check("cat /proc/sys/kernel/random/boot_id") == boot
