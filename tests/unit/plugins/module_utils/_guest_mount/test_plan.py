# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for all items: what comes after what, and what concerns several of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.mark import mark
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import Directory, GuestState
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    ForgetModuleAtBoot,
    LoadModule,
    LoadModuleAtBoot,
    Mount,
    StartAutomount,
    StopAutomount,
    Unmount,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import CREATION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import MakeDirectory, ReadUnits, RemoveLines
from ansible_collections.virtio.fs.tests.unit.guest_machine import (
    ENTRY,
    LINE,
    LIVE,
    ROOT,
    guest,
    mount,
    plan_for,
    wanted_mounts,
    write,
)


def test_without_systemd_nobody_asks_it_to_read_fstab() -> None:
    assert ReadUnits() not in plan_for(guest(systemd=False), {}).steps


def test_systemd_is_not_made_to_wait_for_a_share_that_does_not_answer() -> None:
    dead = {"/srv/dead": "dead"}
    for item in ({}, {"state": "present"}):
        with pytest.raises(VirtiofsError, match="would wait for the share dead, which is mounted on /srv/dead"):
            plan_for(guest(unresponsive=dead), item)
    with pytest.raises(VirtiofsError, match="would wait for the share dead"):
        plan_for(guest(LIVE, fstab=LINE, unresponsive=dead), {"state": "absent"})
    assert plan_for(guest(LIVE, fstab=LINE, unresponsive=dead), {}).steps == ()
    assert plan_for(guest(LIVE, fstab=LINE, unresponsive=dead), {"state": "unmounted"}).steps
    assert plan_for(guest(unresponsive=dead, systemd=False), {}).steps


def test_two_mounts_in_one_new_directory_make_it_once() -> None:
    directories = {f"/srv/new/{tag}": Directory(missing=("/srv/new", f"/srv/new/{tag}")) for tag in ("a", "b", "c")}
    items = [{"tag": tag, "path": f"/srv/new/{tag}"} for tag in ("a", "b")]
    also = {"tag": "c", "path": "/srv/new/c", "state": "present"}
    planned = plan_for(guest(directories=directories, kernel={"tags": frozenset({"a", "b", "c"})}), *items, also)
    mounts = [step.missing for step in planned.steps if isinstance(step, Mount)]
    assert mounts == [("/srv/new", "/srv/new/a"), ("/srv/new/b",)]
    assert [step.path for step in planned.steps if isinstance(step, MakeDirectory)] == ["/srv/new/c"]


def test_what_unmounts_comes_before_what_mounts() -> None:
    planned = plan_for(guest(LIVE, fstab=LINE), {"path": "/srv/new"}, {"path": "/srv/media", "state": "absent"})
    assert planned.steps == (
        Unmount("media", "/srv/media"),
        RemoveLines((ENTRY,)),
        Mount("media", "/srv/new", CREATION_OPTIONS),
        write(replace(ENTRY, path="/srv/new")),
        ReadUnits(),
    )


def test_a_share_with_a_second_line_that_no_item_names_is_a_warning() -> None:
    planned = plan_for(guest(LIVE, fstab=LINE + "media /old virtiofs rw\n"), {})
    assert planned.warnings == ("the share media also has a line in fstab for /old, which no item names",)


def test_exclusive_drops_the_lines_that_the_list_does_not_have_and_no_other_filesystem() -> None:
    fstab = "LABEL=root / ext4 defaults 0 1\n" + LINE + "vm1 /mnt virtiofs rw\nhost:/x /nfs nfs rw\n"
    state = guest(LIVE, mount("vm1", "/mnt", mount_id=11), fstab=fstab)
    planned = plan_for(state, {}, exclusive=True)
    line = Entry("vm1", "/mnt", "virtiofs", ("rw",))
    assert planned.steps == (Unmount("vm1", "/mnt"), RemoveLines((line,)), ReadUnits())
    assert [mount["tag"] for mount in planned.result["mounts"]] == ["media"]
    assert plan_for(state, {}).steps == ()


