# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read about shared paths and daemons, from the real machine and from texts."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._info import sources
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo

# A closed directory with an own mount, as mountinfo has them.
MOUNTS = mountinfo.parse("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /shared/a rw - ext4 /dev/sdb1 rw\n")


@pytest.mark.parametrize(
    ("path", "fstab", "missing"),
    [
        ("/shared/a", "LABEL=a /shared/a ext4 rw 0 0", None),
        ("/shared/b", "LABEL=b /shared/b ext4 rw 0 0", "/shared/b"),
        ("/shared/b/deep", "LABEL=b /shared/b/ ext4 rw 0 0", "/shared/b"),
        ("/shared/bc", "LABEL=b /shared/b ext4 rw 0 0", None),
        ("/shared/a/x", "LABEL=s /shared ext4 rw 0 0", "/shared"),
        ("/shared/a", "LABEL=root / ext4 rw 0 1\nLABEL=s none swap sw 0 0", None),
    ],
)
def test_a_mount_point_of_fstab_must_be_mounted(path: str, fstab: str, missing: str | None):
    assert sources.missing_mount(path, MOUNTS, mounts_fstab.entries(fstab)) == missing


def test_a_path_as_it_is(tmp_path: Path):
    found = sources.read_source(f"{tmp_path}/", mountinfo.current(), ())
    assert (found.path, found.exists, found.unmounted) == (str(tmp_path), True, None)
    assert found.size
    assert found.mount is not None
    assert not sources.read_source(f"{tmp_path}/none", mountinfo.current(), ()).exists


def test_a_filesystem_that_may_not_answer_is_not_asked():
    remote = mountinfo.parse("1 0 0:9 / / rw - nfs4 server:/x rw\n")
    found = sources.read_source("/", remote, ())
    assert (found.exists, found.size, found.sheltered) == (None, None, None)


def test_the_memory_directory_is_what_qemu_conf_says(tmp_path: Path):
    assert sources.memory_setting('#memory_backing_dir = "/x"\n') == "/var/lib/libvirt/qemu/ram"
    assert sources.memory_setting('user = "root"\n memory_backing_dir = "/ram"\n') == "/ram"
    conf = tmp_path / "qemu.conf"
    conf.write_text(f'memory_backing_dir = "{tmp_path}/ram/deep"\n')
    directory = tmp_path / "ram" / "deep"
    memory = directory / "memory"
    free = sources.read_memory_directory(str(conf))
    assert free is not None
    directory.mkdir(parents=True)
    memory.write_bytes(b"x" * 2**20)
    os.sync()

    def is_counted() -> bool:
        """What memory files take counts as room too. Others write to this filesystem: asked before and after."""
        rooms = [_free_bytes(directory)]
        used = sources.read_memory_directory(str(conf))
        rooms.append(_free_bytes(directory))
        assert used is not None
        assert used.path == str(directory)
        taken = memory.stat().st_blocks * 512
        return taken > 0 and min(rooms) + taken <= used.room <= max(rooms) + taken

    assert any(is_counted() for _try in range(20))


def _free_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def test_a_process_as_it_is():
    here = sources.read_daemon("data", os.getpid(), "/usr/libexec/virtiofsd", mountinfo.current())
    assert here.files_open
    assert here.files_limit
    # It has no root of its own, so it is not known to serve another directory.
    assert here.serves is None


def test_a_process_that_is_gone_tells_nothing():
    gone = sources.read_daemon("data", 2**22 + 1, None, mountinfo.current())
    assert (gone.files_open, gone.files_limit, gone.serves) == (None, None, None)


def test_when_a_domain_was_saved_is_the_time_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_SAVES", {"qemu:///system": str(tmp_path)})
    (tmp_path / "vm1.save").touch()
    os.utime(tmp_path / "vm1.save", (60, 60))
    assert sources.read_saved("qemu:///system", "vm1") == "1970-01-01 00:01 UTC"
    assert sources.read_saved("qemu:///system", "vm2") is None
    assert sources.read_saved("test:///default", "vm1") is None


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (("sleep", "60"), False),
        (("sh", "-c", "read line", "--migration-on-error=guest-error"), True),
        (("sh", "-c", "read line", "--migration-on-error=guest-errors"), False),
    ],
)
def test_a_daemon_tells_whether_it_would_start_again(words: tuple[str, ...], again: bool) -> None:
    with subprocess.Popen(words, stdin=subprocess.PIPE) as daemon:
        try:
            # For a moment after it was started a process has no words.
            while not Path(f"/proc/{daemon.pid}/cmdline").read_bytes():
                time.sleep(0.01)
            found = sources.read_daemon("data", daemon.pid, None, mountinfo.current())
        finally:
            daemon.kill()
    assert found.starts_again is again
