# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking shares away, dead daemons and guests that say nothing: against the real QEMU driver."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from domain_machine import SHARED_MEMORY, broken_daemon, machine, share, tags
from libvirt_lab import Libvirt, embedded


def _absent(tag: str = "data", **options: bool) -> dict[str, object]:
    return {"domain": "vm1", "tag": tag, "state": "absent", **options}


def _running_with_a_share(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.domain_module(shares=[share(source)])
    libvirt.ask("start", domain="vm1")


def _kill_daemon(libvirt: Libvirt) -> None:
    root = Path(libvirt.uri.partition("root=")[2])
    (pid_file,) = (root / "run" / "qemu").glob("*-fs.pid")
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    for dummy in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or ") Z " in stat.read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the daemon does not die")


def test_a_share_leaves_a_domain_that_is_off(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.domain_module(shares=[share(source, "one"), share(source, "two")])
    assert libvirt.domain_module(shares=[_absent("one")])["changed"]
    assert tags(libvirt.config("vm1")) == ["two"]
    assert not libvirt.domain_module(shares=[_absent("one")])["changed"]


def test_exclusive_removes_what_the_list_does_not_have_and_nothing_else(libvirt: Libvirt, source: str) -> None:
    plan9 = f"<filesystem type='mount'><source dir='{source}'/><target dir='nine'/></filesystem>"
    libvirt.ask("define", xml=machine(devices=plan9))
    libvirt.ask("define", xml=machine("vm2"))
    libvirt.domain_module(shares=[share(source, "one"), share(source, "two"), share(source, "x", "vm2")])
    result = libvirt.domain_module(shares=[share(source, "two")], exclusive=True, domains=["vm2"])
    assert result["actions"] == ["define vm1: without share one", "define vm2: without share x"]
    assert tags(libvirt.config("vm1")) == ["two"]
    assert "nine" in libvirt.config("vm1")
    assert tags(libvirt.config("vm2")) == []


def test_exclusive_with_an_empty_list_wants_a_confirmation(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.domain_module(shares=[share(source)])
    refused = libvirt.domain_module(shares=[], exclusive=True, domains=["vm1"])
    assert "confirm_empty" in refused["msg"]
    assert tags(libvirt.config("vm1")) == ["data"]
    assert libvirt.domain_module(shares=[], exclusive=True, domains=["vm1"], confirm_empty=True)["changed"]
    assert tags(libvirt.config("vm1")) == []


def test_nobody_can_tell_whether_it_is_mounted(libvirt: Libvirt, source: str) -> None:
    _running_with_a_share(libvirt, source)
    before = libvirt.config("vm1")
    for check in (True, False):
        result = libvirt.domain_module(shares=[_absent()], check=check)
        assert "whether the guest has it mounted is unknown" in result["msg"]
    assert (libvirt.config("vm1"), tags(libvirt.live("vm1"))) == (before, ["data"])


@pytest.mark.parametrize("allowed", [{"force_detach": True}, {}])
def test_a_guest_that_does_not_let_go_leaves_both_halves(libvirt: Libvirt, source: str, allowed: dict) -> None:
    libvirt.ask("set", room="_libvirt.hypervisor", name="DETACH_SECONDS", value=1.0)
    _running_with_a_share(libvirt, source)
    result = libvirt.domain_module(shares=[_absent(guest_unmounted=not allowed)], **allowed)
    assert "did not release data within 1 seconds" in result["msg"]
    assert (tags(libvirt.config("vm1")), tags(libvirt.live("vm1"))) == (["data"], ["data"])


def test_only_the_definition_with_apply_config(libvirt: Libvirt, source: str) -> None:
    _running_with_a_share(libvirt, source)
    first = libvirt.domain_module(shares=[_absent()], apply="config")
    second = libvirt.domain_module(shares=[_absent()], apply="config")
    assert (first["changed"], second["changed"]) == (True, False)
    assert [entry["reason"] for entry in second["restart_required"]] == ["apply_config"]
    assert (tags(libvirt.config("vm1")), tags(libvirt.live("vm1"))) == ([], ["data"])


def test_with_a_dead_daemon_nothing_is_detached_live(libvirt: Libvirt, source: str) -> None:
    _running_with_a_share(libvirt, source)
    _kill_daemon(libvirt)
    present = libvirt.domain_module(shares=[share(source)])
    assert (present["changed"], [entry["reason"] for entry in present["restart_required"]]) == (False, ["daemon_dead"])
    result = libvirt.domain_module(shares=[_absent()], force_detach=True)
    assert result["actions"] == ["define vm1: without share data"]
    assert [entry["reason"] for entry in result["restart_required"]] == ["daemon_dead"]
    assert tags(libvirt.live("vm1")) == ["data"]
    assert not libvirt.domain_module(shares=[_absent()])["changed"]


def test_a_dead_daemon_is_seen_under_a_long_name_too(libvirt: Libvirt, source: str) -> None:
    name = "Größe-of-a-domain-name-that-libvirt-cuts"
    libvirt.ask("define", xml=machine(name, memory=SHARED_MEMORY))
    wanted = [share(source, domain=name)]
    libvirt.domain_module(shares=wanted)
    libvirt.ask("start", domain=name)
    assert libvirt.domain_module(shares=wanted)["restart_required"] == []
    _kill_daemon(libvirt)
    assert [entry["reason"] for entry in libvirt.domain_module(shares=wanted)["restart_required"]] == ["daemon_dead"]


def test_a_restart_brings_a_dead_daemon_back(libvirt: Libvirt, source: str) -> None:
    _running_with_a_share(libvirt, source)
    _kill_daemon(libvirt)
    result = libvirt.domain_module(shares=[share(source)], apply="restart", shutdown_timeout=1, force_off=True)
    assert result["actions"] == ["restart vm1 (shut down, start)"]
    assert result["restart_required"] == []


def test_a_changed_option_waits_while_nobody_can_tell(libvirt: Libvirt, source: str) -> None:
    _running_with_a_share(libvirt, source)
    wanted = [share(source, cache="always")]
    first, second = (libvirt.domain_module(shares=wanted) for dummy in range(2))
    assert first["actions"] == ["define vm1: with new cache of share data"]
    assert (second["changed"], [entry["reason"] for entry in second["restart_required"]]) == (False, ["mount_unknown"])


def test_a_hotplug_that_fails_leaves_neither_half(libvirt: Libvirt, source: str, tmp_path: Path) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.ask("start", domain="vm1")
    before = libvirt.config("vm1")
    result = libvirt.domain_module(shares=[share(source, binary=broken_daemon(tmp_path))])
    assert "cannot attach data to the running domain vm1" in result["msg"]
    assert (libvirt.config("vm1"), tags(libvirt.live("vm1"))) == (before, [])


def test_a_libvirt_that_forgot_the_shared_memory(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    wanted = [share(str(tmp_path / "source"))]
    first = embedded(tmp_path)
    first.ask("define", xml=machine(memory=SHARED_MEMORY))
    first.ask("start", domain="vm1")
    first.kill()
    # The same as a restart of libvirtd: the machine runs on, and a new driver finds it.
    again = Libvirt(first.uri, tmp_path / "again")
    try:
        result = again.domain_module(shares=wanted)
        assert [entry["reason"] for entry in result["restart_required"]] == ["no_shared_memory"]
        assert "forgot" in result["restart_required"][0]["message"]
        done = again.domain_module(shares=wanted, apply="restart", shutdown_timeout=1, force_off=True)
        assert done["restart_required"] == []
        assert tags(again.live("vm1")) == ["data"]
    finally:
        again.close()
