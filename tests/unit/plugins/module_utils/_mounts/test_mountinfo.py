# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import (
    Mount,
    current,
    holding,
    is_remote,
    on_path,
    parse,
)

# A Debian 13 guest, shortened.
_GUEST = """\
22 29 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 29 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
29 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro
61 29 0:41 / /mnt rw,nosuid,nodev,relatime shared:33 - virtiofs vm1 rw
62 29 0:42 / /srv/my\\040media\\043\\134 ro,nosuid shared:34 master:2 - virtiofs my\\040media rw
63 29 0:43 /sub /srv/bound rw - virtiofs vm1 rw
"""


def _mount(mount_id: int, parent_id: int, path: str, source: str = "s") -> Mount:
    return Mount(mount_id, parent_id, "0:1", "/", path, frozenset({"rw"}), "tmpfs", source, frozenset({"rw"}))


def test_a_line_of_mountinfo_is_typed_values() -> None:
    assert parse(_GUEST)[3] == Mount(
        mount_id=61,
        parent_id=29,
        device="0:41",
        root="/",
        path="/mnt",
        options=frozenset({"rw", "nosuid", "nodev", "relatime"}),
        fstype="virtiofs",
        source="vm1",
        super_options=frozenset({"rw"}),
    )


def test_what_the_kernel_escaped_is_unescaped() -> None:
    mount = parse(_GUEST)[4]
    assert mount.path == "/srv/my media#\\"
    assert mount.source == "my media"


@pytest.mark.parametrize("optional", ["", "shared:1 ", "shared:1 master:2 propagate_from:3 "])
def test_any_number_of_optional_fields(optional: str) -> None:
    (mount,) = parse(f"1 0 8:1 / / rw {optional}- ext4 /dev/sda1 rw\n")
    assert (mount.fstype, mount.source) == ("ext4", "/dev/sda1")


def test_an_empty_source_and_a_hyphen_as_source() -> None:
    empty, hyphen = parse("1 0 0:1 / / rw - tmpfs  rw\n2 1 0:2 / /- rw - tmpfs - rw\n")
    assert empty.source == ""
    assert hyphen.source == "-"


def test_readonly_by_the_mount_or_by_the_filesystem() -> None:
    by_mount, by_filesystem, writable = parse(
        "1 0 0:1 / / ro - ext4 a rw\n2 1 0:2 / /b rw - ext4 b ro\n3 1 0:3 / /c rw - ext4 c rw\n"
    )
    assert by_mount.readonly
    assert by_filesystem.readonly
    assert not writable.readonly


def _mangled(text: str) -> str:
    # What seq_file.c's mangle_path() does with " \t\n\\#".
    return "".join(f"\\{ord(character):03o}" if character in " \t\n\\#" else character for character in text)


_NAMES = st.text(st.characters(exclude_characters="\x00/", exclude_categories=["Cs"]), min_size=1)


@given(_NAMES, _NAMES)
def test_every_name_comes_back(directory: str, tag: str) -> None:
    (mount,) = parse(f"1 0 0:1 / /{_mangled(directory)} rw - virtiofs {_mangled(tag)} rw\n")
    assert mount.path == "/" + directory
    assert mount.source == tag


@pytest.mark.parametrize("line", ["garbage", "1 0 0:1 / / rw ext4 a rw", "x 0 0:1 / / rw - ext4 a rw"])
def test_what_is_not_mountinfo_is_an_error_with_the_line(line: str) -> None:
    with pytest.raises(VirtiofsError, match="not mountinfo"):
        parse(line)


def test_the_mount_on_a_path_and_none_beside_it() -> None:
    mounts = parse(_GUEST)
    found = on_path(mounts, "/mnt")
    assert found is not None
    assert found.source == "vm1"
    assert on_path(mounts, "/mnt/below") is None
    assert on_path(mounts, "/mn") is None


def test_the_mount_that_holds_a_path() -> None:
    mounts = parse(_GUEST)
    assert [getattr(holding(mounts, path), "path", None) for path in ("/mnt/below", "/srv/other", "/")] == [
        "/mnt",
        "/",
        "/",
    ]


def test_of_stacked_mounts_the_topmost() -> None:
    mounts = (_mount(1, 0, "/"), _mount(2, 1, "/a", "lower"), _mount(3, 2, "/a", "upper"))
    for order in (mounts, mounts[::-1]):
        found = on_path(order, "/a")
        assert found is not None
        assert found.source == "upper"


def test_a_mount_that_another_one_hides_is_not_there() -> None:
    mounts = (_mount(1, 0, "/"), _mount(2, 1, "/a/b"), _mount(3, 1, "/a"))
    assert on_path(mounts, "/a/b") is None
    held = holding(mounts, "/a/b")
    assert held is not None
    assert held.path == "/a"


def test_without_a_root_mount_as_in_a_chroot() -> None:
    mounts = (_mount(5, 77, "/data"),)
    assert on_path(mounts, "/data") == mounts[0]
    assert holding(mounts, "/other") is None


def test_a_filesystem_that_somebody_else_keeps_may_not_answer() -> None:
    assert all(is_remote(fstype) for fstype in ("virtiofs", "nfs4", "fuse", "fuse.sshfs", "autofs"))
    assert not any(is_remote(fstype) for fstype in ("ext4", "tmpfs", "fuseblk", "nfsd"))


def test_the_mounts_of_this_process_are_read_from_the_kernel() -> None:
    proc = on_path(current(), "/proc")
    assert proc is not None
    assert proc.fstype == "proc"


def test_a_process_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(VirtiofsError, match="/proc/none/mountinfo"):
        current("none")
