# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guest has its share mounted, now and at boot."""

from __future__ import annotations

from proof import mounts


def test_the_share_is_mounted(in_guest, name):
    mount = mounts.on(in_guest[name].live, "/mnt")
    assert mount is not None
    assert (mount.source, mount.fstype) == (name, "virtiofs")


def test_it_is_mounted_without_set_uid_and_devices(in_guest, name):
    mount = mounts.on(in_guest[name].live, "/mnt")
    assert mount is not None
    assert {"rw", "nosuid", "nodev"} <= mount.options


def test_it_is_in_fstab(in_guest, name):
    line = mounts.on(in_guest[name].fstab, "/mnt")
    assert line is not None
    assert (line.source, line.fstype) == (name, "virtiofs")


def test_fstab_has_the_options_that_the_share_is_mounted_with(in_guest, name):
    line = mounts.on(in_guest[name].fstab, "/mnt")
    assert line is not None
    assert {"rw", "nosuid", "nodev"} <= line.options


def test_the_guest_boots_without_the_share(in_guest, name):
    line = mounts.on(in_guest[name].fstab, "/mnt")
    assert line is not None
    assert {"nofail", "_netdev"} <= line.options


def test_the_guest_has_no_other_share(in_guest, name):
    assert [mount.source for mount in in_guest[name].live if mount.fstype == "virtiofs"] == [name]
