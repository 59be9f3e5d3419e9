# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The immutable flag, as far as everybody may ask for it. The integration tests of virtiofs_partition set it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable
from ansible_collections.virtio.fs.plugins.module_utils._system.immutable import is_immutable, set_immutable


# asm-generic/ioctl.h, and asm/ioctl.h of PowerPC: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of a 64-bit machine.
@pytest.mark.parametrize(
    ("machine", "get_flags", "set_flags"),
    [("x86_64", 0x80086601, 0x40086602), ("aarch64", 0x80086601, 0x40086602), ("ppc64le", 0x40086601, 0x80086602)],
)
def test_the_requests_are_those_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, machine: str, get_flags: int, set_flags: int
) -> None:
    monkeypatch.setattr(immutable.platform, "machine", lambda: machine)
    assert immutable._request(1, read=True) == get_flags
    assert immutable._request(2, read=False) == set_flags


def test_a_filesystem_without_flags_and_a_directory_that_is_not_there() -> None:
    assert is_immutable("/proc/self/fd") is None
    assert set_immutable("/proc/self/fd", True) is False
    assert is_immutable("/nowhere/at/all") is None


def test_a_directory_of_everyday_is_not_immutable(tmp_path: Path) -> None:
    assert not is_immutable(str(tmp_path))
    set_immutable(str(tmp_path), False)
    (tmp_path / "file").touch()


def test_no_link_is_followed_and_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(VirtiofsError, match=f"cannot open {tmp_path}/{name}: Not a directory"):
            is_immutable(f"{tmp_path}/{name}")
        with pytest.raises(VirtiofsError, match=f"cannot make {tmp_path}/{name} immutable: Not a directory"):
            set_immutable(f"{tmp_path}/{name}", True)
    with pytest.raises(VirtiofsError, match="cannot stop /nowhere being immutable: No such file"):
        set_immutable("/nowhere", False)
