# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab works out before it touches the machine: the mirror, archives, sizes, processes, leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[3] / "molecule/lab"
sys.path.insert(0, str(LAB))

import disks  # noqa: E402
import images  # noqa: E402
import initrd  # noqa: E402
import machine  # noqa: E402
import mirror  # noqa: E402
import topology  # noqa: E402
from machine import LabError  # noqa: E402

DEB822 = """\
Types: deb
# URIs: http://old.example/pub/debian
URIs: http://mirror.example/pub/debian
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /etc/apt."""
    monkeypatch.delenv("VIRTIOFS_MIRROR", raising=False)
    monkeypatch.setattr(mirror, "FOLDER", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list.d/debian.sources", DEB822),
        ("sources.list.d/debian.sources", f"Types: deb\nEnabled: no\nURIs: http://off.example/pub/debian\n\n{DEB822}"),
        ("sources.list", "deb http://mirror.example/pub/debian bookworm main contrib # ours\n"),
        ("sources.list", "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/pub/debian/ trixie main\n"),
        ("sources.list", "deb http://security.example/pub/debian-security bookworm-security main\n"
                         "deb https://vendor.example/linux/debian bookworm stable\n"
                         "deb-src http://source.example/pub/debian bookworm main\n"
                         "deb http://mirror.example/pub/debian bookworm main\n"),
    ],
)  # fmt: skip
def test_the_mirror_is_the_one_that_apt_uses(apt: Path, name: str, text: str) -> None:
    (apt / name).write_text(text)
    assert mirror.uri() == "http://mirror.example/pub/debian"


def test_a_list_of_mirrors_is_followed(apt: Path) -> None:
    (apt / "mirrors").write_text("# ours\nhttp://mirror.example/pub/debian\n")
    (apt / "sources.list").write_text(f"deb mirror+file:{apt}/mirrors bookworm main\n")
    assert mirror.uri() == "http://mirror.example/pub/debian"


def test_a_machine_without_a_debian_mirror_is_told_what_to_set(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt / "sources.list").write_text("deb http://mirror.example/pub/ubuntu noble main\n")
    with pytest.raises(LabError, match="VIRTIOFS_MIRROR"):
        mirror.uri()
    monkeypatch.setenv("VIRTIOFS_MIRROR", "http://other.example/pub/debian/")
    assert mirror.uri() == "http://other.example/pub/debian"


def test_a_guest_gets_its_files_with_their_modes(tmp_path: Path) -> None:
    archive = initrd.identity({"etc/hostname": (0o644, "vm1\n"), "root/.ssh/authorized_keys": (0o600, "key\n")})
    assert len(archive) % 512 == 0
    members = _members(archive)
    assert members["identity/etc/hostname"] == (0o100644, b"vm1\n")
    assert members["identity/root/.ssh"] == (0o40700, b"")
    assert members["identity/root/.ssh/authorized_keys"] == (0o100600, b"key\n")


def _members(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Read an archive as the kernel's documentation describes it."""
    found = {}
    at = 0
    while archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        start = at + 110 + name_size + -(110 + name_size) % 4
        found[name] = (mode, archive[start : start + size])
        at = start + size + -size % 4
    assert "TRAILER!!!" in found
    return found


def test_an_unknown_packing_of_the_kernel_is_left_as_it_is(tmp_path: Path) -> None:
    packed = tmp_path / "vmlinuz"
    packed.write_bytes(bytes(2048))
    initrd.unpack_kernel(packed, tmp_path / "kernel")
    assert (tmp_path / "kernel").read_bytes() == bytes(2048)


@pytest.mark.parametrize(("text", "size"), [("4G", 4 * 2**30), ("512MiB", 512 * 2**20), ("8192", 8192)])
def test_sizes_are_binary(text: str, size: int) -> None:
    assert disks.size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "4X", "-1G", "1.5G", "G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="is not a size"):
        disks.size_in_bytes(text)


def test_a_process_is_known_by_its_start_too(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    assert machine.recorded(note) is None
    machine.record(note, os.getpid())
    assert machine.recorded(note) == os.getpid()
    note.write_text(f"{os.getpid()} 1\n")
    assert machine.recorded(note) is None, "another process has got the number since"


def test_a_process_that_has_ended_is_gone_even_before_it_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        machine.record(tmp_path / "pid", child.pid)
        machine.kill_process(tmp_path / "pid")
        assert machine.recorded(tmp_path / "pid") is None


def test_a_command_that_hangs_or_fails_is_a_sentence() -> None:
    with pytest.raises(LabError, match="did not finish in 1 second"):
        machine.run(["sleep", "5"], timeout=1)
    with pytest.raises(LabError, match=r"ls .* failed: .*No such file"):
        machine.run(["ls", "/nothing/there"])
    with pytest.raises(LabError, match="is missing on this machine"):
        machine.run(["no-such-command-anywhere"])


def test_every_host_has_a_port_of_its_own() -> None:
    ports = [host.port for host in topology.hosts()]
    assert len(set(ports)) == len(ports)


def test_the_inventory_has_every_host_on_its_port() -> None:
    text = (LAB.parent / "inventory/hosts.yml").read_text()
    for host in topology.hosts():
        assert f"        {host.name}: {{lab_port_offset: {host.offset}" in text


def test_an_image_of_an_old_recipe_goes_only_when_no_lab_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "CACHE", tmp_path)
    old, now = tmp_path / "guest-trixie-0123456789ab", images.path("guest-trixie")
    other = tmp_path / "venv-0123456789ab"
    for folder in (old, now, other):
        folder.mkdir()
    held = images.hold()
    images.discard_superseded()
    assert old.exists()
    os.close(held)
    images.discard_superseded()
    assert not old.exists()
    assert now.exists()
    assert other.exists()
