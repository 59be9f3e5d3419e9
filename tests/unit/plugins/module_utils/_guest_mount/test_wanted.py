# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of virtiofs_guest_mount, checked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import mark
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import AUTOMOUNT, CREATION_OPTIONS, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries, with_entry
from ansible_collections.virtio.fs.tests.unit.guest_machine import wanted_mounts


def test_exclusive_with_an_empty_list_needs_a_confirmation() -> None:
    with pytest.raises(VirtiofsError, match=r"^mounts: .*confirm_empty: true"):
        wanted_mounts(exclusive=True, confirm_empty=False)
    assert wanted_mounts(exclusive=True) == Wanted((), exclusive=True)
    assert wanted_mounts(confirm_empty=False) == Wanted(())


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_run_has_at_least_a_second(seconds: int) -> None:
    with pytest.raises(VirtiofsError, match=rf"^wait: write at least 1, not {seconds}$"):
        wanted_mounts(wait=seconds)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"tag": ""}, "mounts, tag: '' is empty"),
        ({"tag": "x" * 37}, "longer than 36 bytes"),
        ({"tag": "ä" * 19}, "longer than 36 bytes"),
        ({"tag": "a\nb"}, "cannot be printed"),
        ({"tag": "LABEL=x"}, "reads like the name of a device"),
        ({"tag": "/dev/vda"}, "reads like the name of a device"),
        ({"tag": "#x"}, "share #x: .* begins with '#'"),
        ({"path": "srv"}, "share media, path: 'srv' is not an absolute path"),
        ({"path": "/"}, "is a system directory"),
        ({"path": "/usr"}, "is a system directory"),
        ({"path": "/srv/../etc"}, r"contains '\.\.'"),
        ({"path": "/srv/a\nb"}, "control character"),
        ({"options": ["suid"]}, "share media, options: 'suid' needs allow_suid: true"),
        ({"options": ["rw", "dev"]}, "share media, options: 'dev' needs allow_dev: true"),
        ({"options": ["rw\n/etc /x"]}, "cannot be printed"),
        ({"options": [""]}, "empty or has blanks"),
        ({"options": ["rw,ro"]}, "share media: .* has a comma"),
        ({"options": ["bind"]}, "not one that a share can be mounted with"),
        ({"options": ["X-mount.subdir=a"]}, "would mount a part of the share"),
        ({"options": ['x="a",suid']}, "has a comma or an open quote"),
        ({"options": ['"']}, "has a comma or an open quote"),
        ({"options": ["x-systemd.automount"], "automount": False}, "share media, automount: it is false"),
    ],
)
def test_bad_input_is_refused_with_the_item_and_the_option(item: dict[str, Any], message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        wanted_mounts(item)


def test_two_items_that_cannot_both_be_mounted_are_refused() -> None:
    with pytest.raises(VirtiofsError, match=r"^share b, path: /srv/x is also the path of share a$"):
        wanted_mounts({"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/"})
    with pytest.raises(VirtiofsError, match=r"^share b, path: /srv/x/y is inside that of share a, /srv/x$"):
        wanted_mounts({"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/y"})
    wanted_mounts({"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/y", "state": "absent"})


@pytest.mark.parametrize("state", ["absent", "unmounted"])
def test_what_goes_is_no_conflict_of_path_but_a_share_cannot_both_go_and_come(state: str) -> None:
    for items in (("a", "b"), ("b", "a")):
        leaving = {"tag": "a", "path": "/srv/x", "state": state}
        wanted_mounts(*(leaving if tag == "a" else {"tag": tag, "path": "/srv/x"} for tag in items))
    wanted_mounts(leaving, {"tag": "b", "path": "/srv/x", "state": "absent"})
    with pytest.raises(VirtiofsError, match=r"^share a, path: /srv/x is also the path of share a$"):
        wanted_mounts(leaving, {"tag": "a", "path": "/srv/x"})


@pytest.mark.parametrize("tag", ["two words", "a,b", "a#b", "back\\slash", "\\040", "$HOME", "ümlaut", "x" * 36])
def test_odd_tags_are_taken_as_they_are(tag: str) -> None:
    (item,) = wanted_mounts({"tag": tag}).mounts
    assert item.tag == tag
    assert entries(with_entry("", item.line())) == (item.line(),)


def test_a_path_has_one_spelling() -> None:
    (item,) = wanted_mounts({"path": "//srv/./media/"}).mounts
    assert item.path == "/srv/media"
    assert str(item) == "media on /srv/media"


@pytest.mark.parametrize(
    ("given", "old", "options"),
    [
        ({}, None, CREATION_OPTIONS),
        ({}, (), CREATION_OPTIONS),
        ({}, ("ro", "noexec"), ("ro", "noexec")),
        ({}, ("ro", AUTOMOUNT), ("ro", AUTOMOUNT)),
        ({"automount": False}, ("ro", AUTOMOUNT), ("ro",)),
        ({"automount": True}, ("ro",), ("ro", AUTOMOUNT)),
        ({"options": ["ro"]}, ("rw", AUTOMOUNT), ("ro", "nosuid", "nodev", AUTOMOUNT)),
        ({"options": ["ro"], "allow_dev": True}, None, ("ro", "nosuid")),
        ({"options": [AUTOMOUNT, "ro"]}, None, ("ro", "nosuid", "nodev", AUTOMOUNT)),
    ],
)
def test_what_is_left_out_keeps_what_the_line_has(
    given: dict[str, Any], old: tuple[str, ...] | None, options: tuple[str, ...]
) -> None:
    (item,) = wanted_mounts(given).mounts
    line = None if old is None else Entry("media", "/srv/media", "virtiofs", old)
    assert item.line(line) == Entry("media", "/srv/media", "virtiofs", options)


MARK = mark("hv1", "media", "/srv/media")


@pytest.mark.parametrize(
    ("list_name", "given", "old", "options"),
    [
        ("hv1", {}, None, (*CREATION_OPTIONS, MARK)),
        ("hv1", {}, ("ro", "comment=mine"), ("ro", "comment=mine", MARK)),
        ("hv1", {"options": ["ro"], "automount": True}, ("rw",), ("ro", "nosuid", "nodev", AUTOMOUNT, MARK)),
        ("hv1", {}, ("ro", mark("hv2", "media", "/srv/media")), ("ro", MARK)),
        (None, {}, ("ro", MARK), ("ro", MARK)),
        (None, {"options": ["ro", "nosuid", "nodev", MARK]}, None, ("ro", "nosuid", "nodev")),
        (None, {"options": ["ro", "nosuid", "nodev"]}, ("rw", MARK), ("ro", "nosuid", "nodev", MARK)),
    ],
)
def test_the_name_of_the_list_marks_a_line_and_nothing_else_does(
    list_name: str | None, given: dict[str, Any], old: tuple[str, ...] | None, options: tuple[str, ...]
) -> None:
    (item,) = wanted_mounts(given, list_name=list_name).mounts
    line = None if old is None else Entry("media", "/srv/media", "virtiofs", old)
    assert item.line(line).options == options


def test_prune_needs_the_name_of_the_list_and_with_no_item_a_confirmation() -> None:
    with pytest.raises(VirtiofsError, match=r"^prune: it needs list_name"):
        wanted_mounts({}, prune=True)
    with pytest.raises(VirtiofsError, match=r"^mounts: the list is empty, and prune .*confirm_empty: true"):
        wanted_mounts(prune=True, list_name="hv1", confirm_empty=False)
    assert wanted_mounts(prune=True, list_name="hv1").prune
    for name in ("", "a\nb"):
        with pytest.raises(VirtiofsError, match=r"^list_name: "):
            wanted_mounts({}, list_name=name)
