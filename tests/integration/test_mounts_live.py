# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounting, on real filesystems of this machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mount import bind, mount, remount, unmount, users_of
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current, in_every_namespace, on_path


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "a b#\\c"
    path.mkdir()
    yield str(path)
    while on_path(current(), str(path)):
        subprocess.run(["umount", "--lazy", path], check=True)


def test_mounted_remounted_and_unmounted(place: str) -> None:
    mount("two words#x", place, "tmpfs", ["rw", "nosuid", "size=1M"])
    mounted = on_path(current(), place)
    assert mounted is not None
    assert (mounted.source, mounted.fstype, mounted.readonly) == ("two words#x", "tmpfs", False)
    assert "nosuid" in mounted.options

    remount(place, ["ro", "suid", "noexec", "relatime"])
    mounted = on_path(current(), place)
    assert mounted is not None
    assert mounted.readonly
    assert "noexec" in mounted.options
    assert "nosuid" not in mounted.options

    unmount(place)
    assert on_path(current(), place) is None


def test_a_source_is_not_completed_to_a_file_name(place: str) -> None:
    mount("etc", place, "tmpfs", [])
    mounted = on_path(current(), place)
    assert mounted is not None
    assert mounted.source == "etc"


def test_a_readonly_bind_mount(place: str, tmp_path: Path) -> None:
    bind(str(tmp_path), place, readonly=True)
    mounted = on_path(current(), place)
    # Making it read-only drops what it had from the mount that it shows.
    assert mounted is not None
    assert {"ro", "nosuid", "nodev"} <= mounted.options
    assert mounted.readonly
    with pytest.raises(OSError, match="Read-only"):
        Path(place, "file").touch()
    assert not on_path(current(), str(tmp_path))


def test_the_topmost_of_two_is_unmounted(place: str) -> None:
    mount("lower", place, "tmpfs", [])
    mount("upper", place, "tmpfs", [])
    for source in ("upper", "lower"):
        mounted = on_path(current(), place)
        assert mounted is not None
        assert mounted.source == source
        unmount(place)


def test_mount_says_itself_what_is_wrong(place: str, tmp_path: Path) -> None:
    with pytest.raises(VirtiofsError, match=r"unknown filesystem type|special device"):
        mount("x", place, "no-such-filesystem", [])
    with pytest.raises(VirtiofsError, match="mount point does not exist"):
        mount("x", str(tmp_path / "missing"), "tmpfs", [])
    with pytest.raises(VirtiofsError, match="not mounted"):
        unmount(place)
    with pytest.raises(VirtiofsError, match="nothing is mounted there"):
        remount(place, ["ro"])


def test_who_uses_a_mount_is_named(place: str) -> None:
    mount("used", place, "tmpfs", [])
    with Path(place, "file").open("w"):
        with pytest.raises(VirtiofsError, match="busy"):
            unmount(place)
        (user,) = users_of(place)
        assert user.endswith(f"({os.getpid()})")
    assert users_of(place) == ()


def test_a_mount_in_another_namespace_is_seen_and_ours_are_listed_once() -> None:
    child = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs seen-elsewhere /mnt && exec sleep 60"],
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            mounts = in_every_namespace()
            if any(mount.source == "seen-elsewhere" for mount in mounts) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        assert [mount.path for mount in mounts if mount.source == "seen-elsewhere"] == ["/mnt"]
        assert set(current()) <= set(mounts)
        assert len(mounts) == len(set(mounts))
        assert all(mount.source != "seen-elsewhere" for mount in current())
    finally:
        child.kill()
        child.wait()
