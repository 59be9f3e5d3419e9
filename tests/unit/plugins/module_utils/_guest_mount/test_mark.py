# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mark of a list on a line of fstab."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import bears_mark, is_mark, mark
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, entries, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount, meaning


def marked(list_name: str, tag: str = "media", path: str = "/srv/media") -> Entry:
    return Entry(tag, path, "virtiofs", ("rw", mark(list_name, tag, path)))


def test_a_mark_is_of_one_list_one_tag_and_one_path() -> None:
    assert mark("hv1", "media", "/srv/media") == "comment=virtio.fs:hv1:81f48427"
    assert len({mark("a", "b", "/c"), mark("b", "a", "/c"), mark("ab", "", "/c"), mark("a", "b", "/d")}) == 4
    assert bears_mark(marked("hv1"), "hv1")
    assert not bears_mark(marked("hv1"), "hv2")
    assert not bears_mark(marked("hv1"), None)


@pytest.mark.parametrize("name", ["hv1.example", "a b", "a,b", 'a"b', "a:b", "a#b", "100%", "ümlaut", "\udcff"])
def test_any_name_comes_back_from_fstab(name: str) -> None:
    (entry,) = entries(with_entry("", marked(name)))
    assert bears_mark(entry, name)
    assert is_mark(entry.options[1])


def test_a_path_in_another_spelling_is_the_same() -> None:
    option = mark("hv1", "media", "/srv/media")
    (entry,) = entries(f"media /srv//media/ virtiofs rw,{option} 0 0\n")
    assert bears_mark(entry, "hv1")


def test_neither_a_kernel_nor_a_comparison_of_options_sees_it() -> None:
    option = mark("hv1", "media", "/srv/media")
    for busybox in (False, True):
        assert for_mount(("rw", option), busybox) == ("rw",)
    assert meaning(("rw", option)) == meaning(("rw",))
    assert not is_mark("comment=mine")
