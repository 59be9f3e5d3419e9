# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``exclusive`` takes away what no item names, and never what the guest stands on."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import mark
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.unlisted import Unlisted, unlisted
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.tests.unit.guest_machine import AUTOFS, ROOT, guest, mount, plan_for, wanted_mounts


def line(tag: str, path: str, options: str = "rw,nofail") -> str:
    return f"{tag} {path} virtiofs {options} 0 0\n"


def sorted_out(fstab: str, *mounts: Mount, items: tuple[dict[str, Any], ...] = (), **options: Any) -> tuple[str, Any]:
    """The tags that go, and those that stay with their reasons."""
    wanted = wanted_mounts(*items, **{"exclusive": True, **options})
    found = unlisted(fstab, (ROOT, *mounts), wanted)
    return " ".join(entry.spec for entry in found.leaving), {entry.spec: why for entry, why in found.kept}


def test_nothing_goes_without_exclusive() -> None:
    assert sorted_out(line("media", "/srv/media"), exclusive=False) == ("", {})


def test_what_no_item_names_goes() -> None:
    fstab = line("media", "/srv/media") + line("data", "/data")
    assert sorted_out(fstab) == ("media data", {})
    assert sorted_out(fstab, items=({},)) == ("data", {})


@pytest.mark.parametrize(
    "path",
    ["/", "/usr", "/usr/local/share/x", "/etc", "/var", "/boot/efi", "/nix", "/nix/store", "/gnu/store", "/ostree"],
)
def test_a_share_that_the_guest_runs_from_stays(path: str) -> None:
    assert sorted_out(line("root", path, "rw,noatime")) == ("", {"root": "the guest runs from it"})


def test_a_share_that_the_initramfs_mounts_stays() -> None:
    fstab = line("early", "/srv/early", "rw,x-initrd.mount")
    assert sorted_out(fstab) == ("", {"early": "the initramfs mounts it (x-initrd.mount)"})


@pytest.mark.parametrize(
    ("other", "path"),
    [
        ("tmpfs /srv/lower/tmp tmpfs rw 0 0", "/srv/lower/tmp"),
        ("/srv/lower/home /home none bind 0 0", "/home"),
        ("/srv/lower /mnt none bind 0 0", "/mnt"),
        ("/srv/lower/disk.img /mnt ext4 loop 0 0", "/mnt"),
        ("overlay /work overlay lowerdir=/a:/srv/lower,upperdir=/b,workdir=/c 0 0", "/work"),
        ("/dev/vdb /data ext4 x-systemd.requires-mounts-for=/srv/lower/keys 0 0", "/data"),
    ],
    ids=["below it", "bind of a directory", "bind of all", "loop", "overlay", "named by an option"],
)
def test_a_share_that_a_line_of_fstab_needs_stays(other: str, path: str) -> None:
    found = sorted_out(line("lower", "/srv/lower") + other + "\n")
    assert found == ("", {"lower": f"the mount of {path} needs it"})


def test_a_share_that_something_mounted_needs_stays() -> None:
    below = mount("tmpfs", "/srv/lower/tmp", fstype="tmpfs")
    assert sorted_out(line("lower", "/srv/lower"), mount("lower", "/srv/lower"), below) == (
        "",
        {"lower": "what is mounted on /srv/lower/tmp needs it"},
    )


def test_a_neighbour_of_a_similar_name_is_no_reason() -> None:
    fstab = line("lower", "/srv/low") + "tmpfs /srv/lower tmpfs rw 0 0\n/srv/lower/x /mnt none bind 0 0\n"
    assert sorted_out(fstab, mount("lower", "/srv/low")) == ("lower", {})


def test_a_share_below_it_that_goes_too_is_no_reason() -> None:
    fstab = line("outer", "/srv/outer") + line("inner", "/srv/outer/inner")
    mounts = (mount("outer", "/srv/outer"), mount("inner", "/srv/outer/inner"))
    assert sorted_out(fstab, *mounts) == ("outer inner", {})
    leaving = {"tag": "inner", "path": "/srv/outer/inner", "state": "absent"}
    assert sorted_out(fstab, *mounts, items=(leaving,)) == ("outer", {})


def test_what_a_share_needs_that_stays_stays_too() -> None:
    fstab = line("outer", "/srv/outer") + line("inner", "/srv/outer/inner", "rw,x-initrd.mount")
    leaving, kept = sorted_out(fstab)
    assert leaving == ""
    assert kept == {
        "inner": "the initramfs mounts it (x-initrd.mount)",
        "outer": "the mount of /srv/outer/inner needs it",
    }


def test_exclusive_system_takes_all() -> None:
    fstab = line("root", "/", "rw") + line("media", "/srv/media")
    assert sorted_out(fstab, exclusive_system=True) == ("root media", {})
    with pytest.raises(VirtiofsError, match=r"^exclusive_system: it needs exclusive: true or prune: true$"):
        wanted_mounts({}, exclusive_system=True)


