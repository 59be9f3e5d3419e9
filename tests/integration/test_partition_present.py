# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_partition makes what is asked for on real loop devices, and nothing the second time."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk_lab import NEIGHBOURS, DiskLab, disk_lab, output

from ansible_collections.virtio.fs.plugins.module_utils._block.superblock import read_superblock
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_blank_disk_gets_partitions_filesystems_mounts_and_fstab_lines(lab: DiskLab, sector: int) -> None:
    disk = lab.disk(64, sector)
    one, two = lab.label("one"), lab.label("two")
    done = lab.converged({"label": one, "disk": disk, "size": "16MiB"}, {"label": two, "disk": disk, "size": "rest"})
    table = json.loads(output("sfdisk", "--json", disk))["partitiontable"]
    assert table["label"] == "gpt"
    assert [
        (part["name"], part["start"] * sector % 2**20, part["size"] * sector % 2**20) for part in table["partitions"]
    ] == [(one, 0, 0), (two, 0, 0)]
    assert table["partitions"][0]["size"] * sector == 16 * 2**20
    assert {part["type"] for part in table["partitions"]} == {"0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
    assert stat.S_IMODE(lab.root.stat().st_mode) == 0o700
    for label in (one, two):
        assert {"rw", "noatime", "nosuid", "nodev"} <= lab.options(lab.root / label)
        assert output("findmnt", "-no", "FSTYPE,LABEL", str(lab.root / label)).split()[0] == "ext4"
    text = lab.fstab.read_text()
    assert text.startswith(NEIGHBOURS)
    assert [line.split()[:3] for line in text[len(NEIGHBOURS) :].splitlines()] == [
        [f"LABEL={label}", str(lab.root / label), "ext4"] for label in (one, two)
    ]
    found = read_superblock("ext4", f"{disk}p1")
    assert found is not None
    assert (found.size, found.reserved_percent) == (16 * 2**20, 1)
    assert done.partitions[one]["mounted"] is True
    assert done.partitions[one]["size"] == 16 * 2**20
    assert done.partitions[one]["partuuid"] == table["partitions"][0]["uuid"].lower()
    assert done.partitions[one]["uuid"] == output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1")
    assert {entry["before_header"] for entry in done.diff} >= {one, two, str(lab.root)}


def test_new_partitions_go_into_the_free_space_of_a_gpt_and_its_entries_stay(lab: DiskLab) -> None:
    disk = lab.disk(96)
    script = (
        "label: gpt\n"
        'start=2048, size=16384, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="theirs", attrs="LegacyBIOSBootable"\n'
        'start=90000, size=20001, type=21686148-6449-6E6F-744E-656564454649, name="odd"\n'
    )
    Path(lab.directory / "script").write_text(script)
    output("sh", "-c", f"sfdisk -q {disk} < {lab.directory}/script && partx --update {disk}")
    output("mkfs.ext4", "-q", f"{disk}p1")
    (lab.directory / "theirs").mkdir()
    output("mount", f"{disk}p1", str(lab.directory / "theirs"))
    before = json.loads(output("sfdisk", "--json", disk))["partitiontable"]
    label = lab.label()
    done = lab.converged({"label": label, "disk": disk, "size": "20MiB"})
    after = json.loads(output("sfdisk", "--json", disk))["partitiontable"]
    assert after["id"] == before["id"]
    assert after["partitions"][:2] == before["partitions"]
    assert after["partitions"][2]["name"] == label
    dump = Path(done.partitions[label]["table_dump"])
    assert "odd" in dump.read_text()
    assert label not in dump.read_text()
    assert dump.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("fstype", "mib"), [("xfs", 320), ("btrfs", 160), ("ext4", 32)])
def test_other_filesystems(lab: DiskLab, fstype: str, mib: int) -> None:
    disk = lab.disk(mib + 8)
    label = lab.label("x")
    lab.converged({"label": label, "disk": disk, "size": "rest", "fstype": fstype})
    assert output("findmnt", "-no", "FSTYPE", str(lab.root / label)) == fstype
    assert output("blkid", "-p", "-s", "LABEL", "-o", "value", f"{disk}p1") == label
    # What is there is taken as it is when the option is left out.
    again = lab.run({"label": label, "disk": disk, "size": "rest"})
    assert (again.failed, again.changed) == (False, False)


def test_percentages_of_one_disk(lab: DiskLab) -> None:
    disk = lab.disk(130)
    items = [{"label": lab.label(f"q{n}"), "disk": disk, "size": "25%"} for n in range(4)]
    done = lab.converged(*items)
    assert {part["size"] for part in done.partitions.values()} == {32 * 2**20}


