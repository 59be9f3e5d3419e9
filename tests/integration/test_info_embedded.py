# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_info against the real QEMU driver, with real daemons (and no operating system in the machines)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libvirt_lab import Libvirt, embedded

from ansible_collections.virtio.fs.plugins.filter import shares as filters

_SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
_FILES = "<memoryBacking><access mode='shared'/></memoryBacking>"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libvirt]:
    libvirt = embedded(tmp_path_factory.mktemp("info"))
    yield libvirt
    libvirt.close()


@pytest.fixture
def libvirt(driver: Libvirt) -> Iterator[Libvirt]:
    yield driver
    driver.ask("clear")


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "source").mkdir()
    return str(tmp_path / "source")


def machine(*filesystems: str, name: str = "vm1", memory: str = _SHARED_MEMORY) -> str:
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>{memory}<vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{"".join(filesystems)}
<graphics type='vnc' passwd='s3cret'/></devices></domain>"""


def filesystem(source: str, tag: str = "data", more: str = "") -> str:
    return (
        "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
        f"<source dir='{source}'/><target dir='{tag}'/>{more}</filesystem>"
    )


def info(libvirt: Libvirt, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    result = libvirt.ask("module", name="virtiofs_info", arguments=arguments, check=check, diff=False)
    assert not result.get("failed"), result["msg"]
    assert result["changed"] is False
    return dict(result)


def wrong(result: dict[str, Any]) -> list[str]:
    """What is wrong, without what this machine and its old libvirt bring along."""
    usual = ("migration_blocked", "parent_open", "open_files_low")
    return [problem["what"] for problem in result["problems"] if problem["what"] not in usual]


def in_namespace(libvirt: Libvirt, *command: str) -> None:
    pid = str(libvirt._process.pid)
    subprocess.run(["nsenter", "--mount", "--target", pid, "--", *command], check=True, timeout=30)


def test_a_running_share_with_its_daemon(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source)))
    libvirt.ask("start", domain="vm1")
    result = info(libvirt)
    (domain,) = result["domains"]
    assert (domain["name"], domain["state"], domain["guest_mounts"]) == ("vm1", "running", "unknown")
    assert domain["memory"] == {"shared": True, "backing": "memfd", "shared_at_next_start": True}
    assert domain["config"] == [{"tag": "data", "source": source, "readonly": False}]
    assert (domain["drift"], domain["restart_required"]) == ([], [])
    (daemon,) = result["daemons"]
    assert (daemon["domain"], daemon["tag"], daemon["dead"], daemon["stale"]) == ("vm1", "data", False, False)
    assert daemon["files_open"] > 0
    assert daemon["files_limit"] > 0
    assert os.readlink(f"/proc/{daemon['pid']}/exe") == result["virtiofsd"]["path"]
    (there,) = result["sources"]
    assert (there["path"], there["exists"], there["size"] > 0) == (source, True, True)
    assert wrong(result) == []
    assert "s3cret" not in str(result)


def test_check_mode_tells_the_same(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source)))
    told, really = info(libvirt, check=True), info(libvirt)
    for result in (told, really):
        # Others write to this machine's disk meanwhile.
        del result["sources"][0]["free"]
    assert told == really


def test_some_domains_only_and_one_that_is_not_there(libvirt: Libvirt) -> None:
    for name in ("vm1", "vm2"):
        libvirt.ask("define", xml=machine(name=name))
    assert [domain["name"] for domain in info(libvirt, domains=["vm2"])["domains"]] == ["vm2"]
    failed = libvirt.ask("module", name="virtiofs_info", arguments={"domains": ["vm9"]}, check=False, diff=False)
    assert failed["failed"]
    assert "there is no domain vm9" in failed["msg"]


def test_what_waits_for_a_restart_is_told_as_virtiofs_domain_tells_it(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=""))
    libvirt.ask("start", domain="vm1")
    given = libvirt.domain_module(shares=[{"domain": "vm1", "tag": "data", "source": source}])
    result = info(libvirt)
    (domain,) = result["domains"]
    assert domain["restart_required"] == given["restart_required"] != []
    assert domain["drift"] == [{"tag": "data", "kind": "config_only", "options": []}]
    assert domain["memory"] == {"shared": False, "backing": "anonymous", "shared_at_next_start": True}
    assert wrong(result) == ["drift"]


def test_a_dead_daemon(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source)))
    libvirt.ask("start", domain="vm1")
    pid = info(libvirt)["daemons"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: info(libvirt)["daemons"][0]["dead"])
    result = info(libvirt)
    assert result["daemons"][0]["pid"] is None
    assert wrong(result) == ["daemon_dead"]
    assert [entry["reason"] for entry in result["domains"][0]["restart_required"]] == ["daemon_dead"]


def test_a_filesystem_that_went_away_below_the_daemon(libvirt: Libvirt, source: str) -> None:
    in_namespace(libvirt, "mount", "-t", "tmpfs", "-o", "nosuid,nodev", "share", source)
    libvirt.ask("define", xml=machine(filesystem(source)))
    libvirt.ask("start", domain="vm1")
    assert wrong(info(libvirt)) == []
    # It succeeds, although the daemon goes on writing to it.
    in_namespace(libvirt, "umount", source)
    result = info(libvirt)
    assert wrong(result) == ["stale_mount"]
    assert result["daemons"][0]["stale"]
    in_namespace(libvirt, "mount", "-t", "tmpfs", "-o", "nosuid,nodev", "share", source)
    try:
        assert wrong(info(libvirt)) == ["stale_mount"]
    finally:
        in_namespace(libvirt, "umount", source)


def test_a_mount_that_lets_guests_plant_programs(libvirt: Libvirt, source: str) -> None:
    in_namespace(libvirt, "mount", "-t", "tmpfs", "share", source)
    try:
        libvirt.ask("define", xml=machine(filesystem(source)))
        assert wrong(info(libvirt)) == ["mount_not_hardened"]
    finally:
        in_namespace(libvirt, "umount", source)


def test_a_directory_that_is_gone(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source)))
    os.rmdir(source)
    assert wrong(info(libvirt)) == ["source_missing"]


def test_a_daemon_that_is_not_there(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source, more="<binary path='/opt/none/virtiofsd'/>")))
    assert wrong(info(libvirt)) == ["daemon_missing"]


def test_memory_in_files(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(filesystem(source), memory=_FILES))
    assert info(libvirt)["domains"][0]["memory"]["backing"] == "file"


def test_the_list_it_prints_changes_nothing(libvirt: Libvirt, source: str, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    media = filesystem(str(tmp_path / "media"), "media", "<binary><cache mode='always'/></binary>")
    for name in ("vm1", "vm2"):
        libvirt.ask("define", xml=machine(filesystem(source), media, name=name))
    libvirt.ask("start", domain="vm1")
    shares = info(libvirt, as_shares=True)["as_shares"]
    assert [(item["name"], item["domains"]) for item in shares] == [("data", ["vm1", "vm2"]), ("media", ["vm1", "vm2"])]
    result = libvirt.domain_module(shares=filters.domain_shares(shares), diff=True)
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])


def test_the_list_grows_by_one_share_without_touching_the_others(libvirt: Libvirt, source: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    libvirt.ask("define", xml=machine(filesystem(source)))
    shares = info(libvirt, as_shares=True)["as_shares"]
    shares.append({"name": "new", "path": str(tmp_path / "new"), "domains": ["vm1"]})
    result = libvirt.domain_module(shares=filters.domain_shares(shares))
    assert result["actions"] == ["define vm1: with share new"]


def until(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.1)