def test_the_plan_keeps_its_line_and_mount_and_says_so() -> None:
    root = mount("root", "/", "rw,noatime", mount_id=2)
    state = guest(root, fstab=line("root", "/", "rw,noatime"))
    planned = plan_for(state, exclusive=True)
    assert planned.steps == ()
    assert planned.warnings == (
        "the share root on / stays although no item names it: the guest runs from it "
        "(exclusive_system: true takes it away as well)",
    )
    assert plan_for(state, exclusive=True, exclusive_system=True).steps != ()


def test_its_own_automount_is_no_reason() -> None:
    assert sorted_out(line("media", "/srv/media"), AUTOFS, mount("media", "/srv/media")) == ("media", {})


def marked(tag: str, path: str, list_name: str = "hv1", options: str = "rw,nofail") -> str:
    return line(tag, path, f"{options},{mark(list_name, tag, path)}")


def of_list(fstab: str, *items: dict[str, Any], **options: Any) -> Unlisted:
    return unlisted(fstab, (ROOT,), wanted_mounts(*items, **{"list_name": "hv1", **options}))


def tags(lines: tuple[Entry, ...]) -> str:
    return " ".join(entry.spec for entry in lines)


def test_what_the_list_had_is_named_and_goes_with_prune() -> None:
    fstab = marked("old", "/old") + marked("media", "/srv/media") + line("theirs", "/theirs")
    found = of_list(fstab, {})
    assert (tags(found.ours), tags(found.leaving), tags(found.moving)) == ("old", "", "")
    found = of_list(fstab, {}, prune=True)
    assert (tags(found.ours), tags(found.leaving), tags(found.moving)) == ("old", "old", "")
    found = of_list(fstab, prune=True)
    assert tags(found.leaving) == "old media"


@pytest.mark.parametrize(
    "fstab",
    [
        line("old", "/old"),
        line("old", "/old", "rw,comment=virtio.fs:hv1:00000000"),
        line("old", "/old", "rw," + mark("hv1", "old", "/mnt")),
        line("old", "/old", "rw," + mark("hv1", "other", "/old")),
        marked("old", "/old", "hv2"),
        marked("old", "/old").replace(" virtiofs ", " ext4 "),
        "# " + marked("old", "/old"),
    ],
    ids=["no mark", "made up", "another path", "copied to another tag", "another list", "another type", "a comment"],
)
def test_what_does_not_bear_the_mark_of_this_list_for_this_line_is_not_ours(fstab: str) -> None:
    assert of_list(fstab, {}, prune=True) == Unlisted()
    assert of_list(fstab, {"tag": "old", "path": "/new"}, prune=True) == Unlisted()


def test_without_the_name_of_the_list_nothing_is_ours() -> None:
    assert of_list(marked("old", "/old"), {}, list_name=None) == Unlisted()


def test_a_share_with_another_path_moves_and_the_old_path_goes_last() -> None:
    found = of_list(marked("media", "/old"), {})
    assert (tags(found.moving), tags(found.leaving), found.moves) == ("media", "", {"/old": "/srv/media"})
    assert found.ours == ()


@pytest.mark.parametrize("old", ["/srv", "/srv/media/below"])
def test_one_path_inside_the_other_goes_first(old: str) -> None:
    found = of_list(marked("media", old), {}, exclusive_system=True, exclusive=True)
    assert (tags(found.moving), tags(found.leaving), found.moves) == ("", "media", {old: "/srv/media"})


def test_two_shares_can_change_places() -> None:
    items = ({"tag": "a", "path": "/b"}, {"tag": "b", "path": "/a"})
    found = of_list(marked("a", "/a") + marked("b", "/b"), *items)
    assert (tags(found.moving), tags(found.leaving), found.moves) == ("", "a b", {"/a": "/b", "/b": "/a"})


def test_a_share_that_is_absent_goes_from_where_the_list_mounted_it() -> None:
    found = of_list(marked("media", "/old"), {"state": "absent"})
    assert (tags(found.leaving), found.moves, found.ours) == ("media", {}, ())


@pytest.mark.parametrize("state", ["present", "unmounted"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_a_share_that_is_not_to_be_mounted_does_not_move(state: str, exclusive: bool) -> None:
    found = of_list(marked("media", "/old"), {"state": state}, exclusive=exclusive)
    assert tags(found.leaving) == ("media" if exclusive and state == "unmounted" else "")
    assert found.moving == ()


def test_neither_prune_nor_a_move_takes_what_the_guest_stands_on() -> None:
    fstab = (
        marked("media", "/old") + marked("gone", "/gone") + "/old/x /mnt none bind 0 0\n/gone/x /opt none bind 0 0\n"
    )
    found = of_list(fstab, {}, prune=True)
    assert (found.leaving, found.moving, found.moves) == ((), (), {})
    assert [entry.spec for entry, _why in found.kept] == ["media", "gone"]
    found = of_list(fstab, {}, prune=True, exclusive_system=True)
    assert (tags(found.leaving), tags(found.moving)) == ("gone", "media")
