# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How mount(8) is called. What it does on real filesystems is in tests/integration/test_mounts_live.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mount import (
    alone,
    as_given,
    is_busybox,
    remount,
    users_of,
)
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Stuck, only_one
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, Completed


@pytest.mark.parametrize(("program", "call"), [("busybox", ["mount"]), ("mount", ["mount", "-c"])])
def test_busybox_gets_no_option_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, call: list[str]
) -> None:
    real = tmp_path / "real" / program
    real.parent.mkdir()
    real.touch(0o755)
    (tmp_path / "mount").symlink_to(real)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert as_given("mount") == call
    assert is_busybox("mount") == (program == "busybox")


def test_a_call_for_a_path_waits_for_the_one_before_it(tmp_path: Path) -> None:
    with only_one(str(tmp_path), 1), pytest.raises(Stuck, match=f"still waits for an answer from {tmp_path}"):
        alone(["true"], str(tmp_path), 0.1)
    alone(["true"], str(tmp_path), 5)


def test_a_call_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CommandTimeout, match=r"sleep 60 did not end within 0\.1 seconds"):
        alone(["sleep", "60"], str(tmp_path), 0.1)


def test_the_message_of_a_program_is_one_clause(tmp_path: Path) -> None:
    text = "mount: /x: bad option.\\n       dmesg(1) may have more information after failed mount system call.\\n"
    with pytest.raises(VirtiofsError) as caught:
        alone(["sh", "-c", f"printf '{text}' >&2; exit 32"], str(tmp_path), 5)
    assert str(caught.value) == "mount: /x: bad option"


def test_what_is_not_mounted_is_not_remounted(tmp_path: Path) -> None:
    with pytest.raises(VirtiofsError) as caught:
        remount(str(tmp_path), ["ro"])
    assert str(caught.value) == f"cannot change the options of {tmp_path}: nothing is mounted there"


def test_a_process_that_has_a_file_open_below_a_path_is_named(tmp_path: Path) -> None:
    assert users_of(str(tmp_path)) == ()
    with (tmp_path / "file").open("w"):
        assert [user.rpartition(" ")[2] for user in users_of(str(tmp_path))] == [f"({os.getpid()})"]


class Systemctl:
    """Stands for a systemd that has a device after it was asked some times. A real one: the scenario slow_udev."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *states: str) -> None:
        self.asked: list[str] = []
        self._states = list(states)
        monkeypatch.setattr(mount.os.path, "isdir", lambda path: True)
        monkeypatch.setattr(mount.os.path, "exists", lambda path: True)
        monkeypatch.setattr(mount, "check", self._check)
        monkeypatch.setattr(mount, "run", lambda argv, timeout: Completed(tuple(argv), self.busy, "", ""))

    busy = 0

    def _check(self, argv: list[str]) -> Completed:
        self.asked.append(argv[-1])
        return Completed(tuple(argv), 0, self._states.pop(0) + "\n", "")


def test_a_device_is_waited_for_until_systemd_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = Systemctl(monkeypatch, "inactive", "activating", "active")
    mount.wait_for_device("LABEL=data", 30)
    assert systemctl.asked == ["/dev/disk/by-label/data"] * 3


def test_a_device_that_does_not_come_is_named_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    Systemctl(monkeypatch, "inactive")
    with pytest.raises(VirtiofsError, match=r"not done with the device /dev/sdb1 after 0 seconds, and would"):
        mount.wait_for_device("/dev/sdb1", 0)


def test_an_udev_that_is_still_busy_is_not_mounted_under(monkeypatch: pytest.MonkeyPatch) -> None:
    Systemctl(monkeypatch, "active").busy = 1
    with pytest.raises(VirtiofsError, match=r"not done with the device /dev/sdb1 after 30 seconds"):
        mount.wait_for_device("/dev/sdb1", 30)


@pytest.mark.parametrize("spec", ["tmpfs", "LABEL", "host:/x", "NONSENSE=x"])
def test_what_is_no_device_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    systemctl = Systemctl(monkeypatch)
    mount.wait_for_device(spec, 30)
    assert systemctl.asked == []
