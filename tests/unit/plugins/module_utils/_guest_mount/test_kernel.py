# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of a kernel, from trees as a guest has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import kernel as kernel_room
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import steps
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.kernel import (
    BOOT_FILE,
    BOOT_FILE_TEXT,
    read_kernel,
    read_tags,
)

_RELEASE = os.uname().release


def _write(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Debian 13: a module that udev has loaded, two shares, a disk."""
    _write(tmp_path, "/proc/filesystems", "nodev\tsysfs\n\text4\nnodev\tvirtiofs\n")
    _write(tmp_path, f"/lib/modules/{_RELEASE}/modules.builtin", "kernel/fs/fuse/fuse.ko\n")
    _write(tmp_path, f"/lib/modules/{_RELEASE}/modules.dep", "fs/fuse/virtiofs.ko.xz: fs/fuse/fuse.ko.xz\n")
    for name, kind in (("virtio0", "0x0002"), ("virtio1", "0x001a"), ("virtio2", "0x001a")):
        _write(tmp_path, f"/sys/bus/virtio/devices/{name}/device", kind + "\n")
    _write(tmp_path, "/sys/fs/virtiofs/1/tag", "media\n")
    _write(tmp_path, "/sys/fs/virtiofs/2/tag", "two words \n")
    return tmp_path


def test_a_guest_with_two_shares(guest: Path) -> None:
    kernel = read_kernel(str(guest))
    assert (kernel.release, kernel.loaded, kernel.loadable, kernel.devices) == (_RELEASE, True, True, 2)
    assert kernel.tags == {"media", "two words "}
    assert not kernel.at_boot


def test_before_linux_6_9_the_tags_are_not_named(guest: Path) -> None:
    for name in ("1", "2"):
        (guest / "sys/fs/virtiofs" / name / "tag").unlink()
        (guest / "sys/fs/virtiofs" / name).rmdir()
    assert read_tags(str(guest)) == frozenset()
    (guest / "sys/fs/virtiofs").rmdir()
    assert read_tags(str(guest)) is None


def test_a_module_that_is_not_loaded_yet(guest: Path) -> None:
    _write(guest, "/proc/filesystems", "\text4\n")
    kernel = read_kernel(str(guest))
    assert (kernel.loaded, kernel.loadable, kernel.supported) == (False, True, True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (BOOT_FILE, BOOT_FILE_TEXT),
        ("/etc/modules", "# comment\n\n virtiofs\n"),
        ("/usr/lib/modules-load.d/distribution.conf", "fuse\nvirtiofs\n"),
        (f"/lib/modules/{_RELEASE}/modules.builtin", "kernel/fs/fuse/virtiofs.ko\n"),
    ],
)
def test_it_is_there_at_boot(guest: Path, path: str, text: str) -> None:
    _write(guest, path, text)
    kernel = read_kernel(str(guest))
    assert kernel.at_boot
    assert kernel.own_boot_file == (path == BOOT_FILE)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/modules", "# virtiofs\nvirtiofs_other\n"),
        ("/etc/modules-load.d/x.txt", "virtiofs\n"),
        ("/etc/modules-load.d/x.conf", "; virtiofs\n"),
    ],
)
def test_this_does_not_load_it_at_boot(guest: Path, path: str, text: str) -> None:
    _write(guest, path, text)
    assert not read_kernel(str(guest)).at_boot


def test_what_we_write_loads_it_at_boot_until_it_is_removed_again(guest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(guest, "/etc/modules-load.d/other.conf", "loop\n")
    file = f"{guest}{BOOT_FILE}"
    monkeypatch.setattr(kernel_room, "BOOT_FILE", file)
    steps.LoadModuleAtBoot().apply(steps.Guest("/nowhere/fstab", 1))
    monkeypatch.undo()
    found = read_kernel(str(guest))
    assert (found.at_boot, found.own_boot_file) == (True, True)
    monkeypatch.setattr(kernel_room, "BOOT_FILE", file)
    steps.ForgetModuleAtBoot().apply(steps.Guest("/nowhere/fstab", 1))
    assert [path.name for path in (guest / "etc/modules-load.d").iterdir()] == ["other.conf"]


def test_no_virtiofs_in_the_kernel(guest: Path) -> None:
    _write(guest, "/proc/filesystems", "\text4\n")
    _write(guest, f"/lib/modules/{_RELEASE}/modules.dep", "kernel/fs/fuse/fuse.ko:\n")
    kernel = read_kernel(str(guest))
    assert not kernel.supported
    assert _RELEASE in kernel.why_unsupported
    assert "5.4" in kernel.why_unsupported


def test_a_kernel_whose_modules_are_gone(tmp_path: Path) -> None:
    kernel = read_kernel(str(tmp_path))
    assert not kernel.supported
    assert "reboot" in kernel.why_unsupported


def test_built_in_without_any_module_tree(tmp_path: Path) -> None:
    _write(tmp_path, "/proc/filesystems", "nodev\tvirtiofs\n")
    kernel = read_kernel(str(tmp_path))
    assert kernel.supported
    assert kernel.at_boot
