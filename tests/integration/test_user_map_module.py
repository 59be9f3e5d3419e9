# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""virtiofs_user_map with programs that can be run: what is written starts them, with every option where it belongs."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from module_run import run_module

# Says what it is as the real one does, and prints the options that it was started with, one a line.
RUST = """\
#!/bin/sh
case "$*" in
*--version*) echo "virtiofsd 1.13.2" ;;
*--print-capabilities*) echo '{"type": "fs", "features": ["separate-options"]}' ;;
*) printf '%s\\n' "$@" ;;
esac
"""
OLD = {
    "virtiofsd 1.12.0": RUST.replace("1.13.2", "1.12.0"),
    "the C virtiofsd of QEMU 7.2.22": RUST.replace(
        "virtiofsd 1.13.2", "virtiofsd version 7.2.22 (Debian); using FUSE kernel interface version 7.36"
    ),
}


@pytest.fixture
def daemon(tmp_path: Path) -> Path:
    program = tmp_path / "a place" / "virtiofsd"
    program.parent.mkdir()
    program.write_text(RUST)
    program.chmod(0o755)
    return program


def run(daemon: Path, where: Path, *users: tuple[int, Any], check: bool = False) -> dict[str, Any]:
    maps = [
        {
            "name": "homes",
            "users": [{"guest": guest, "host": host} for guest, host in users],
            "groups": [{"guest": guest, "host": 65533} for guest, _host in users],
        }
    ]
    return run_module(
        "virtiofs_user_map", {"maps": maps, "virtiofsd": str(daemon), "directory": str(where)}, check=check
    )


def test_the_script_starts_the_daemon_with_the_map_and_what_libvirt_says(daemon: Path, tmp_path: Path) -> None:
    done = run(daemon, tmp_path, (1000, "daemon"))
    script = Path(done["binaries"]["homes"])
    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    argv = [str(script), "--fd=3", "--shared-dir", "/srv/a b"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    assert said[-3:] == ["--fd=3", "--shared-dir", "/srv/a b"]
    assert "--translate-uid=map:1000:1:1" in said
    assert "--translate-gid=guest:0:65533:1" in said


def test_the_second_run_changes_nothing_and_check_mode_writes_nothing(daemon: Path, tmp_path: Path) -> None:
    checked = run(daemon, tmp_path, (1000, "daemon"), check=True)
    assert checked["changed"] is True
    assert not Path(checked["binaries"]["homes"]).exists()
    first, second = run(daemon, tmp_path, (1000, "daemon")), run(daemon, tmp_path, (1000, "daemon"))
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["actions"] == checked["actions"]


def test_a_script_that_others_can_write_to_is_written_again(daemon: Path, tmp_path: Path) -> None:
    script = Path(run(daemon, tmp_path, (1000, "daemon"))["binaries"]["homes"])
    script.chmod(0o777)
    assert run(daemon, tmp_path, (1000, "daemon"))["changed"] is True
    assert stat.S_IMODE(script.stat().st_mode) == 0o755


def test_who_had_the_script_open_cannot_change_it_any_more(daemon: Path, tmp_path: Path) -> None:
    script = Path(run(daemon, tmp_path, (1000, "daemon"))["binaries"]["homes"])
    text = script.read_text()
    os.chown(script, 65533, 65533)
    with script.open("a") as held:
        assert run(daemon, tmp_path, (1000, "daemon"))["changed"] is True
        held.write("echo not ours\n")
    assert script.read_text() == text
    assert (script.stat().st_uid, stat.S_IMODE(script.stat().st_mode)) == (0, 0o755)


@pytest.mark.parametrize("where", ["usr/sbin", "/usr/../tmp", "/tmp/a\nb"])
def test_a_directory_that_a_share_could_not_name_is_refused(daemon: Path, where: str) -> None:
    done = run(daemon, Path(where), (1000, "daemon"), check=True)
    assert done["failed"] is True
    assert done["msg"].startswith("directory: ")


def test_an_empty_map_is_the_daemon_itself(daemon: Path, tmp_path: Path) -> None:
    done = run(daemon, tmp_path)
    assert (done["changed"], done["binaries"]) == (False, {"homes": str(daemon)})


@pytest.mark.parametrize("name", OLD)
def test_a_daemon_that_cannot_is_refused_by_its_version(daemon: Path, tmp_path: Path, name: str) -> None:
    daemon.write_text(OLD[name])
    done = run(daemon, tmp_path, (1000, "daemon"))
    assert done["failed"] is True
    assert "needs virtiofsd 1.13" in done["msg"]
    assert name in done["msg"]
    assert not list(tmp_path.glob("virtiofsd-map-*"))
