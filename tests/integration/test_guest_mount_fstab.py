# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What needs no share: fstab files, and the kernel of this machine as it is. Shares are tested in the lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from module_run import run_module

_OTHERS = "# the machine's own\nUUID=1\t/\text4 errors=remount-ro 0 1  # root\n\nhost:/x /srv/nfs nfs rw\n"


@pytest.fixture
def fstab(tmp_path: Path) -> Path:
    path = tmp_path / "fstab"
    path.write_text(_OTHERS)
    return path


def _mount(fstab: Path, *items: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module(
        "virtiofs_guest_mount", {"mounts": list(items), "fstab": str(fstab), "wait": 2, **options}, check=check
    )


def _without_module_at_boot(result: dict[str, Any]) -> list[str]:
    # Depends on the kernel of the machine that runs this test.
    return [action for action in result["actions"] if "at boot" not in action]


def test_present_writes_one_line_and_the_second_run_nothing(fstab: Path, tmp_path: Path) -> None:
    item = {"tag": "two words#\\040", "path": f"{tmp_path}/a b#/c", "state": "present"}
    checked = _mount(fstab, item, check=True)
    assert fstab.read_text() == _OTHERS
    assert not (tmp_path / "a b#").exists()

    done = _mount(fstab, item)
    assert done["changed"]
    assert done["actions"] == checked["actions"]
    assert done["diff"] == checked["diff"]
    path = f"{tmp_path}/a b#/c".replace(" ", "\\040")
    line = f"two\\040words#\\134040 {path} virtiofs rw,_netdev,nosuid,nodev,nofail 0 0\n"
    assert fstab.read_text() == _OTHERS + line
    assert (tmp_path / "a b#" / "c").is_dir()
    assert [(each["tag"], each["path"], each["mounted"], each["in_fstab"]) for each in done["mounts"]] == [
        ("two words#\\040", f"{tmp_path}/a b#/c", False, True)
    ]

    again = _mount(fstab, item)
    assert not again["changed"]
    assert again["actions"] == []
    assert again["diff"] == []


def test_findmnt_reads_what_was_written(fstab: Path, tmp_path: Path) -> None:
    _mount(fstab, {"tag": "two words", "path": f"{tmp_path}/a b\\c", "state": "present", "options": ["ro", "noatime"]})
    read = subprocess.run(
        ["findmnt", "-F", fstab, "--noheadings", "--raw", "--output", "SOURCE,TARGET,OPTIONS", "-t", "virtiofs"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # --raw escapes in its own way.
    assert read.encode().decode("unicode_escape").startswith(f"two words {tmp_path}/a b\\c ro,noatime,nosuid,nodev")


def test_absent_gives_the_file_back_as_it_was(fstab: Path, tmp_path: Path) -> None:
    item = {"tag": "media", "path": str(tmp_path / "m")}
    _mount(fstab, {**item, "state": "present"})
    result = _mount(fstab, {**item, "state": "absent"})
    assert _without_module_at_boot(result)[0] == f"remove the fstab line of media on {tmp_path}/m"
    assert fstab.read_text() == _OTHERS
    assert not _mount(fstab, {**item, "state": "absent"})["changed"]
    assert not _mount(fstab, {**item, "state": "unmounted"})["changed"]


def test_only_the_options_of_a_line_change(fstab: Path, tmp_path: Path) -> None:
    path = f"{tmp_path}/m"
    fstab.write_text(_OTHERS + f"media\t{path}   virtiofs rw 0 0 # ours\n")
    _mount(fstab, {"tag": "media", "path": path, "state": "present", "options": ["ro"]})
    assert fstab.read_text() == _OTHERS + f"media\t{path}   virtiofs ro,nosuid,nodev 0 0 # ours\n"


def test_an_existing_line_keeps_its_options_when_none_are_given(fstab: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.mkdir()
    text = _OTHERS + f"media {path} virtiofs ro,noexec 0 0\n"
    fstab.write_text(text)
    _mount(fstab, {"tag": "media", "path": str(path), "state": "present"})
    assert fstab.read_text() == text


def test_exclusive_drops_virtiofs_lines_only(fstab: Path, tmp_path: Path) -> None:
    fstab.write_text(_OTHERS + "old /srv/old-share virtiofs rw\n9p /srv/9p 9p trans=virtio\n")
    item = {"tag": "media", "path": f"{tmp_path}/m", "state": "present"}
    _mount(fstab, item, exclusive=True)
    text = fstab.read_text()
    assert "/srv/old-share" not in text
    assert text.startswith(_OTHERS + "9p /srv/9p 9p trans=virtio\nmedia ")
    assert "confirm_empty" in _mount(fstab, exclusive=True)["msg"]
    assert fstab.read_text() == text


def test_a_kernel_without_virtiofs_is_named_with_its_release_and_nothing_changes(fstab: Path, tmp_path: Path) -> None:
    if "virtiofs" in Path("/proc/filesystems").read_text() or Path(f"/lib/modules/{os.uname().release}").exists():
        # A workstation's kernel has it: then it is the tag that is missing.
        expected = "there is no share with the tag media in this guest"
    else:
        expected = f"the running kernel {os.uname().release} has no virtiofs"
    result = _mount(fstab, {"tag": "media", "path": f"{tmp_path}/m"})
    assert result["failed"]
    assert expected in result["msg"]
    assert fstab.read_text() == _OTHERS
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"path": "/usr"}, "is a system directory"),
        ({"path": "relative"}, "is not an absolute path"),
        ({"tag": "x" * 37}, "longer than 36 bytes"),
        ({"options": ["suid"]}, "needs allow_suid"),
        ({"path": "{tmp}/link/m"}, "{tmp}/link is a symbolic link"),
        ({"path": "{tmp}/file"}, "is not a directory"),
        ({"path": "/srv/nfs"}, "has a line for host:/x (nfs) on /srv/nfs"),
    ],
)
def test_bad_input_is_refused_before_the_first_change(
    fstab: Path, tmp_path: Path, item: dict[str, Any], message: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    good = {"tag": "good", "path": f"{tmp_path}/good", "state": "present"}
    bad = {"tag": "media", "path": f"{tmp_path}/m", "state": "present", **item}
    bad["path"] = bad["path"].replace("{tmp}", str(tmp_path))
    for check in (True, False):
        result = _mount(fstab, good, bad, check=check)
        assert result["failed"]
        assert message.replace("{tmp}", str(tmp_path)) in result["msg"]
        assert result["actions"] == []
    assert fstab.read_text() == _OTHERS
    assert not (tmp_path / "good").exists()


def test_a_directory_that_cannot_be_made_is_an_error_and_fstab_stays(fstab: Path, tmp_path: Path) -> None:
    place = tmp_path / "readonly"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place], check=True)
    try:
        result = _mount(fstab, {"tag": "media", "path": f"{place}/m", "state": "present"})
    finally:
        subprocess.run(["umount", place], check=True)
    assert result["msg"] == f"cannot make the directory {place}/m: Read-only file system"
    assert fstab.read_text() == _OTHERS


def test_two_mount_points_in_one_new_directory(fstab: Path, tmp_path: Path) -> None:
    items = [{"tag": tag, "path": f"{tmp_path}/new/{tag}", "state": "present"} for tag in ("a", "b")]
    checked, result = _mount(fstab, *items, check=True), _mount(fstab, *items)
    assert result.get("msg") is None
    assert result["actions"] == checked["actions"]
    assert result["actions"].count(f"make the directory {tmp_path}/new") == 1
    assert (tmp_path / "new" / "b").is_dir()
    assert not _mount(fstab, *items)["changed"]


def test_a_directory_that_is_not_empty_is_a_warning(fstab: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "file").touch()
    result = _mount(fstab, {"tag": "media", "path": f"{tmp_path}/m", "state": "present"})
    assert any("is not empty" in str(warning) for warning in result["warnings"])
    assert result["changed"]
