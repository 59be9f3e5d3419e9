# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof, on real directories and filesystems, with a hostile other side."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from module_run import run_module
from unresponsive_filesystem import unresponsive_filesystem

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, current
from ansible_collections.virtio.fs.plugins.module_utils._probe import directory as probe_directory
from ansible_collections.virtio.fs.plugins.module_utils._probe import inspection, measure
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import only_one


def _probe(*probes: dict[str, Any], timeout: int = 30, check: bool = False) -> dict[str, Any]:
    return run_module("virtiofs_probe", {"probes": list(probes), "timeout": timeout}, check=check)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    path = tmp_path / "share"
    path.mkdir()
    return path


@pytest.fixture
def planted(share: Path) -> Path:
    directory = share / ".virtiofs-probe"
    directory.mkdir()
    return directory


def test_what_one_side_writes_the_other_reads_and_nothing_is_left(share: Path) -> None:
    path = str(share)
    written = _probe({"path": path, "action": "write", "nonce": "r1.host"})
    assert not written["changed"]
    (token,) = (share / ".virtiofs-probe").iterdir()
    assert token.stat().st_size > 64 << 10
    both = _probe(
        {"path": path, "action": "check", "nonce": "r1.host"},
        {"path": path, "action": "write", "nonce": "r1.guest", "size": "1MiB"},
    )
    last = _probe(
        {"path": path, "action": "check", "nonce": "r1.guest", "size": "1MiB"},
        {"path": path, "action": "clean", "nonce": "r1"},
    )
    assert [probe["ok"] for result in (written, both, last) for probe in result["probes"]] == [True] * 5
    assert both["probes"][0]["sha256"] == written["probes"][0]["sha256"]
    assert last["probes"][0]["sha256"] == both["probes"][1]["sha256"]
    assert (last["probes"][0]["bytes"], last["probes"][0]["uid"], last["probes"][1]["removed"]) == (1 << 20, 0, 2)
    assert list(share.iterdir()) == []


def test_every_failing_probe_is_named_after_all_were_tried(share: Path, tmp_path: Path) -> None:
    result = _probe(
        {"path": str(share), "action": "check", "nonce": "n", "label": "vm1 from guest to host"},
        {"path": str(tmp_path / "missing"), "action": "write", "nonce": "n"},
        {"path": str(tmp_path / "share"), "action": "write", "nonce": "n"},
    )
    assert result["failed"]
    assert result["msg"].startswith("2 of 3 probes failed: vm1 from guest to host: .virtiofs-probe/n, which the other")
    assert f"there is no directory {tmp_path}/missing" in result["msg"]
    assert [probe["ok"] for probe in result["probes"]] == [False, False, True]
    assert result["probes"][0]["errno"] == "ENOENT"


def test_a_token_that_appears_a_moment_later_is_waited_for(share: Path) -> None:
    _probe({"path": str(share), "action": "write", "nonce": "n"})
    place = share / ".virtiofs-probe"
    place.rename(share / "away")
    late = subprocess.Popen(["sh", "-c", f"sleep 1; mv {share}/away {place}"])
    try:
        assert _probe({"path": str(share), "action": "check", "nonce": "n"})["probes"][0]["ok"]
    finally:
        late.wait(20)


@pytest.mark.parametrize("at", [0, 1100, 40_000, -1])
def test_one_wrong_byte_is_found(share: Path, at: int) -> None:
    _probe({"path": str(share), "action": "write", "nonce": "n"})
    token = share / ".virtiofs-probe" / "n"
    content = bytearray(token.read_bytes())
    content[at] ^= 1
    token.write_bytes(content)
    assert _probe({"path": str(share), "action": "check", "nonce": "n"})["failed"]


@pytest.mark.parametrize("change", ["shorter", "longer", "other nonce", "garbage", "nested", "empty"])
def test_what_is_not_the_token_is_found(share: Path, change: str) -> None:
    _probe({"path": str(share), "action": "write", "nonce": "n"}, {"path": str(share), "action": "write", "nonce": "m"})
    token = share / ".virtiofs-probe" / "n"
    content = token.read_bytes()
    token.write_bytes(
        {
            "shorter": content[:-1],
            "longer": content + b".",
            "other nonce": (share / ".virtiofs-probe" / "m").read_bytes(),
            "garbage": b"\xff" * 70_000,
            "nested": b"[" * 70_000,
            "empty": b"",
        }[change]
    )
    result = _probe({"path": str(share), "action": "check", "nonce": "n"})
    assert result["failed"]
    assert "a defect" not in result["msg"]


