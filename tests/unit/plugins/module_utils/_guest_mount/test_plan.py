# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned for the mounts of a guest, as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.kernel import Kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan import (
    Directory,
    GuestState,
    plan,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import (
    ChangeOptions,
    ForgetModuleAtBoot,
    LoadModule,
    LoadModuleAtBoot,
    MakeDirectory,
    MountShare,
    ReadUnitsAgain,
    RemoveLine,
    StartAutomount,
    StopAutomount,
    Unmount,
    WriteLine,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import CREATION_OPTIONS, wanted_mounts
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan

_KERNEL = Kernel(
    release="6.12.0",
    loaded=True,
    loadable=True,
    modules_installed=True,
    at_boot=True,
    own_boot_file=False,
    devices=2,
    tags=frozenset({"media", "vm1"}),
)
_ROOT = Mount(1, 0, "8:1", "/", "/", frozenset({"rw", "relatime"}), "ext4", "/dev/vda", frozenset({"rw"}))
_LINE = "media /srv/media virtiofs rw,_netdev,nosuid,nodev,nofail 0 0\n"
_ENTRY = Entry("media", "/srv/media", "virtiofs", CREATION_OPTIONS)
_FSTAB = "/etc/fstab"


def _mount(source: str, path: str, options: str = "rw,nosuid,nodev,relatime", **other: Any) -> Mount:
    mount_id = other.pop("mount_id", 10)
    mount = Mount(
        mount_id, 1, "0:9", "/", path, frozenset(options.split(",")), "virtiofs", source, frozenset({"rw"})
    )
    return replace(mount, **other)


_LIVE = _mount("media", "/srv/media")
_AUTOFS = _mount("systemd-1", "/srv/media", "rw,relatime", fstype="autofs", mount_id=9)


def _state(*mounts: Mount, fstab: str = "", **other: Any) -> GuestState:
    kernel = replace(_KERNEL, **other.pop("kernel", {}))
    return GuestState(kernel, (_ROOT, *mounts), fstab, _FSTAB, other.pop("systemd", True), **other)


def _plan(state: GuestState, *items: dict[str, Any], exclusive: bool = False) -> Plan:
    defaulted = [{"tag": "media", "path": "/srv/media", **item} for item in items]
    return plan(state, wanted_mounts(defaulted, exclusive, confirm_empty=True), exclusive)


def test_a_new_share_is_mounted_now_and_at_boot() -> None:
    state = _state(directories={"/srv/media": Directory(missing=("/srv/media",))})
    planned = _plan(state, {})
    assert planned.steps == (
        MountShare("media", "/srv/media", CREATION_OPTIONS, ("/srv/media",)),
        WriteLine(_ENTRY, _FSTAB),
        ReadUnitsAgain(),
    )
    assert planned.not_yet == ()
    (change,) = planned.changes
    assert change.name == "media on /srv/media"
    assert change.before == "mounted: no\nfstab: no\n"
    assert change.after == (
        "mounted: rw,nosuid,nodev,relatime\nfstab: rw,_netdev,nosuid,nodev,nofail\n"
    )
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
        planned = _plan(_state(_LIVE, fstab=line), {"options": options})
        assert planned.steps == ()
        assert all(change.before == change.after for change in planned.changes)
        assert planned.result["mounts"][0]["mounted"]


def test_options_left_out_keep_those_of_fstab() -> None:
    line = "media /srv/media virtiofs ro,noatime 0 0\n"
    live = _mount("media", "/srv/media", "ro,noatime")
    assert _plan(_state(live, fstab=line), {}).steps == ()
    (step,) = _plan(_state(_LIVE, fstab=line), {}).steps
    assert step == ChangeOptions("media", "/srv/media", ("ro", "noatime"))


def test_without_a_line_a_mount_made_by_hand_gets_the_options_of_creation() -> None:
    by_hand = _mount("media", "/srv/media", "rw,relatime")
    assert _plan(_state(by_hand), {}).steps == (
        ChangeOptions("media", "/srv/media", CREATION_OPTIONS),
        WriteLine(_ENTRY, _FSTAB),
        ReadUnitsAgain(),
    )


def test_fstab_says_it_but_it_is_not_mounted() -> None:
    assert _plan(_state(fstab=_LINE), {}).steps == (MountShare("media", "/srv/media", CREATION_OPTIONS),)


def test_an_option_that_a_remount_cannot_change_is_mounted_again() -> None:
    options = (*CREATION_OPTIONS, "dax=never")
    assert _plan(_state(_LIVE, fstab=_LINE), {"options": list(options)}).steps == (
        Unmount("media", "/srv/media"),
        MountShare("media", "/srv/media", options),
        WriteLine(replace(_ENTRY, options=options), _FSTAB),
        ReadUnitsAgain(),
    )


def test_a_mount_whose_share_was_unplugged_and_plugged_in_again_is_mounted_again() -> None:
    state = _state(_LIVE, fstab=_LINE, gone={"/srv/media": "Transport endpoint is not connected"})
    assert _plan(state, {}).steps == (
        Unmount("media", "/srv/media"),
        MountShare("media", "/srv/media", CREATION_OPTIONS),
    )


def test_without_systemd_nothing_tells_it_to_read_fstab() -> None:
    assert ReadUnitsAgain() not in _plan(_state(systemd=False), {}).steps


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        (_mount("vm1", "/srv/media"), r"vm1 \(virtiofs\) is mounted there"),
        (_mount("/dev/vdb", "/srv/media", fstype="ext4"), r"/dev/vdb \(ext4\) is mounted there"),
        (_mount("media", "/srv/media", root="/below"), "its directory /below"),
        (_mount("vm1", "/srv"), "inside the share vm1 on /srv"),
    ],
)
def test_something_else_that_is_mounted_is_refused_whatever_fstab_says(mount: Mount, message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        _plan(_state(mount, fstab=_LINE), {})


@pytest.mark.parametrize("state", ["mounted", "present"])
@pytest.mark.parametrize("line", ["LABEL=x /srv/media ext4 defaults\n", "vm1 /srv/media virtiofs rw\n"])
def test_a_line_of_something_else_is_refused(line: str, state: str) -> None:
    with pytest.raises(VirtiofsError, match=r"/etc/fstab has a line for .* on that path"):
        _plan(_state(fstab=line), {"state": state})


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        (Directory(symlink="/srv"), "/srv is a symbolic link"),
        (Directory(is_directory=False), "is not a directory"),
    ],
)
def test_a_path_that_cannot_be_a_mount_point_is_refused(directory: Directory, message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        _plan(_state(directories={"/srv/media": directory}), {})


def test_systemd_is_not_made_to_wait_for_a_share_that_does_not_answer() -> None:
    dead = {"/srv/dead": "dead"}
    for item in ({}, {"state": "present"}):
        with pytest.raises(VirtiofsError, match="would wait for the share dead, which is mounted on /srv/dead"):
            _plan(_state(silent=dead), item)
    with pytest.raises(VirtiofsError, match="would wait for the share dead"):
        _plan(_state(_LIVE, fstab=_LINE, silent=dead), {"state": "absent"})
    assert _plan(_state(_LIVE, fstab=_LINE, silent=dead), {}).steps == ()
    assert _plan(_state(_LIVE, fstab=_LINE, silent=dead), {"state": "unmounted"}).steps
    assert _plan(_state(silent=dead, systemd=False), {}).steps


def test_two_mounts_in_one_new_directory_make_it_once() -> None:
    directories = {f"/srv/new/{tag}": Directory(missing=("/srv/new", f"/srv/new/{tag}")) for tag in ("a", "b", "c")}
    items = [{"tag": tag, "path": f"/srv/new/{tag}"} for tag in ("a", "b")]
    also = {"tag": "c", "path": "/srv/new/c", "state": "present"}
    planned = _plan(_state(directories=directories, kernel={"tags": frozenset({"a", "b", "c"})}), *items, also)
    mounts = [step.missing for step in planned.steps if isinstance(step, MountShare)]
    assert mounts == [("/srv/new", "/srv/new/a"), ("/srv/new/b",)]
    assert [step.path for step in planned.steps if isinstance(step, MakeDirectory)] == ["/srv/new/c"]


def test_a_directory_that_is_not_empty_is_a_warning() -> None:
    planned = _plan(_state(directories={"/srv/media": Directory(empty=False)}), {})
    assert planned.warnings == (
        "the directory /srv/media is not empty: what is in it is hidden while media is mounted",
    )
    assert planned.steps


def test_present_needs_neither_kernel_nor_tag_and_touches_no_mount() -> None:
    state = _state(
        kernel={"loaded": False, "loadable": False, "at_boot": False, "tags": frozenset(), "devices": 0},
        directories={"/srv/media": Directory(missing=("/srv", "/srv/media"))},
    )
    planned = _plan(state, {"state": "present"})
    assert planned.steps == (
        MakeDirectory("/srv"),
        MakeDirectory("/srv/media"),
        WriteLine(_ENTRY, _FSTAB),
        ReadUnitsAgain(),
    )
    assert planned.not_yet == ()
    assert _plan(_state(_LIVE, fstab=_LINE), {"state": "present"}).steps == ()


def test_a_line_with_another_spelling_of_the_path_is_that_line() -> None:
    for spelling in ("/srv/./media", "/srv//media/", "/./srv/media/."):
        line = _LINE.replace("/srv/media", spelling)
        assert _plan(_state(_LIVE, fstab=line), {}).steps == ()
        assert _plan(_state(_LIVE, fstab=line), {}, exclusive=True).steps == ()
        other = _plan(_state(_LIVE, fstab=line), {"options": ["rw", "noatime"]})
        text = other.steps[1]._written(line)
        assert len(text.splitlines()) == 1


def test_a_line_that_is_there_twice_is_written_again() -> None:
    for item in ({}, {"state": "present"}):
        assert _plan(_state(_LIVE, fstab=_LINE * 2), item).steps == (WriteLine(_ENTRY, _FSTAB), ReadUnitsAgain())
    assert RemoveLine("media", "/srv/media", _FSTAB) in _plan(_state(fstab=_LINE * 2), {"state": "absent"}).steps


def test_unmounted_keeps_fstab_and_absent_does_not() -> None:
    state = _state(_LIVE, fstab=_LINE)
    assert _plan(state, {"state": "unmounted"}).steps == (Unmount("media", "/srv/media"),)
    assert _plan(state, {"state": "absent"}).steps == (
        Unmount("media", "/srv/media"),
        RemoveLine("media", "/srv/media", _FSTAB),
        ReadUnitsAgain(),
    )
    assert _plan(_state(fstab=_LINE), {"state": "unmounted"}).steps == ()
    assert _plan(_state(), {"state": "absent"}).steps == ()


def test_letting_go_touches_nothing_of_others_on_the_path() -> None:
    state = _state(_mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    for wanted in ("unmounted", "absent"):
        assert _plan(state, {"state": wanted}).steps == ()


def test_a_share_that_is_mounted_twice_over_itself_is_unmounted_twice() -> None:
    upper = replace(_LIVE, mount_id=11, parent_id=10)
    assert _plan(_state(_LIVE, upper), {"state": "unmounted"}).steps == (Unmount("media", "/srv/media"),) * 2


def test_what_lets_go_comes_before_what_takes() -> None:
    planned = _plan(
        _state(_LIVE, fstab=_LINE), {"path": "/srv/new"}, {"path": "/srv/media", "state": "absent"}
    )
    assert planned.steps == (
        Unmount("media", "/srv/media"),
        RemoveLine("media", "/srv/media", _FSTAB),
        MountShare("media", "/srv/new", CREATION_OPTIONS),
        WriteLine(replace(_ENTRY, path="/srv/new"), _FSTAB),
        ReadUnitsAgain(),
    )


def test_a_share_with_a_second_line_that_no_item_names_is_a_warning() -> None:
    planned = _plan(_state(_LIVE, fstab=_LINE + "media /old virtiofs rw\n"), {})
    assert planned.warnings == ("the share media also has a line in fstab for /old, which no item names",)


def test_exclusive_drops_the_lines_that_the_list_does_not_have_and_no_other_filesystem() -> None:
    fstab = "LABEL=root / ext4 defaults 0 1\n" + _LINE + "vm1 /mnt virtiofs rw\nhost:/x /nfs nfs rw\n"
    state = _state(_LIVE, _mount("vm1", "/mnt", mount_id=11), fstab=fstab)
    planned = _plan(state, {}, exclusive=True)
    assert planned.steps == (Unmount("vm1", "/mnt"), RemoveLine("vm1", "/mnt", _FSTAB), ReadUnitsAgain())
    assert [mount["tag"] for mount in planned.result["mounts"]] == ["media"]
    assert _plan(state, {}).steps == ()


def test_exclusive_lets_a_new_share_take_the_path_of_an_old_one() -> None:
    state = _state(_mount("vm1", "/srv/media"), fstab="vm1 /srv/media virtiofs rw\n")
    assert _plan(state, {}, exclusive=True).steps == (
        Unmount("vm1", "/srv/media"),
        RemoveLine("vm1", "/srv/media", _FSTAB),
        MountShare("media", "/srv/media", CREATION_OPTIONS),
        WriteLine(_ENTRY, _FSTAB),
        ReadUnitsAgain(),
    )


def test_exclusive_with_an_empty_list_needs_a_confirmation() -> None:
    with pytest.raises(VirtiofsError, match="confirm_empty"):
        wanted_mounts([], exclusive=True)
    assert _plan(_state(_LIVE, fstab=_LINE), exclusive=True).steps == (
        Unmount("media", "/srv/media"),
        RemoveLine("media", "/srv/media", _FSTAB),
        ReadUnitsAgain(),
    )


def test_an_automount_is_started_after_systemd_read_its_line() -> None:
    entry = replace(_ENTRY, options=(*CREATION_OPTIONS, "x-systemd.automount"))
    for item in ({"automount": True}, {"options": [*CREATION_OPTIONS, "x-systemd.automount"]}):
        assert _plan(_state(fstab=_LINE), item).steps == (
            WriteLine(entry, _FSTAB),
            ReadUnitsAgain(),
            StartAutomount("media", "/srv/media", _ENTRY),
        )


_AUTO_LINE = _LINE.replace("nofail", "nofail,x-systemd.automount")


@pytest.mark.parametrize("mounts", [(_AUTOFS,), (_AUTOFS, replace(_LIVE, parent_id=9))])
def test_an_automount_that_waits_or_is_mounted_is_unchanged(mounts: tuple[Mount, ...]) -> None:
    for automount in (True, None):
        planned = _plan(_state(*mounts, fstab=_AUTO_LINE), {"automount": automount})
        assert planned.steps == ()
        assert all(change.before == change.after for change in planned.changes)


def test_an_automount_is_stopped_after_the_share_was_unmounted() -> None:
    state = _state(_AUTOFS, replace(_LIVE, parent_id=9), fstab=_AUTO_LINE)
    assert _plan(state, {"state": "absent"}).steps == (
        Unmount("media", "/srv/media"),
        StopAutomount("media", "/srv/media"),
        RemoveLine("media", "/srv/media", _FSTAB),
        ReadUnitsAgain(),
    )


def test_an_automount_that_is_no_longer_wanted() -> None:
    assert _plan(_state(_AUTOFS, fstab=_AUTO_LINE), {"automount": False}).steps == (
        StopAutomount("media", "/srv/media"),
        MountShare("media", "/srv/media", CREATION_OPTIONS),
        WriteLine(_ENTRY, _FSTAB),
        ReadUnitsAgain(),
    )


def test_what_an_automount_has_mounted_stays_when_it_is_no_longer_wanted() -> None:
    state = _state(_AUTOFS, replace(_LIVE, parent_id=9), fstab=_AUTO_LINE)
    assert _plan(state, {"automount": False}).steps == (WriteLine(_ENTRY, _FSTAB), ReadUnitsAgain())


def test_an_automount_whose_share_was_unplugged_and_plugged_in_again_is_started_again() -> None:
    gone = {"/srv/media": "Transport endpoint is not connected"}
    state = _state(_AUTOFS, replace(_LIVE, parent_id=9), fstab=_AUTO_LINE, gone=gone)
    before = replace(_ENTRY, options=(*CREATION_OPTIONS, "x-systemd.automount"))
    assert _plan(state, {}).steps == (
        Unmount("media", "/srv/media"),
        StopAutomount("media", "/srv/media"),
        StartAutomount("media", "/srv/media", before),
    )


def test_an_automount_needs_systemd() -> None:
    with pytest.raises(VirtiofsError, match="'media': automount needs systemd"):
        _plan(_state(systemd=False), {"automount": True})


def test_a_kernel_without_virtiofs_is_refused_with_its_release() -> None:
    with pytest.raises(VirtiofsError, match=r"6\.12\.0 has no virtiofs"):
        _plan(_state(kernel={"loaded": False, "loadable": False}), {})


def test_the_module_is_loaded_now_and_at_boot_where_it_is_not_built_in() -> None:
    planned = _plan(_state(kernel={"loaded": False, "at_boot": False, "tags": None}), {})
    assert planned.steps[0] == LoadModule()
    assert planned.steps[-1] == LoadModuleAtBoot()
    unloaded = _state(_LIVE, fstab=_LINE, kernel={"at_boot": False})
    assert _plan(unloaded, {}).steps == (LoadModuleAtBoot(),)


def test_the_module_is_forgotten_with_the_last_line_if_we_had_it_loaded() -> None:
    state = _state(fstab=_LINE, kernel={"own_boot_file": True})
    assert _plan(state, {"state": "absent"}).steps[-1] == ForgetModuleAtBoot()
    assert ForgetModuleAtBoot() not in _plan(state, {"state": "unmounted"}).steps
    other = _state(fstab=_LINE + "vm1 /mnt virtiofs rw\n", kernel={"own_boot_file": True})
    assert ForgetModuleAtBoot() not in _plan(other, {"state": "absent"}).steps
    not_ours = _state(fstab=_LINE)
    assert ForgetModuleAtBoot() not in _plan(not_ours, {"state": "absent"}).steps


def test_a_tag_that_is_not_there_is_not_yet_there_and_the_others_are_named() -> None:
    (sentence,) = _plan(_state(), {"tag": "typo"}).not_yet
    assert sentence.startswith("there is no share with the tag typo in this guest, only media, vm1")


@pytest.mark.parametrize(
    ("kernel", "mounts", "missing"),
    [
        ({"tags": None, "devices": 0}, (), True),
        ({"tags": None, "devices": 1}, (), False),
        ({"tags": None, "devices": 1}, (_mount("vm1", "/mnt"),), True),
        ({"tags": None, "devices": 2}, (_mount("vm1", "/mnt"),), False),
        ({"tags": None, "devices": 1}, (_mount("media", "/elsewhere"),), False),
        ({"tags": frozenset(), "devices": 0}, (), True),
    ],
)
def test_where_the_kernel_does_not_tell_the_tags_the_devices_are_counted(
    kernel: dict[str, Any], mounts: tuple[Mount, ...], missing: bool
) -> None:
    assert bool(_plan(_state(*mounts, kernel=kernel), {}).not_yet) == missing


def test_a_share_that_is_mounted_is_not_looked_for() -> None:
    assert _plan(_state(_LIVE, fstab=_LINE, kernel={"tags": frozenset()}), {}).not_yet == ()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"tag": ""}, "'': the tag is empty"),
        ({"tag": "x" * 37}, "longer than 36 bytes"),
        ({"tag": "ä" * 19}, "longer than 36 bytes"),
        ({"tag": "a\nb"}, "cannot be printed"),
        ({"tag": "LABEL=x"}, "reads like the name of a device"),
        ({"tag": "/dev/vda"}, "reads like the name of a device"),
        ({"tag": "#x"}, "begins with '#'"),
        ({"path": "srv"}, r"'media': the path 'srv' is not an absolute path"),
        ({"path": "/"}, "is a system directory"),
        ({"path": "/usr"}, "is a system directory"),
        ({"path": "/srv/../etc"}, r"contains '\.\.'"),
        ({"path": "/srv/a\nb"}, "control character"),
        ({"options": ["suid"]}, "'suid' needs allow_suid"),
        ({"options": ["rw", "dev"]}, "'dev' needs allow_dev"),
        ({"options": ["rw\n/etc /x"]}, "cannot be printed"),
        ({"options": [""]}, "empty or has blanks"),
        ({"options": ["rw,ro"]}, "has a comma"),
        ({"options": ["bind"]}, "not one that a share can be mounted with"),
        ({"options": ["X-mount.subdir=a"]}, "would mount a part of the share"),
        ({"options": ['x="a",suid']}, "has a comma or an open quote"),
        ({"options": ['"']}, "has a comma or an open quote"),
        ({"options": ["x-systemd.automount"], "automount": False}, "automount is false"),
    ],
)
def test_bad_input_is_refused_with_the_item_and_the_option(item: dict[str, Any], message: str) -> None:
    with pytest.raises(VirtiofsError, match=message):
        wanted_mounts([{"tag": "media", "path": "/srv/media", **item}])


