# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which shares of fstab are asked before systemd reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.read import others_in_fstab
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import wanted_mounts
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount

_ROOT = Mount(1, 0, "8:1", "/", "/", frozenset({"rw"}), "ext4", "/dev/vda", frozenset({"rw"}))
_DEAD = Mount(2, 1, "0:9", "/", "/srv/dead", frozenset({"rw"}), "virtiofs", "dead", frozenset({"rw"}))
_OTHER = replace(_DEAD, mount_id=3, path="/srv/other", source="other")
_FSTAB = "/dev/vda / ext4 rw\ndead /srv/dead virtiofs rw\nother /srv/./other virtiofs rw\nlost /srv/lost virtiofs rw\n"


def _others(*items: dict[str, Any], mounts: tuple[Mount, ...] = (_DEAD, _OTHER), exclusive: bool = False) -> list[str]:
    wanted = wanted_mounts(items, exclusive, confirm_empty=True)
    asked = [want for want in wanted if want.state == "mounted"]
    return sorted(others_in_fstab((_ROOT, *mounts), _FSTAB, wanted, asked, exclusive).values())


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