def test_many_disks_in_one_call(lab: DiskLab) -> None:
    disks = [lab.disk(32, sector) for sector in (512, 4096, 512)]
    lab.converged(*({"label": lab.label(f"d{n}"), "disk": disk, "size": "rest"} for n, disk in enumerate(disks)))


def test_the_bare_mount_point_cannot_be_filled(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    lab.converged({"label": label, "disk": disk, "size": "rest"})
    output("umount", str(lab.root / label))
    assert immutable.is_immutable(str(lab.root / label)) is True
    with pytest.raises(PermissionError):
        (lab.root / label / "file").write_text("x")
    lab.converged({"label": label, "disk": disk, "size": "rest"})
    (lab.root / label / "file").write_text("x")


def test_options_that_drifted_are_remounted(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "rest"}
    lab.converged(item)
    output("mount", "-o", "remount,suid,dev,relatime", str(lab.root / item["label"]))
    assert "nosuid" not in lab.options(lab.root / item["label"])
    lab.converged(item)
    assert {"noatime", "nosuid", "nodev"} <= lab.options(lab.root / item["label"])


def test_a_root_that_somebody_opened_is_closed_again(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "rest"}
    lab.converged(item)
    lab.root.chmod(0o755)
    lab.converged(item)
    assert stat.S_IMODE(lab.root.stat().st_mode) == 0o700


def test_a_directory_between_the_root_and_a_mount_point_is_ours(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest", "path": f"{lab.root}/team/x"}
    lab.converged(item)
    lab.root.chmod(0o755)
    lab.converged(item)
    (lab.root / "team" / "photo").write_text("theirs")
    lab.root.chmod(0o755)
    assert "holds team, which this module did not make" in lab.refused(item)
    (lab.root / "team" / "photo").unlink()
    lab.converged({**item, "state": "absent"})
    assert stat.S_IMODE(lab.root.stat().st_mode) == 0o700


def test_a_filesystem_that_was_unmounted_moves_to_another_path(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest"}
    lab.converged(item)
    line = lab.fstab.read_text()
    output("umount", str(lab.root / item["label"]))
    done = lab.converged({**item, "path": f"{lab.root}/new"})
    assert done.partitions[item["label"]]["mounted"] is True
    assert lab.fstab.read_text() == line.replace(f"{lab.root}/{item['label']} ", f"{lab.root}/new ")
    assert [line.split(" ")[4] for line in lab.mountinfo()] == [f"{lab.root}/new"]


def test_a_line_of_its_own_on_another_path_stays(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest"}
    lab.converged(item)
    by_hand = f"LABEL={item['label']} /mnt/by-hand ext4 noauto,ro # to look at it\n"
    too = f"LABEL={item['label']}\t/mnt/too ext4 nofail\n"
    lab.fstab.write_text(lab.fstab.read_text() + by_hand + too)
    done = lab.converged({**item, "passno": 0})
    assert lab.fstab.read_text().endswith(" 0 0\n" + by_hand + too)
    assert all("/mnt/" not in change["before"] for change in done.diff)
    assert done.warnings == [f"{item['label']}: fstab mounts it on /mnt/too as well"]
    # One line follows a mount point that has changed, as it did before.
    output("umount", str(lab.root / item["label"]))
    new = lab.root / "new"
    done = lab.converged({**item, "path": str(new)})
    assert lab.fstab.read_text().startswith(NEIGHBOURS + by_hand + too + f"LABEL={item['label']} {new} ext4 rw,noatime")
    assert f"{lab.root}/{item['label']} ext4" not in lab.fstab.read_text()
    assert any(f"{lab.root}/{item['label']} ext4" in change["before"] for change in done.diff)
    lab.converged({**item, "path": str(new), "state": "absent"})
    assert lab.fstab.read_text() == NEIGHBOURS


def test_given_options_replace_the_list_and_hardening_is_added_back(lab: DiskLab) -> None:
    disk = lab.disk()
    options = ["ro", "nofail", "noexec"]
    item = {"label": lab.label(), "disk": disk, "size": "rest", "mount_options": options, "passno": 0}
    lab.converged(item)
    assert {"ro", "noexec", "nosuid", "nodev"} <= lab.options(lab.root / item["label"])
    assert lab.fstab.read_text().splitlines()[-1].split()[3:] == ["ro,nofail,noexec,nosuid,nodev", "0", "0"]
    # Left out, they stay.
    kept = lab.run({"label": item["label"], "disk": disk, "size": "rest"})
    assert (kept.failed, kept.changed) == (False, False)


def test_owner_and_mode_of_the_mounted_directory(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "rest", "owner": "nobody", "group": "65534", "mode": "2770"}
    lab.converged(item)
    status = (lab.root / item["label"]).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 65534, 0o2770)
    (lab.root / item["label"]).chmod(0o777)
    lab.converged(item)
    assert stat.S_IMODE((lab.root / item["label"]).stat().st_mode) == 0o2770


def test_an_owner_that_was_left_out_stays_when_it_is_mounted_again(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest"}
    lab.converged({**item, "owner": "1234", "group": "4321"})
    output("umount", str(lab.root / item["label"]))
    done = lab.converged({**item, "group": "65534"})
    assert done.actions[-1] == f"give {lab.root}/{item['label']} to group 65534"
    status = (lab.root / item["label"]).stat()
    assert (status.st_uid, status.st_gid) == (1234, 65534)
    output("umount", str(lab.root / item["label"]))
    lab.converged({**item, "owner": "nobody"})
    status = (lab.root / item["label"]).stat()
    assert (status.st_uid, status.st_gid) == (65534, 65534)


def test_a_filesystem_of_the_original_recipe_is_taken_over(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    output("parted", "-s", disk, "mklabel", "gpt", "mkpart", "primary", "ext4", "1MiB", "40MiB")
    output("partx", "--update", disk)
    output("mkfs.ext4", "-q", "-L", label, f"{disk}p1")
    uuid = output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1")
    (lab.root / label).mkdir(parents=True)
    lab.root.chmod(0o700)
    output("mount", f"{disk}p1", str(lab.root / label))
    item = {"label": label, "disk": disk, "size": "39MiB"}
    done = lab.converged(item)
    assert done.partitions[label]["uuid"] == uuid
    # Used, and nothing more: it was not made here.
    named = "is named 'primary'"
    assert f"{named}, so this module did not make it" in lab.refused({**item, "state": "wiped"})
    assert named in lab.refused({**item, "size": "60MiB", "grow": True})
    other = {**item, "size": "rest", "fstype": "xfs", "overwrite": True}
    assert "in a partition named 'primary', not xfs" in lab.refused(other)


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_size_that_differs_by_alignment_only(lab: DiskLab, sector: int) -> None:
    disk, label = lab.disk(48, sector), lab.label()
    start, size = (2 * 2**20 + 3 * 4096) // sector, (20 * 2**20 - 5 * 4096) // sector
    script = lab.directory / "script"
    script.write_text(f'label: gpt\nstart={start}, size={size}, name="{label}"\n')
    output("sh", "-c", f"sfdisk -q {disk} < {script} && partx --update {disk}")
    output("mkfs.ext4", "-q", "-L", label, f"{disk}p1")
    uuid = output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1")
    item = {"label": label, "disk": disk, "grow": True}
    lab.converged({**item, "size": "20MiB"})
    for size_in_words in ("19MiB", "20MiB"):
        again = lab.run({**item, "size": size_in_words})
        assert (again.failed, again.changed, again.warnings) == (False, False, [])
    assert again.partitions[label]["size"] == size * sector
    assert output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1") == uuid


def test_a_path_with_what_fstab_escapes(lab: DiskLab) -> None:
    path = f"{lab.root}/a b#\\040'\"\u00fc"
    item = {"label": lab.label(), "disk": lab.disk(16), "size": "rest"}
    lab.converged({**item, "path": path.replace("/a b", "//a b") + "/"})
    assert os.path.ismount(path)
    # As others read it.
    found = json.loads(output("findmnt", "--json", "--tab-file", str(lab.fstab), "--source", f"LABEL={item['label']}"))
    assert [line["target"] for line in found["filesystems"]] == [path]
    again = lab.run({**item, "path": path})
    assert (again.failed, again.changed) == (False, False)
    lab.converged({**item, "path": path, "state": "absent"})
    assert lab.fstab.read_text() == NEIGHBOURS
    assert not os.path.exists(path)


def test_a_mount_point_that_is_not_empty(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(16), "size": "rest"}
    path = lab.root / item["label"]
    path.mkdir(parents=True)
    lab.root.chmod(0o700)
    (path / "file").write_text("kept")
    done = lab.converged(item)
    assert any(f"the directory {path} is not empty" in warning for warning in done.warnings)
    lab.converged({**item, "state": "absent"})
    assert (path / "file").read_text() == "kept"


def test_a_failed_mount_takes_everything_back(lab: DiskLab) -> None:
    disk = lab.disk()
    label = lab.label()
    before = lab.fstab.read_bytes()
    item = {"label": label, "disk": disk, "size": "rest", "path": str(lab.root / "deep" / "er" / label)}
    outcome = lab.run({**item, "mount_options": ["nofail", "nonsense=1"]})
    assert outcome.failed
    assert "nonsense" in outcome.msg or "bad option" in outcome.msg
    assert lab.fstab.read_bytes() == before
    assert list(lab.root.iterdir()) == []
    assert not lab.mountinfo()
    # The next run goes on where this one stopped, without formatting again.
    uuid = output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1")
    lab.converged(item)
    assert output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1") == uuid


def test_one_failed_mount_of_three_takes_back_what_is_not_mounted(lab: DiskLab) -> None:
    disk = lab.disk()
    one, two, three = ({"label": lab.label(name), "disk": disk, "size": "16MiB"} for name in ("one", "two", "three"))
    outcome = lab.run(one, {**two, "mount_options": ["nofail", "nonsense=1"]}, three)
    assert outcome.failed
    entries = lab.fstab.read_text()[len(NEIGHBOURS) :].splitlines()
    assert [line.split()[0] for line in entries] == [f"LABEL={one['label']}"]
    assert [line.split(" ")[4] for line in lab.mountinfo()] == [str(lab.root / one["label"])]
    assert sorted(path.name for path in lab.root.iterdir()) == [one["label"]]
    lab.converged(one, two, three)


def test_options_that_cannot_be_changed_leave_fstab_as_it_was(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(), "size": "rest"}
    lab.converged(item)
    before = lab.fstab.read_bytes()
    for _attempt in range(2):
        outcome = lab.run({**item, "mount_options": ["nofail", "nonsense=1"]})
        assert outcome.failed
        assert lab.fstab.read_bytes() == before
    assert not lab.run(item).changed


def test_partitions_that_the_kernel_forgot_are_announced_again(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "rest"}
    lab.converged(item)
    uuid = output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1")
    output("umount", str(lab.root / item["label"]))
    output("partx", "--delete", disk)
    lab.converged(item)
    assert output("blkid", "-p", "-s", "UUID", "-o", "value", f"{disk}p1") == uuid


def test_a_whole_device_is_used_without_a_table(lab: DiskLab) -> None:
    device = lab.disk(40)
    label = lab.label()
    options = ["-O", "^has_journal"]
    item = {"label": label, "device": device, "fstype": "ext4", "reserved_percent": 0, "mkfs_options": options}
    lab.converged(item)
    assert output("blkid", "-p", "-s", "LABEL", "-o", "value", device) == label
    assert "has_journal" not in output("dumpe2fs", "-h", device)
    lab.converged({"label": label, "device": device, "reserved_percent": 3})
    found = read_superblock("ext4", device)
    assert found is not None
    assert found.reserved_percent == 3


def test_what_a_guest_can_fill_with_files_is_not_listed(lab: DiskLab, monkeypatch: pytest.MonkeyPatch) -> None:
    label = lab.label()
    item = {"label": label, "disk": lab.disk(), "size": "20MiB"}
    lab.converged(item)
    plain = lab.root / "plain"
    plain.mkdir()
    (plain / "file").touch()
    (lab.root / label / "file").touch()
    listed: list[str] = []
    listdir = os.listdir

    def noted(path: str = ".") -> list[str]:
        listed.append(str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", noted)
    assert not lab.run(item).changed
    assert not {str(plain), str(lab.root / label)} & set(listed)


@pytest.mark.parametrize("place", ["disk", "device", "image"])
@pytest.mark.parametrize("options", [["-n"], ["-FLother"]])
def test_mkfs_options_that_make_something_else(lab: DiskLab, place: str, options: list[str]) -> None:
    image = str(lab.directory / "x.img")
    where = {
        "disk": lambda: {"disk": lab.disk(16), "size": "rest"},
        "device": lambda: {"device": lab.disk(16)},
        "image": lambda: {"image": image, "size": "8MiB"},
    }
    item = {"label": lab.label(), **where[place]()}
    outcome = lab.run({**item, "mkfs_options": options})
    assert outcome.failed
    assert f"{item['label']}, mkfs_options: with {options[0]!r}, mkfs.ext4 made " in outcome.msg
    assert lab.fstab.read_text() == NEIGHBOURS
    assert lab.mountinfo() == []
    assert not Path(image).exists()
    lab.converged(item)
