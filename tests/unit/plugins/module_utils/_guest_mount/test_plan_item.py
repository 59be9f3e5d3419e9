# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned for one item, as data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan_item import item_of, plan_item, plan_unlisted
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import Directory
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    Mount,
    StartAutomount,
    StopAutomount,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import CREATION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import (
    MakeDirectory,
    ReadUnits,
    Remount,
    RemoveLines,
    WriteLines,
)
from ansible_collections.virtio.fs.tests.unit.guest_machine import (
    AUTOFS,
    ENTRY,
    LINE,
    LIVE,
    guest,
    mount,
    plan_for,
    wanted_mounts,
    write,
)


def test_a_new_share_is_mounted_now_and_at_boot() -> None:
    state = guest(directories={"/srv/media": Directory(missing=("/srv/media",))})
    planned = plan_for(state, {})
    assert planned.steps == (
        Mount("media", "/srv/media", CREATION_OPTIONS, ("/srv/media",)),
        write(ENTRY),
        ReadUnits(),
    )
    assert planned.not_yet == ()
    (change,) = planned.changes
    assert change.name == "media on /srv/media"
    assert change.before == "mounted: no\nfstab: no\n"
    assert change.after == ("mounted: rw,nosuid,nodev,relatime\nfstab: rw,_netdev,nosuid,nodev,nofail\n")
    assert planned.result["mounts"] == [
        {
            "tag": "media",
            "path": "/srv/media",
            "mounted": True,
            "options": ["nodev", "nosuid", "relatime", "rw"],
            "in_fstab": True,
            "also_mounted_on": [],
        }
    ]


def test_what_is_there_is_unchanged_in_any_spelling_of_its_options() -> None:
    line = "media  /srv/media/\tvirtiofs nofail,nodev,nosuid,_netdev,rw # ours\n"
    for options in (None, list(CREATION_OPTIONS), ["nofail", "_netdev", "rw"]):
        planned = plan_for(guest(LIVE, fstab=line), {"options": options})
        assert planned.steps == ()
        assert all(change.before == change.after for change in planned.changes)
        assert planned.result["mounts"][0]["mounted"]


def test_options_left_out_keep_those_of_fstab() -> None:
    line = "media /srv/media virtiofs ro,noatime 0 0\n"
    live = mount("media", "/srv/media", "ro,noatime")
    assert plan_for(guest(live, fstab=line), {}).steps == ()
    (step,) = plan_for(guest(LIVE, fstab=line), {}).steps
    assert step == Remount("/srv/media", ("ro", "noatime"))


def test_without_a_line_a_mount_made_by_hand_gets_the_options_of_creation() -> None:
    by_hand = mount("media", "/srv/media", "rw,relatime")
    assert plan_for(guest(by_hand), {}).steps == (
        Remount("/srv/media", CREATION_OPTIONS),
        write(ENTRY),
        ReadUnits(),
    )


def test_fstab_says_it_but_it_is_not_mounted() -> None:
    assert plan_for(guest(fstab=LINE), {}).steps == (Mount("media", "/srv/media", CREATION_OPTIONS),)


def test_an_option_that_a_remount_cannot_change_is_mounted_again() -> None:
    options = (*CREATION_OPTIONS, "dax=never")
    assert plan_for(guest(LIVE, fstab=LINE), {"options": list(options)}).steps == (
        Unmount("media", "/srv/media"),
        Mount("media", "/srv/media", options),
        write(replace(ENTRY, options=options)),
        ReadUnits(),
    )