def test_two_items_that_cannot_both_be_mounted_are_refused() -> None:
    with pytest.raises(VirtiofsError, match="'a' and 'b' have the same path /srv/x"):
        wanted_mounts([{"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/"}])
    with pytest.raises(VirtiofsError, match="the path of 'b', /srv/x/y, is inside that of 'a'"):
        wanted_mounts([{"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/y"}])
    wanted_mounts([{"tag": "a", "path": "/srv/x"}, {"tag": "b", "path": "/srv/x/y", "state": "absent"}])


@pytest.mark.parametrize("tag", ["two words", "a,b", "a#b", "back\\slash", "\\040", "$HOME", "ümlaut", "x" * 36])
def test_odd_tags_are_taken_as_they_are(tag: str) -> None:
    (want,) = wanted_mounts([{"tag": tag, "path": "/srv/media"}])
    assert want.tag == tag


def _also(state: GuestState, *items: dict[str, Any], exclusive: bool = False) -> list[str]:
    planned = _plan(state, *items, exclusive=exclusive)
    also: list[str] = planned.result["mounts"][0]["also_mounted_on"]
    assert any("is still mounted on" in warning for warning in planned.warnings) is bool(also)
    return also


def test_a_share_that_goes_and_is_mounted_somewhere_else_too_is_in_use() -> None:
    second = _mount("media", "/data", mount_id=8)
    state = _state(_LIVE, second, everywhere=(_ROOT, _LIVE, second))
    assert _also(state, {"state": "absent"}) == ["/data"]
    assert _also(_state(second), {"state": "unmounted"}) == ["/data"]
    assert _also(state, {"state": "absent"}, {"path": "/data", "state": "absent"}) == []
    assert _also(state, {}) == []
    line = "media /data virtiofs rw 0 0\n"
    assert _also(_state(_LIVE, second, fstab=line), {"state": "absent"}, exclusive=True) == []
    assert _also(_state(_mount("other", "/data", mount_id=8)), {"state": "absent"}) == []


def test_what_another_namespace_keeps_counts_when_it_did_not_go_with_ours() -> None:
    copy = replace(_LIVE, mount_id=99)
    assert _also(_state(_LIVE, everywhere=(_ROOT, _LIVE, copy)), {"state": "absent"}) == []
    assert _also(_state(everywhere=(_ROOT, copy)), {"state": "absent"}) == ["/srv/media"]