@pytest.mark.parametrize("what", ["symlink", "fifo", "device", "socket", "directory", "huge"])
def test_nothing_that_was_planted_as_token_is_opened_or_followed(planted: Path, tmp_path: Path, what: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    token = planted / "n"
    if what == "symlink":
        token.symlink_to(secret)
    elif what == "fifo":
        os.mkfifo(token)
    elif what == "device":
        # /dev/tty and its like act on being opened; this one would be an endless read.
        os.mknod(token, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            here = os.open(planted, os.O_RDONLY)
            one.bind(f"/proc/self/fd/{here}/n")
            os.close(here)
    elif what == "directory":
        token.mkdir()
    else:
        with token.open("wb") as file:
            file.write(b'{"nonce": "n", "size": 4611686018427387904}'.ljust(1023) + b"\n")
            file.truncate(1 << 42)
    started = time.monotonic()
    result = _probe({"path": str(planted.parent), "action": "check", "nonce": "n"})
    assert time.monotonic() - started < 20
    assert result["failed"]
    assert "secret" not in str(result)
    assert ("is not a regular file" in result["msg"]) or (what == "huge" and "bytes long" in result["msg"])


@pytest.mark.parametrize("what", ["symlink", "dangling", "fifo"])
def test_a_token_is_never_written_through_what_was_planted(planted: Path, tmp_path: Path, what: str) -> None:
    secret = tmp_path / "secret"
    token = planted / "n"
    if what == "fifo":
        os.mkfifo(token)
    else:
        if what == "symlink":
            secret.write_text("secret")
        token.symlink_to(secret)
    assert "failed" not in _probe({"path": str(planted.parent), "action": "write", "nonce": "n"})
    assert token.is_file()
    assert not token.is_symlink()
    assert secret.exists() == (what == "symlink")
    assert what != "symlink" or secret.read_text() == "secret"


@pytest.mark.parametrize("action", ["write", "check", "clean", "measure", "inspect"])
@pytest.mark.parametrize("what", ["symlink", "fifo", "file"])
def test_a_planted_directory_leads_nowhere(share: Path, tmp_path: Path, action: str, what: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "n").write_text("keep")
    os.utime(outside / "n", (0, 0))
    place = share / ".virtiofs-probe"
    if what == "symlink":
        place.symlink_to(outside)
    elif what == "fifo":
        os.mkfifo(place)
    else:
        place.write_text("file")
    result = _probe({"path": str(share), "action": action, "nonce": "n", "size": "1M"})
    assert result["failed"]
    assert "is not a directory, somebody put something else there" in result["msg"]
    assert [entry.name for entry in outside.iterdir()] == ["n"]
    assert (outside / "n").read_text() == "keep"


def test_a_share_reached_through_a_symlink_is_refused(share: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    result = _probe({"path": f"{tmp_path}/link/share", "action": "write", "nonce": "n"})
    assert f"link in {tmp_path}/link/share is a symbolic link" in result["msg"]
    assert list(share.iterdir()) == []


def test_what_a_cut_off_run_left_is_removed_by_the_next(planted: Path) -> None:
    for name in ("old.host", "temporary-1"):
        (planted / name).write_text("left")
        os.utime(planted / name, (time.time() - 7200,) * 2)
    (planted / "another.run").write_text("just now")
    _probe({"path": str(planted.parent), "action": "write", "nonce": "n"})
    assert sorted(entry.name for entry in planted.iterdir()) == ["another.run", "n"]
    _probe({"path": str(planted.parent), "action": "clean", "nonce": "n"})
    assert [entry.name for entry in planted.iterdir()] == ["another.run"], "it may belong to a run at the same time"
    assert not _probe({"path": str(planted.parent), "action": "clean", "nonce": "never"}).get("failed")


def test_clean_takes_the_tokens_of_its_nonce_only(planted: Path) -> None:
    for name in ("run1", "run1.hv1", "run12.hv1", "run2"):
        (planted / name).write_text("x")
    result = _probe({"path": str(planted.parent), "action": "clean", "nonce": "run1"})
    assert result["probes"][0]["removed"] == 2
    assert sorted(entry.name for entry in planted.iterdir()) == ["run12.hv1", "run2"]


def test_the_directory_is_as_open_as_the_share_and_belongs_to_its_owner(share: Path) -> None:
    # As under a uid mapping, where root of the guest is somebody else on the host.
    os.chown(share, 100_000, 100_001)
    share.chmod(0o1775)
    _probe({"path": str(share), "action": "write", "nonce": "n"})
    made = (share / ".virtiofs-probe").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (100_000, 100_001, 0o1775)
    token = (share / ".virtiofs-probe" / "n").stat()
    assert (token.st_uid, token.st_gid, stat.S_IMODE(token.st_mode)) == (100_000, 100_001, 0o644)


def test_in_check_mode_nothing_is_written(share: Path) -> None:
    result = _probe(
        *({"path": str(share), "action": action, "nonce": "n"} for action in ("write", "check", "clean", "measure")),
        {"path": str(share), "action": "inspect"},
        check=True,
    )
    assert [probe["skipped"] for probe in result["probes"]] == [True] * 4 + [False]
    assert (result["probes"][4]["mode"], result["probes"][4]["ok"]) == ("0755", True)
    assert list(share.iterdir()) == []


@pytest.mark.parametrize("action", ["write", "check", "clean", "measure", "inspect"])
def test_nothing_is_done_in_the_bare_directory_of_a_share_that_is_not_mounted(share: Path, action: str) -> None:
    item = {"path": str(share), "action": action, "nonce": "n", "tag": "data"}
    result = _probe(item)
    assert result["probes"][0]["error"] == f"the share data is not mounted on {share}: nothing is mounted there"
    assert result["failed"]
    assert list(share.iterdir()) == []
    subprocess.run(["mount", "-t", "tmpfs", "other", share], check=True)
    try:
        result = _probe(item)
        assert result["probes"][0]["error"] == f"the share data is not mounted on {share}: other (tmpfs) is"
        assert list(share.iterdir()) == []
    finally:
        subprocess.run(["umount", share], check=True)


def test_the_share_that_is_asked_for_is_known_by_its_tag(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown() -> tuple[Mount, ...]:
        return tuple(replace(mount, fstype="virtiofs") if mount.source == "data" else mount for mount in current())

    monkeypatch.setattr(probe_directory, "current", shown)
    subprocess.run(["mount", "-t", "tmpfs", "data", share], check=True)
    try:
        probe_directory.require_mounted(str(share), "data")
        with pytest.raises(probe_directory.Unproven, match=r"the share dat is not mounted .*: data \(virtiofs\) is"):
            probe_directory.require_mounted(str(share), "dat")
        (share / "below").mkdir()
        with pytest.raises(probe_directory.Unproven, match="nothing is mounted there"):
            probe_directory.require_mounted(str(share / "below"), "data")
    finally:
        subprocess.run(["umount", share], check=True)


def test_a_link_that_was_planted_for_inspect_leads_nowhere(planted: Path, tmp_path: Path) -> None:
    # Root of the guest wins the race for the name: the host must neither link nor open what it leads to.
    secret = tmp_path / "secret"
    secret.write_text("secret")
    directory = os.open(planted, os.O_RDONLY)
    file = probe_directory.create(directory, "t")
    try:
        (planted / "t").unlink()
        (planted / "t").symlink_to(secret)
        inspection._behaviour(directory, "t", file)
        assert secret.stat().st_nlink == 1
        (planted / "t").unlink()
        os.mkfifo(planted / "t")
        works = inspection._behaviour(directory, "t", file)
        assert works["direct_io"] in (True, "EINVAL")
    finally:
        os.close(file)
        os.close(directory)


def test_a_huge_file_that_was_planted_for_measure_is_not_read_whole(
    planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(directory: int, name: str) -> int:
        with open(planted / name, "wb") as file:
            file.truncate(1 << 42)
        return probe_directory.open_regular(directory, name)

    monkeypatch.setattr(measure, "open_regular", swapped)
    directory = os.open(planted, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="a small file has another content"):
            measure._small_files(directory, 5)
    finally:
        os.close(directory)


@pytest.fixture
def readonly(share: Path) -> Iterator[Path]:
    subprocess.run(["mount", "--bind", share, share], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", share], check=True)
        yield share
    finally:
        subprocess.run(["umount", share], check=True)


def test_erofs_is_the_proof_of_a_readonly_share(readonly: Path) -> None:
    result = _probe({"path": str(readonly), "action": "write", "nonce": "n", "readonly": True})
    assert (result["probes"][0]["ok"], result["probes"][0]["errno"]) == (True, "EROFS")
    assert _probe({"path": str(readonly), "action": "write", "nonce": "n"})["failed"]
    inspected = _probe({"path": str(readonly), "action": "inspect"})["probes"][0]
    assert (inspected["writable"], inspected["errno"], inspected["mounted_readonly"]) == (False, "EROFS", True)


def test_a_share_that_should_be_readonly_and_is_not_fails_and_nothing_is_left(share: Path) -> None:
    result = _probe({"path": str(share), "action": "write", "nonce": "n", "readonly": True})
    assert "it is to be read-only, but it could be written to" in result["msg"]
    assert list(share.iterdir()) == []


def test_another_error_than_erofs_is_no_proof(share: Path) -> None:
    with unresponsive_filesystem(str(share)) as daemon:
        os.kill(daemon, 9)
        result = _probe({"path": str(share), "action": "write", "nonce": "n", "readonly": True})
    assert result["probes"][0]["errno"] == "ENOTCONN"
    assert result["failed"]


def test_a_share_that_does_not_answer_costs_its_time_and_not_that_of_the_others(tmp_path: Path, share: Path) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    with unresponsive_filesystem(str(dead)):
        started = time.monotonic()
        result = _probe(
            {"path": str(dead), "action": "write", "nonce": "n", "readonly": True},
            {"path": str(share), "action": "write", "nonce": "n"},
            {"path": str(dead), "action": "check", "nonce": "m"},
            timeout=2,
        )
        assert time.monotonic() - started < 20
    assert [(probe["ok"], probe["errno"]) for probe in result["probes"]] == [
        (False, "ETIMEDOUT"),
        (True, None),
        (False, "ETIMEDOUT"),
    ]
    assert f"{dead} did not answer within 2 seconds" in result["msg"]
    with only_one(str(dead), 5):
        pass


def test_a_full_filesystem_is_an_error_and_leaves_no_half_token(share: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512K", "tmpfs", share], check=True)
    try:
        result = _probe({"path": str(share), "action": "write", "nonce": "n", "size": "4M"})
        assert result["probes"][0]["errno"] == "ENOSPC"
        assert list((share / ".virtiofs-probe").iterdir()) == []
    finally:
        subprocess.run(["umount", share], check=True)


def test_measure_and_inspect_leave_nothing(share: Path) -> None:
    measured, inspected = _probe(
        {"path": str(share), "action": "measure", "size": "8MiB"}, {"path": str(share), "action": "inspect"}
    )["probes"]
    assert measured["bytes"] == 8 << 20
    assert 0 < measured["files"] <= 200
    assert min(measured[name] for name in measured if name.endswith("_per_second")) > 0
    assert inspected["owner"] == "root"
    assert (inspected["uid"], inspected["writable"], inspected["new_file_uid"]) == (0, True, 0)
    works = inspected["works"]
    assert [works[name] for name in ("flock", "posix_lock", "mmap_shared", "mmap_private", "hard_link")] == [True] * 5
    assert list(share.iterdir()) == []


def test_many_probes_of_many_paths_come_back_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(20)]
    for path in paths:
        path.mkdir()
    items = [{"path": str(path), "action": "write", "nonce": f"n{path.name}"} for path in paths]
    items += [{"path": str(path), "action": "check", "nonce": f"n{path.name}"} for path in reversed(paths)]
    result = _probe(*items)
    assert [(probe["path"], probe["action"]) for probe in result["probes"]] == [
        (item["path"], item["action"]) for item in items
    ]
    assert all(probe["ok"] for probe in result["probes"])
