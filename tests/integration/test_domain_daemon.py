# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_domain with a real daemon of libvirt that dies, hangs or comes back in the middle of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from daemon_lab import Daemon
from domain_machine import SHARED_MEMORY, machine, share, tags


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("libvirtd"))
    try:
        daemon.wait_until_it_answers()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture
def daemon(libvirtd: Daemon, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with one domain that is off."""
    (tmp_path / "vm1.xml").write_text(machine())
    libvirtd.wait_until_it_answers()
    libvirtd.virsh("define", str(tmp_path / "vm1.xml"))
    yield libvirtd
    libvirtd.wait_until_it_answers()
    if libvirtd.virsh("domstate", "vm1").strip() != "shut off":
        libvirtd.virsh("destroy", "vm1")
    libvirtd.virsh("undefine", "vm1")


def _defined(daemon: Daemon) -> list[str]:
    daemon.wait_until_it_answers()
    return tags(daemon.virsh("dumpxml", "--inactive", "vm1"))


def _one_sentence(result: dict[str, Any]) -> str:
    assert result["failed"]
    assert "\n" not in result["msg"]
    assert "Traceback" not in result["msg"]
    assert "defect" not in result["msg"]
    return str(result["msg"])


@pytest.mark.parametrize("moment", ["while_reading", "answer_lost", "after_define"])
def test_a_daemon_that_is_killed_and_comes_back_does_not_matter(daemon: Daemon, source: str, moment: str) -> None:
    result = daemon.module(shares=[share(source)], fault={"moment": moment})
    assert not result.get("failed"), result["msg"]
    assert (result["changed"], _defined(daemon)) == (True, ["data"])
    assert not daemon.module(shares=[share(source)])["changed"]


def test_what_a_killed_daemon_did_not_do_is_said_and_done_by_the_next_run(daemon: Daemon, source: str) -> None:
    result = daemon.module(shares=[share(source)], fault={"moment": "before_define"})
    assert "cannot define domain vm1" in _one_sentence(result)
    assert (result["changed"], result["actions"], _defined(daemon)) == (False, [], [])
    assert daemon.module(shares=[share(source)])["changed"]
    assert _defined(daemon) == ["data"]


def test_a_daemon_that_is_restarted_during_a_restart_of_a_domain(daemon: Daemon, source: str) -> None:
    daemon.virsh("start", "vm1")
    wanted = {"shares": [share(source)], "apply": "restart", "shutdown_timeout": 1, "force_off": True}
    result = daemon.module(**wanted, fault={"moment": "start_lost"})
    assert not result.get("failed"), result["msg"]
    assert tags(daemon.virsh("dumpxml", "vm1")) == ["data"]


def test_a_start_that_nobody_hears_of_keeps_its_definition(daemon: Daemon, source: str) -> None:
    daemon.virsh("start", "vm1")
    wanted = {"shares": [share(source)], "apply": "restart", "shutdown_timeout": 1, "force_off": True}
    said = _one_sentence(daemon.module(**wanted, fault={"moment": "start_lost", "constants": {"RETURN_SECONDS": 0}}))
    assert "whether domain vm1 runs is unknown, so its new definition stays" in said
    assert _defined(daemon) == ["data"]
    assert tags(daemon.virsh("dumpxml", "vm1")) == ["data"]
    assert not daemon.module(**wanted)["changed"]


def test_a_hot_plug_that_libvirt_cannot_save_tells_why(daemon: Daemon, source: str, tmp_path: Path) -> None:
    (tmp_path / "vm1.xml").write_text(machine(memory=SHARED_MEMORY, ports=4))
    uuid = daemon.virsh("domuuid", "vm1").strip()
    text = (tmp_path / "vm1.xml").read_text().replace("</name>", f"</name><uuid>{uuid}</uuid>", 1)
    (tmp_path / "vm1.xml").write_text(text)
    daemon.virsh("define", str(tmp_path / "vm1.xml"))
    daemon.virsh("start", "vm1")
    # libvirt writes the new definition to this file first.
    daemon.run("import os; os.mkdir('/etc/libvirt/qemu/vm1.xml.new')")
    try:
        said = _one_sentence(daemon.module(shares=[share(source)]))
    finally:
        daemon.run("import os; os.rmdir('/etc/libvirt/qemu/vm1.xml.new')")
    assert "cannot write data, which domain vm1 runs with now, to its definition: " in said
    assert "vm1.xml" in said
    assert (_defined(daemon), tags(daemon.virsh("dumpxml", "vm1"))) == ([], ["data"])
    assert daemon.module(shares=[share(source)])["changed"]
    assert _defined(daemon) == ["data"]


def test_a_daemon_that_goes_away_during_a_shutdown(source: str, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, restarts=False)
    try:
        daemon.wait_until_it_answers()
        (tmp_path / "vm1.xml").write_text(machine())
        daemon.virsh("define", str(tmp_path / "vm1.xml"))
        daemon.virsh("start", "vm1")
        fault = {"moment": "after_shutdown", "constants": {"RETURN_SECONDS": 1}}
        wanted = {"shares": [share(source)], "apply": "restart", "shutdown_timeout": 5}
        said = _one_sentence(daemon.module(**wanted, fault=fault))
        assert "domain vm1 was asked to shut down, and whether it did is unknown" in said
        assert "start it by hand" in said
        assert "libvirt did not come back within 1 seconds" in said
    finally:
        daemon.close()


def test_runs_at_the_same_time_lose_nothing(daemon: Daemon, source: str) -> None:
    names = ["a", "b", "c"]

    def run(tag: str) -> dict[str, Any]:
        return daemon.module(shares=[share(source, tag)], fault={"define_takes": 3})

    with ThreadPoolExecutor() as pool:
        results = dict(zip(names, pool.map(run, names)))
    done = [tag for tag in names if not results[tag].get("failed")]
    assert done
    assert sorted(_defined(daemon)) == done
    for tag in names:
        if tag not in done:
            assert "was changed by someone else in the meantime" in _one_sentence(results[tag])
            assert daemon.module(shares=[share(source, tag)])["changed"]
    assert sorted(_defined(daemon)) == names


def test_a_read_only_connection(daemon: Daemon, source: str) -> None:
    uri = "qemu+unix:///system?socket=/run/libvirt/libvirt-sock-ro"
    said = _one_sentence(daemon.module(shares=[share(source)], uri=uri))
    assert "cannot read domain vm1" in said
    assert _defined(daemon) == []


def test_a_daemon_that_does_not_come_back(source: str, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, restarts=False)
    try:
        daemon.wait_until_it_answers()
        (tmp_path / "vm1.xml").write_text(machine())
        daemon.virsh("define", str(tmp_path / "vm1.xml"))
        fault = {"moment": "before_define", "constants": {"RETURN_SECONDS": 2}}
        said = _one_sentence(daemon.module(shares=[share(source)], fault=fault))
        assert "libvirt did not come back within 2 seconds" in said
        assert "cannot define domain vm1" in said
    finally:
        daemon.close()


def test_a_daemon_that_hangs(daemon: Daemon, source: str) -> None:
    limits = {"KEEPALIVE_SECONDS": 1, "KEEPALIVE_COUNT": 2, "OPEN_SECONDS": 3}
    began = time.monotonic()
    try:
        fault = {"moment": "before_define", "signal": "SIGSTOP", "constants": limits}
        said = _one_sentence(daemon.module(shares=[share(source)], fault=fault, timeout=60))
    finally:
        daemon.resume()
    assert time.monotonic() - began < 40
    assert "no answer within 3 seconds" in said
    # It had been asked, and does it when it wakes up, or not: the next run sees which.
    daemon.module(shares=[share(source)])
    assert _defined(daemon) == ["data"]


def test_a_session_daemon(source: str, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, session=True)
    try:
        daemon.wait_until_it_answers()
        (tmp_path / "vm1.xml").write_text(machine())
        daemon.virsh("define", str(tmp_path / "vm1.xml"))
        result = daemon.module(shares=[share(source)])
        version = daemon.run(f"import libvirt; print(libvirt.open({daemon.uri!r}).getLibVersion())")
        if int(version) < 10_000_000:
            assert "virtiofs needs libvirt 10.0.0 in qemu:///session, this is " in _one_sentence(result)
            assert _defined(daemon) == []
        else:
            assert (result["changed"], _defined(daemon)) == (True, ["data"])
            assert not daemon.module(shares=[share(source)])["changed"]
        gone = [{"domain": "vm1", "tag": "data", "state": "absent"}]
        assert not daemon.module(shares=gone, check=True).get("failed")
        assert not daemon.module(shares=gone).get("failed")
        assert _defined(daemon) == []
        assert not daemon.module(shares=gone)["changed"]
    finally:
        daemon.close()
