# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest is, as values."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import Directory, is_share, no_such_tag
from ansible_collections.virtio.fs.tests.unit.guest_machine import KERNEL, LIVE, guest


def test_the_tags_that_are_there_are_named_where_the_kernel_names_them() -> None:
    assert "only a, b: add the share" in no_such_tag("x", frozenset({"b", "a"}))
    assert "nor any other" in no_such_tag("x", frozenset())
    assert "does not name" in no_such_tag("x", None)


def test_a_directory_of_a_share_is_not_the_share() -> None:
    assert is_share(LIVE, "media")
    assert not is_share(LIVE, "vm1")
    assert not is_share(replace(LIVE, root="/below"), "media")
    assert not is_share(replace(LIVE, fstype="ext4"), "media")


def test_a_mount_point_that_was_not_looked_at_is_a_good_one() -> None:
    state = guest(directories={"/srv/media": Directory(empty=False)})
    assert not state.directory("/srv/media").empty
    assert state.directory("/srv/other") == Directory()


def test_a_module_that_can_be_loaded_is_support() -> None:
    assert replace(KERNEL, loaded=False).supported
    missing = replace(KERNEL, loaded=False, loadable=False)
    assert not missing.supported
    assert "Linux 5.4" in missing.why_unsupported
    assert "reboot if the kernel was upgraded" in replace(missing, modules_installed=False).why_unsupported
