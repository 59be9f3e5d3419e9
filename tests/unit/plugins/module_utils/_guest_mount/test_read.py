# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read in a guest, and which shares of fstab are asked before systemd reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.read import others_in_fstab, read, read_directory
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import Directory
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.tests.unit.guest_machine import wanted_mounts

_ROOT = Mount(1, 0, "8:1", "/", "/", frozenset({"rw"}), "ext4", "/dev/vda", frozenset({"rw"}))
_DEAD = Mount(2, 1, "0:9", "/", "/srv/dead", frozenset({"rw"}), "virtiofs", "dead", frozenset({"rw"}))
_OTHER = replace(_DEAD, mount_id=3, path="/srv/other", source="other")
_FSTAB = "/dev/vda / ext4 rw\ndead /srv/dead virtiofs rw\nother /srv/./other virtiofs rw\nlost /srv/lost virtiofs rw\n"


def _others(*items: dict[str, Any], mounts: tuple[Mount, ...] = (_DEAD, _OTHER), exclusive: bool = False) -> list[str]:
    wanted = wanted_mounts(*items, exclusive=exclusive)
    asked = [item for item in wanted.mounts if item.state == "mounted"]
    return sorted(others_in_fstab((_ROOT, *mounts), _FSTAB, wanted, asked).values())


def test_every_share_of_fstab_that_is_mounted_and_not_asked_is_asked() -> None:
    assert _others() == ["dead", "other"]
    assert _others({"tag": "other", "path": "/srv/other"}) == ["dead"]
    assert _others({"tag": "other", "path": "/srv/other", "state": "present"}) == ["dead", "other"]


@pytest.mark.parametrize("state", ["unmounted", "absent"])
def test_a_share_that_goes_is_not_asked(state: str) -> None:
    """A question that gets stuck holds the lock of the path, and the mount with it: it could not be unmounted."""
    assert _others({"tag": "dead", "path": "/srv/dead", "state": state}) == ["other"]


@pytest.mark.parametrize("state", ["unmounted", "absent"])
@pytest.mark.parametrize("mount", [replace(_DEAD, source="theirs"), replace(_DEAD, root="/below")])
def test_something_else_on_the_path_of_a_share_that_goes_stays_and_is_asked(state: str, mount: Mount) -> None:
    item = {"tag": "dead", "path": "/srv/dead", "state": state}
    assert _others(item, mounts=(mount,)) == [mount.source]


def test_exclusive_lets_go_of_what_no_item_names() -> None:
    assert _others({"tag": "other", "path": "/srv/other", "state": "present"}, exclusive=True) == ["other"]
    assert _others(exclusive=True) == []


def test_what_is_under_a_mount_point(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "full" / "below").mkdir(parents=True)
    below = str(tmp_path / "full" / "below")
    assert read_directory(below) == Directory()
    assert read_directory(str(tmp_path / "full")) == Directory(empty=False)
    assert read_directory(f"{below}/a/b") == Directory(missing=(f"{below}/a", f"{below}/a/b"))
    assert read_directory(str(tmp_path / "file")) == Directory(is_directory=False)
    assert read_directory(f"{tmp_path}/link/a") == Directory(symlink=f"{tmp_path}/link")
    with pytest.raises(VirtiofsError, match=f"cannot look at {tmp_path}/file/a: Not a directory"):
        read_directory(f"{tmp_path}/file/a")


def test_this_machine_is_read(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(_FSTAB)
    wanted = wanted_mounts({"path": f"{tmp_path}/media"}, {"tag": "vm1", "path": str(tmp_path), "state": "unmounted"})
    state = read(wanted, str(fstab), 5)
    assert (state.fstab, state.fstab_path) == (_FSTAB, str(fstab))
    assert state.directories == {f"{tmp_path}/media": Directory(missing=(f"{tmp_path}/media",))}
    assert set(state.mounts) <= set(state.everywhere)
    assert read(wanted_mounts({"path": f"{tmp_path}/media"}), str(fstab), 5).everywhere == ()