def test_a_mount_whose_share_was_unplugged_and_plugged_in_again_is_mounted_again() -> None:
    state = guest(LIVE, fstab=LINE, disconnected={"/srv/media": "Transport endpoint is not connected"})
    assert plan_for(state, {}).steps == (
        Unmount("media", "/srv/media"),
        Mount("media", "/srv/media", CREATION_OPTIONS),
    )


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (mount("vm1", "/srv/media"), r"vm1 \(virtiofs\) is mounted there"),
        (mount("/dev/vdb", "/srv/media", fstype="ext4"), r"/dev/vdb \(ext4\) is mounted there"),
        (mount("media", "/srv/media", root="/below"), "its directory /below"),
        (mount("vm1", "/srv"), "inside the share vm1 on /srv"),
    ],
)
def test_something_else_that_is_mounted_is_refused_whatever_fstab_says(mount: mountinfo.Mount, message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        plan_for(guest(mount, fstab=LINE), {})


@pytest.mark.parametrize("state", ["mounted", "present"])
@pytest.mark.parametrize("line", ["LABEL=x /srv/media ext4 defaults\n", "vm1 /srv/media virtiofs rw\n"])
def test_a_line_of_something_else_is_refused(line: str, state: str) -> None:
    with pytest.raises(VirtiofsError, match=r"^share media, path: /etc/fstab has a line for .* on /srv/media"):
        plan_for(guest(fstab=line), {"state": state})


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        (Directory(symlink="/srv"), "/srv is a symbolic link"),
        (Directory(is_directory=False), "is not a directory"),
    ],
)
def test_a_path_that_cannot_be_a_mount_point_is_refused(directory: Directory, message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        plan_for(guest(directories={"/srv/media": directory}), {})


def test_a_directory_that_is_not_empty_is_a_warning() -> None:
    planned = plan_for(guest(directories={"/srv/media": Directory(empty=False)}), {})
    assert planned.warnings == (
        "the directory /srv/media is not empty: what is in it is hidden while media is mounted",
    )
    assert planned.steps


def test_present_needs_neither_kernel_nor_tag_and_touches_no_mount() -> None:
    state = guest(
        kernel={"loaded": False, "loadable": False, "at_boot": False, "tags": frozenset(), "devices": 0},
        directories={"/srv/media": Directory(missing=("/srv", "/srv/media"))},
    )
    planned = plan_for(state, {"state": "present"})
    assert planned.steps == (
        MakeDirectory("/srv"),
        MakeDirectory("/srv/media"),
        write(ENTRY),
        ReadUnits(),
    )
    assert planned.not_yet == ()
    assert plan_for(guest(LIVE, fstab=LINE), {"state": "present"}).steps == ()


def test_a_line_with_another_spelling_of_the_path_is_that_line() -> None:
    for spelling in ("/srv/./media", "/srv//media/", "/./srv/media/."):
        line = LINE.replace("/srv/media", spelling)
        assert plan_for(guest(LIVE, fstab=line), {}).steps == ()
        assert plan_for(guest(LIVE, fstab=line), {}, exclusive=True).steps == ()
        other = plan_for(guest(LIVE, fstab=line), {"options": ["rw", "noatime"]})
        (written,) = (step for step in other.steps if isinstance(step, WriteLines))
        text = written.lines[0].written_to(line)
        assert len(text.splitlines()) == 1


def test_a_line_that_is_there_twice_is_written_again() -> None:
    for item in ({}, {"state": "present"}):
        assert plan_for(guest(LIVE, fstab=LINE * 2), item).steps == (write(ENTRY), ReadUnits())
    assert RemoveLines((ENTRY,)) in plan_for(guest(fstab=LINE * 2), {"state": "absent"}).steps


def test_unmounted_keeps_fstab_and_absent_does_not() -> None:
    state = guest(LIVE, fstab=LINE)
    assert plan_for(state, {"state": "unmounted"}).steps == (Unmount("media", "/srv/media"),)
    assert plan_for(state, {"state": "absent"}).steps == (
        Unmount("media", "/srv/media"),
        RemoveLines((ENTRY,)),
        ReadUnits(),
    )
    assert plan_for(guest(fstab=LINE), {"state": "unmounted"}).steps == ()
    assert plan_for(guest(), {"state": "absent"}).steps == ()


def test_unmounting_touches_nothing_of_others_on_the_path() -> None:
    state = guest(mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    for each in ("unmounted", "absent"):
        assert plan_for(state, {"state": each}).steps == ()


def test_a_share_that_is_mounted_twice_over_itself_is_unmounted_twice() -> None:
    upper = replace(LIVE, mount_id=11, parent_id=10)
    assert plan_for(guest(LIVE, upper), {"state": "unmounted"}).steps == (Unmount("media", "/srv/media"),) * 2


def test_an_automount_is_started_after_systemd_read_its_line() -> None:
    entry = replace(ENTRY, options=(*CREATION_OPTIONS, "x-systemd.automount"))
    for item in ({"automount": True}, {"options": [*CREATION_OPTIONS, "x-systemd.automount"]}):
        assert plan_for(guest(fstab=LINE), item).steps == (
            write(entry),
            ReadUnits(),
            StartAutomount("media", "/srv/media", ENTRY),
        )


_AUTO_LINE = LINE.replace("nofail", "nofail,x-systemd.automount")


@pytest.mark.parametrize("mounts", [(AUTOFS,), (AUTOFS, replace(LIVE, parent_id=9))])
def test_an_automount_that_waits_or_is_mounted_is_unchanged(mounts: tuple[mountinfo.Mount, ...]) -> None:
    for automount in (True, None):
        planned = plan_for(guest(*mounts, fstab=_AUTO_LINE), {"automount": automount})
        assert planned.steps == ()
        assert all(change.before == change.after for change in planned.changes)


def test_an_automount_is_stopped_after_the_share_was_unmounted() -> None:
    state = guest(AUTOFS, replace(LIVE, parent_id=9), fstab=_AUTO_LINE)
    assert plan_for(state, {"state": "absent"}).steps == (
        Unmount("media", "/srv/media"),
        StopAutomount("media", "/srv/media"),
        RemoveLines((replace(ENTRY, options=(*CREATION_OPTIONS, "x-systemd.automount")),)),
        ReadUnits(),
    )


def test_an_automount_that_is_no_longer_wanted() -> None:
    assert plan_for(guest(AUTOFS, fstab=_AUTO_LINE), {"automount": False}).steps == (
        StopAutomount("media", "/srv/media"),
        Mount("media", "/srv/media", CREATION_OPTIONS),
        write(ENTRY),
        ReadUnits(),
    )


def test_what_an_automount_has_mounted_stays_when_it_is_no_longer_wanted() -> None:
    state = guest(AUTOFS, replace(LIVE, parent_id=9), fstab=_AUTO_LINE)
    assert plan_for(state, {"automount": False}).steps == (write(ENTRY), ReadUnits())


def test_an_automount_whose_share_was_unplugged_and_plugged_in_again_is_started_again() -> None:
    unplugged = {"/srv/media": "Transport endpoint is not connected"}
    state = guest(AUTOFS, replace(LIVE, parent_id=9), fstab=_AUTO_LINE, disconnected=unplugged)
    before = replace(ENTRY, options=(*CREATION_OPTIONS, "x-systemd.automount"))
    assert plan_for(state, {}).steps == (
        Unmount("media", "/srv/media"),
        StopAutomount("media", "/srv/media"),
        StartAutomount("media", "/srv/media", before),
    )


def test_an_automount_needs_systemd() -> None:
    with pytest.raises(VirtiofsError, match=r"^share media, automount: automount needs systemd"):
        plan_for(guest(systemd=False), {"automount": True})


def test_a_kernel_without_virtiofs_is_refused_with_its_release() -> None:
    with pytest.raises(VirtiofsError, match=r"6\.12\.0 has no virtiofs"):
        plan_for(guest(kernel={"loaded": False, "loadable": False}), {})


def test_one_item_alone_says_what_it_unmounts_mounts_and_writes() -> None:
    (item,) = wanted_mounts({}).mounts
    found = plan_item(guest(), item)
    assert (found.mounts, found.writes, found.line, found.listed) == (True, True, ENTRY, True)
    assert found.unmounting == ()
    assert found.mounting == (Mount("media", "/srv/media", CREATION_OPTIONS), write(ENTRY))
    there = plan_item(guest(LIVE, fstab=LINE), item)
    assert (there.mounts, there.writes, there.line) == (False, False, ENTRY)
    assert there.change.before == there.change.after


def test_a_line_that_goes_is_an_absent_item() -> None:
    assert item_of(ENTRY) == wanted_mounts({"state": "absent"}).mounts[0]


def test_what_no_item_names_is_unmounted_and_not_in_the_result() -> None:
    found = plan_unlisted(guest(LIVE, fstab=LINE), ENTRY)
    assert found.unmounting == (Unmount("media", "/srv/media"), RemoveLines((ENTRY,)))
    assert (found.writes, found.line, found.listed) == (True, None, False)
