# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of mount options are compared by what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import (
    fixed_differ,
    flags_differ,
    for_mount,
    for_remount,
    hardened,
    meaning,
    meaning_of,
)


def _live(options: str, super_options: str = "rw") -> Mount:
    return Mount(
        1, 0, "0:1", "/", "/mnt", frozenset(options.split(",")), "virtiofs", "t", frozenset(super_options.split(","))
    )


@pytest.mark.parametrize(
    ("wanted", "options", "super_options"),
    [
        ("rw,_netdev,nosuid,nodev,nofail", "rw,nosuid,nodev,relatime", "rw"),
        ("nodev,nosuid", "rw,nosuid,nodev,relatime", "rw"),
        ("defaults,x-systemd.automount,x-anything=1", "rw,relatime", "rw"),
        ("ro", "ro,relatime", "rw"),
        ("ro", "rw,relatime", "ro"),
        ("rw,noatime,nodiratime", "rw,noatime,nodiratime", "rw"),
        ("strictatime", "rw", "rw"),
        ("sync,dirsync", "rw,relatime", "rw,sync,dirsync"),
        ("ro,rw", "rw,relatime", "rw"),
        ("users", "rw,nosuid,nodev,noexec,relatime", "rw"),
        ("users,exec", "rw,nosuid,nodev,relatime", "rw"),
        ("dax", "rw,relatime", "rw,dax=always"),
        ("rw", "rw,relatime", "rw,seclabel,dax=inode"),
        ("context=a", "rw,relatime", "rw,context=a"),
        ('context="a:c1,c2"', "rw,relatime", 'rw,context="a:c1,c2"'),
        ('context="a:c1"', "rw,relatime", "rw,context=a:c1"),
        ("silent,iversion", "rw,relatime", "rw"),
        ("X-mount.mkdir=0700", "rw,relatime", "rw"),
    ],
)
def test_these_mean_the_mount_that_is_there(wanted: str, options: str, super_options: str) -> None:
    asked, live = meaning(wanted.split(",")), meaning_of(_live(options, super_options))
    assert not flags_differ(asked, live)
    assert not fixed_differ(asked, live)


@pytest.mark.parametrize(
    ("wanted", "options"),
    [
        ("rw", "ro,relatime"),
        ("ro", "rw,relatime"),
        ("nosuid", "rw,relatime"),
        ("rw", "rw,nosuid,relatime"),
        ("noatime", "rw,relatime"),
        ("relatime", "rw"),
        ("noexec", "rw,relatime"),
        ("nosymfollow", "rw,relatime"),
    ],
)
def test_these_need_a_remount(wanted: str, options: str) -> None:
    assert flags_differ(meaning(wanted.split(",")), meaning_of(_live(options)))


@pytest.mark.parametrize("wanted", ["dax", "dax=never", "context=b"])
def test_these_need_a_new_mount(wanted: str) -> None:
    live = meaning_of(_live("rw,relatime", "rw,context=a"))
    assert fixed_differ(meaning([wanted]), live)
    assert not flags_differ(meaning([wanted]), live)


def test_a_kernel_is_not_given_what_only_fstab_knows() -> None:
    given_options = ["rw", "_netdev", "nofail", "x-systemd.automount", "X-mount.mkdir", "comment=c", "users", "dax"]
    assert for_mount(given_options) == ("rw", "X-mount.mkdir", "dax")
    assert for_mount(["nofail"]) == ("rw",)
    assert for_mount(given_options, busybox=True) == ("rw", "dax")


def test_a_remount_says_every_choice() -> None:
    assert for_remount(meaning(["ro", "nosuid"])) == (
        "ro", "nosuid", "dev", "exec", "relatime", "diratime", "async", "nolazytime",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "suid", "dev", "result"),
    [
        (["rw"], False, False, ("rw", "nosuid", "nodev")),
        (["nodev", "rw"], False, False, ("nodev", "rw", "nosuid")),
        (["nosuid", "defaults"], False, False, ("nosuid", "defaults", "nosuid", "nodev")),
        (["rw"], True, False, ("rw", "nodev")),
        (["rw"], True, True, ("rw",)),
        (["nosuid"], True, True, ("nosuid",)),
        (["users"], False, False, ("users",)),
    ],
)
def test_nosuid_and_nodev_are_added_back(options: list[str], suid: bool, dev: bool, result: tuple[str, ...]) -> None:
    assert hardened(options, suid, dev) == result


_WORDS = st.sampled_from(["rw", "ro", "suid", "nosuid", "dev", "nodev", "defaults", "users", "user", "owner"])


@given(st.lists(_WORDS))
def test_whatever_is_given_a_hardened_mount_is_nosuid_and_nodev(options: list[str]) -> None:
    assert {"nosuid", "nodev"} <= set(meaning(hardened(options, False, False)).flags)


@given(st.lists(_WORDS))
def test_a_remount_to_a_meaning_has_that_meaning(options: list[str]) -> None:
    asked = meaning(options)
    assert meaning(for_remount(asked)) == asked