def test_exclusive_lets_a_new_share_take_the_path_of_an_old_one() -> None:
    state = guest(mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    assert plan_for(state, {}, exclusive=True).steps == (
        Unmount("vm1", "/srv/media"),
        RemoveLines((Entry("vm1", "/srv/media", "virtiofs", ("rw",)),)),
        Mount("media", "/srv/media", CREATION_OPTIONS),
        write(ENTRY),
        ReadUnits(),
    )


@pytest.mark.parametrize("first", [True, False])
def test_a_path_passes_from_a_share_that_is_absent_to_another(first: bool) -> None:
    state = guest(mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    items: list[dict[str, Any]] = [{"tag": "vm1", "state": "absent"}, {}]
    planned = plan_for(state, *(items if first else items[::-1]))
    assert planned.steps == (
        Unmount("vm1", "/srv/media"),
        RemoveLines((Entry("vm1", "/srv/media", "virtiofs", ("rw",)),)),
        Mount("media", "/srv/media", CREATION_OPTIONS),
        write(ENTRY),
        ReadUnits(),
    )
    assert planned.warnings == ()
    assert plan_for(guest(LIVE, fstab=LINE), *items).steps == ()


def test_a_path_in_a_share_that_goes_is_free() -> None:
    outer = {"tag": "vm1", "path": "/srv", "state": "absent"}
    planned = plan_for(guest(mount("vm1", "/srv"), fstab="vm1 /srv virtiofs rw\n"), outer, {})
    assert Mount("media", "/srv/media", CREATION_OPTIONS) in planned.steps


def test_a_share_that_is_only_unmounted_keeps_its_line_and_so_its_path() -> None:
    state = guest(mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    with pytest.raises(VirtiofsError, match="has a line for vm1"):
        plan_for(state, {"tag": "vm1", "state": "unmounted"}, {})
    assert plan_for(guest(mount("vm1", "/srv/media")), {"tag": "vm1", "state": "unmounted"}, {}).steps[:2] == (
        Unmount("vm1", "/srv/media"),
        Mount("media", "/srv/media", CREATION_OPTIONS),
    )


def test_the_module_is_loaded_now_and_at_boot_where_it_is_not_built_in() -> None:
    planned = plan_for(guest(kernel={"loaded": False, "at_boot": False, "tags": None}), {})
    assert planned.steps[0] == LoadModule()
    assert planned.steps[-1] == LoadModuleAtBoot()
    unloaded = guest(LIVE, fstab=LINE, kernel={"at_boot": False})
    assert plan_for(unloaded, {}).steps == (LoadModuleAtBoot(),)


def test_the_module_is_forgotten_with_the_last_line_if_we_had_it_loaded() -> None:
    state = guest(fstab=LINE, kernel={"own_boot_file": True})
    assert plan_for(state, {"state": "absent"}).steps[-1] == ForgetModuleAtBoot()
    assert ForgetModuleAtBoot() not in plan_for(state, {"state": "unmounted"}).steps
    other = guest(fstab=LINE + "vm1 /mnt virtiofs rw\n", kernel={"own_boot_file": True})
    assert ForgetModuleAtBoot() not in plan_for(other, {"state": "absent"}).steps
    not_ours = guest(fstab=LINE)
    assert ForgetModuleAtBoot() not in plan_for(not_ours, {"state": "absent"}).steps


def test_a_tag_that_is_not_there_is_not_yet_there_and_the_others_are_named() -> None:
    (sentence,) = plan_for(guest(), {"tag": "typo"}).not_yet
    assert sentence.startswith("there is no share with the tag typo in this guest, only media, vm1")


@pytest.mark.parametrize(
    ("kernel", "mounts", "missing"),
    [
        ({"tags": None, "devices": 0}, (), True),
        ({"tags": None, "devices": 1}, (), False),
        ({"tags": None, "devices": 1}, (mount("vm1", "/mnt"),), True),
        ({"tags": None, "devices": 2}, (mount("vm1", "/mnt"),), False),
        ({"tags": None, "devices": 1}, (mount("media", "/elsewhere"),), False),
        ({"tags": frozenset(), "devices": 0}, (), True),
    ],
)
def test_where_the_kernel_does_not_name_the_tags_the_devices_are_counted(
    kernel: dict[str, Any], mounts: tuple[mountinfo.Mount, ...], missing: bool
) -> None:
    assert bool(plan_for(guest(*mounts, kernel=kernel), {}).not_yet) == missing


def test_a_share_that_is_mounted_is_not_looked_for() -> None:
    assert plan_for(guest(LIVE, fstab=LINE, kernel={"tags": frozenset()}), {}).not_yet == ()


def _also(state: GuestState, *items: dict[str, Any], exclusive: bool = False) -> list[str]:
    planned = plan_for(state, *items, exclusive=exclusive)
    also: list[str] = planned.result["mounts"][0]["also_mounted_on"]
    assert any("is still mounted on" in warning for warning in planned.warnings) is bool(also)
    return also


def test_a_share_that_goes_and_is_mounted_somewhere_else_too_is_in_use() -> None:
    second = mount("media", "/data", mount_id=8)
    state = guest(LIVE, second, everywhere=(ROOT, LIVE, second))
    assert _also(state, {"state": "absent"}) == ["/data"]
    assert _also(guest(second), {"state": "unmounted"}) == ["/data"]
    assert _also(state, {"state": "absent"}, {"path": "/data", "state": "absent"}) == []
    assert _also(state, {}) == []
    line = "media /data virtiofs rw 0 0\n"
    assert _also(guest(LIVE, second, fstab=line), {"state": "absent"}, exclusive=True) == []
    assert _also(guest(mount("other", "/data", mount_id=8)), {"state": "absent"}) == []


def test_what_another_namespace_keeps_counts_when_it_did_not_go_with_ours() -> None:
    copy = replace(LIVE, mount_id=99)
    assert _also(guest(LIVE, everywhere=(ROOT, LIVE, copy)), {"state": "absent"}) == []
    assert _also(guest(everywhere=(ROOT, copy)), {"state": "absent"}) == ["/srv/media"]


def test_exclusive_with_an_empty_list_unmounts_every_share() -> None:
    assert plan_for(guest(LIVE, fstab=LINE), exclusive=True).steps == (
        Unmount("media", "/srv/media"),
        RemoveLines((ENTRY,)),
        ReadUnits(),
    )


def test_a_share_with_two_lines_that_no_item_names_is_unmounted_once() -> None:
    second = LINE.replace("rw,", "ro,")
    assert plan_for(guest(LIVE, fstab=LINE + second), exclusive=True).steps == (
        Unmount("media", "/srv/media"),
        RemoveLines((ENTRY, replace(ENTRY, options=("ro", *CREATION_OPTIONS[1:])))),
        ReadUnits(),
    )


def test_what_no_item_names_stays_as_it_is_without_exclusive() -> None:
    planned = plan(wanted_mounts(), guest(LIVE, fstab=LINE))
    assert (planned.steps, planned.changes, planned.warnings) == ((), (), ())
    assert planned.result == {"mounts": [], "unlisted": []}


def marked(tag: str, path: str, *options: str) -> Entry:
    return Entry(tag, path, "virtiofs", (*CREATION_OPTIONS, *options, mark("hv1", tag, path)))


def text(*lines: Entry) -> str:
    made = ""
    for line in lines:
        made = with_entry(made, line)
    return made


NEW = marked("media", "/srv/media")
OLD = marked("media", "/old")
OLD_LIVE = mount("media", "/old", mount_id=12)


def test_a_line_gets_the_mark_once() -> None:
    assert plan_for(guest(LIVE, fstab=LINE), {}, list_name="hv1").steps == (write(NEW), ReadUnits())
    planned = plan_for(guest(LIVE, fstab=text(NEW)), {}, list_name="hv1")
    assert (planned.steps, planned.warnings, planned.result["unlisted"]) == ((), (), [])
    assert plan_for(guest(LIVE, fstab=text(NEW)), {}).steps == ()


def test_a_mount_point_moves_and_the_new_one_is_there_before_the_old_one_goes() -> None:
    planned = plan_for(guest(OLD_LIVE, fstab=text(OLD)), {}, list_name="hv1")
    assert planned.steps == (
        Mount("media", "/srv/media", CREATION_OPTIONS + (mark("hv1", "media", "/srv/media"),)),
        write(NEW),
        Unmount("media", "/old"),
        RemoveLines((OLD,)),
        ReadUnits(),
    )
    assert planned.warnings == ()
    assert [each.name for each in planned.changes] == ["media on /srv/media", "media on /old"]
    assert [each["path"] for each in planned.result["mounts"]] == ["/srv/media"]


def test_a_move_that_ended_half_way_goes_on() -> None:
    assert plan_for(guest(LIVE, OLD_LIVE, fstab=text(OLD, NEW)), {}, list_name="hv1").steps == (
        Unmount("media", "/old"),
        RemoveLines((OLD,)),
        ReadUnits(),
    )


def test_an_automount_moves_when_systemd_knows_its_line_and_is_told_again_when_the_old_one_is_gone() -> None:
    old = marked("media", "/old", "x-systemd.automount")
    waits = mount("systemd-1", "/old", fstype="autofs", mount_id=11)
    state = guest(waits, replace(OLD_LIVE, parent_id=11), fstab=text(old))
    planned = plan_for(state, {"automount": True}, list_name="hv1")
    assert planned.steps == (
        write(marked("media", "/srv/media", "x-systemd.automount")),
        ReadUnits(),
        StartAutomount("media", "/srv/media", None),
        Unmount("media", "/old"),
        StopAutomount("media", "/old"),
        RemoveLines((old,)),
        ReadUnits(),
    )


def test_a_move_is_refused_with_the_users_of_the_old_path_before_anything_is_changed() -> None:
    used = guest(OLD_LIVE, fstab=text(OLD), users={"/old": ("bash (12)", "vi (13)")})
    with pytest.raises(VirtiofsError) as error:
        plan_for(used, {}, list_name="hv1")
    assert str(error.value) == (
        "share media, path: it is to move from /old to /srv/media, but /old is in use by bash (12), vi (13): "
        "nothing was changed; end that and run it again"
    )


def test_a_path_inside_the_old_one_is_mounted_when_that_is_gone() -> None:
    outer = marked("media", "/data")
    planned = plan_for(guest(mount("media", "/data"), fstab=text(outer)), {"path": "/data/media"}, list_name="hv1")
    assert [type(step).__name__ for step in planned.steps] == [
        "Unmount",
        "RemoveLines",
        "Mount",
        "WriteLines",
        "ReadUnits",
    ]


def test_without_the_mark_a_second_mount_point_is_a_warning_as_ever() -> None:
    planned = plan_for(guest(LIVE, OLD_LIVE, fstab=text(NEW, replace(OLD, options=("rw",)))), {}, list_name="hv1")
    assert planned.steps == ()
    assert planned.warnings == ("the share media also has a line in fstab for /old, which no item names",)


def test_what_the_list_had_is_told_and_taken_away_when_that_is_asked_for() -> None:
    gone = marked("gone", "/gone")
    copy = mount("gone", "/elsewhere", mount_id=14)
    state = guest(LIVE, mount("gone", "/gone", mount_id=13), copy, fstab=text(NEW, gone))
    planned = plan_for(state, {}, list_name="hv1")
    assert (planned.steps, planned.warnings) == ((), ())
    assert planned.result["unlisted"] == [{"tag": "gone", "path": "/gone", "state": "kept", "also_mounted_on": []}]
    planned = plan_for(state, {}, list_name="hv1", prune=True)
    assert planned.steps == (Unmount("gone", "/gone"), RemoveLines((gone,)), ReadUnits())
    (told,) = planned.result["unlisted"]
    assert told == {"tag": "gone", "path": "/gone", "state": "absent", "also_mounted_on": ["/elsewhere"]}


def test_with_prune_the_shares_are_told_that_are_in_use_in_the_end() -> None:
    gone, elsewhere = marked("gone", "/gone"), mount("far", "/far", mount_id=15)
    live = mount("gone", "/gone", mount_id=13)
    there = (ROOT, LIVE, live, replace(live, mount_id=99), elsewhere)
    state = guest(LIVE, live, fstab=text(NEW, gone), everywhere=there)
    assert "in_use" not in plan_for(state, {}, list_name="hv1").result
    assert plan_for(state, {}, list_name="hv1", prune=True).result["in_use"] == ["far", "media"]
    bind = mount("gone", "/part", mount_id=16, root="/below")
    still = replace(state, mounts=(*state.mounts, bind))
    assert plan_for(still, {}, list_name="hv1", prune=True).result["in_use"] == ["far", "gone", "media"]
    assert plan_for(guest(), {"state": "present"}, list_name="hv1", prune=True).result["in_use"] == []
    assert plan_for(guest(), {}, list_name="hv1", prune=True).result["in_use"] == ["media"]


def test_a_preflight_refuses_what_a_run_would_refuse_and_does_nothing_else() -> None:
    absent = guest(kernel={"tags": frozenset()})
    assert plan_for(absent, {}).not_yet
    asked = plan_for(absent, {}, preflight=True)
    assert (asked.steps, asked.changes, asked.not_yet, asked.warnings) == ((), (), (), ())
    taken = guest(mount("other", "/srv/media", fstype="ext4"))
    with pytest.raises(VirtiofsError, match="is mounted there"):
        plan_for(taken, {}, preflight=True)
    with pytest.raises(VirtiofsError, match="has no virtiofs"):
        plan_for(guest(kernel={"loaded": False, "loadable": False}), {}, preflight=True)
