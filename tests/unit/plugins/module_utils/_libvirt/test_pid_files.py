# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemons are dead, as their pid files, their processes and their locks tell."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.pid_files import DaemonFiles, state_directory
from ansible_collections.virtio.fs.tests.unit.domain_documents import VIRTIOFS, domain_xml

LIVE = Document(
    domain_xml(VIRTIOFS.format("data", "", "", "<alias name='fs0'/>"))
    .replace("<domain ", "<domain id='7' ")
    .replace("<name>vm1", "<name>a-name-of-more-than-20-characters")
)
# libvirt cuts the name.
FILE = "7-a-name-of-more-than--fs0-fs.pid"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock on its pid file, as libvirt's children do."""
    code = (
        "import fcntl, os, sys\n"
        "file = open(sys.argv[1], 'w')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print(os.getpid(), file=file, flush=True)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.kill()


def test_a_daemon_that_runs_is_not_dead(tmp_path: Path, daemon: subprocess.Popen[str]) -> None:
    files = DaemonFiles(str(tmp_path))
    assert files.dead(LIVE) == frozenset()
    assert files.pids(LIVE) == {"data": daemon.pid}


def test_a_daemon_that_was_killed_is_dead(tmp_path: Path, daemon: subprocess.Popen[str]) -> None:
    daemon.kill()
    daemon.wait(30)
    assert DaemonFiles(str(tmp_path)).dead(LIVE) == {"data"}


def test_a_daemon_that_nobody_reaped_is_dead(tmp_path: Path, daemon: subprocess.Popen[str]) -> None:
    daemon.kill()
    os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
    assert DaemonFiles(str(tmp_path)).dead(LIVE) == {"data"}


def test_another_process_with_its_number_is_not_the_daemon(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f"{os.getpid()}\n")
    assert DaemonFiles(str(tmp_path)).dead(LIVE) == {"data"}
    with (tmp_path / FILE).open("r+b") as file:
        # A lock of this process is none to itself, so a child holds it.
        fcntl.lockf(file, fcntl.LOCK_EX)
        code = f"from {DaemonFiles.__module__} import _is_locked; print(_is_locked({str(tmp_path / FILE)!r}))"
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert asked.stdout.strip() == "True", asked.stderr


@pytest.mark.parametrize("content", [None, "", "no number"])
def test_without_a_number_nobody_is_said_to_be_dead(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    assert DaemonFiles(str(tmp_path)).dead(LIVE) == frozenset()
    assert DaemonFiles(str(tmp_path)).pids(LIVE) == {}


def test_a_domain_without_a_number_does_not_run(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("1\n")
    off = Document(domain_xml(VIRTIOFS.format("data", "", "", "<alias name='fs0'/>")))
    assert DaemonFiles(str(tmp_path)).pids(off) == {}


def test_whether_libvirt_was_started_after_the_domain(tmp_path: Path) -> None:
    for name, began in (("driver", 200), ("older", 100), ("younger", 300)):
        (tmp_path / f"{name}.pid").touch()
        os.utime(tmp_path / f"{name}.pid", (began, began))
    files = DaemonFiles(str(tmp_path))
    assert [files.libvirt_is_younger(name) for name in ("older", "younger", "nothing")] == [True, False, False]
    assert DaemonFiles(None).libvirt_is_younger("older") is False


@pytest.mark.parametrize(
    ("uri", "directory"),
    [
        ("qemu:///system", "/run/libvirt/qemu"),
        ("qemu+unix:///system", "/run/libvirt/qemu"),
        ("qemu:///session", "/run/user/7/libvirt/qemu/run"),
        ("qemu:///embed?root=/tmp/x", "/tmp/x/run/qemu"),
        ("qemu:///embed", None),
        ("test:///default", None),
    ],
)
def test_where_each_connection_keeps_them(uri: str, directory: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert state_directory(uri) == directory
