# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``exclusive`` takes away what no item names, and never what the guest stands on."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.unlisted import unlisted
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
    with pytest.raises(VirtiofsError, match=r"^exclusive_system: it needs exclusive: true$"):
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
