# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds what on this machine: real processes with real files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.holders import (
    devnums_of_sources,
    read_sharing_domains,
    read_views,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current, on_path, parse

DOMAIN = """<domstatus state='running'><domain type='kvm'><devices>
<filesystem type='mount'><source dir='{directory}'/><target dir='tag'/></filesystem>
<filesystem type='mount'><source socket='/run/x'/><target dir='other'/></filesystem>
</devices></domain></domstatus>"""


@contextmanager
def open_in_another_process(path: Path, mode: str) -> Iterator[int]:
    program = f"import sys\nfile = open(sys.argv[1], {mode!r})\nprint('open', flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_file_that_a_program_has_open_for_writing(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    image.touch()
    with open_in_another_process(image, "r+") as pid:
        (who,) = read_views([str(image)]).written(str(image))
        assert who.startswith("open for writing in ")
        assert who.endswith(f" (process {pid})")
    with open_in_another_process(image, "r"):
        assert read_views([str(image)]).written(str(image)) == ()


def test_a_file_that_is_open_by_another_name_of_it(tmp_path: Path) -> None:
    image, name = tmp_path / "x.img", tmp_path / "y.img"
    image.touch()
    os.link(image, name)
    with open_in_another_process(name, "r+") as pid:
        assert any(f"(process {pid})" in who for who in read_views([str(image)]).written(str(image)))


def test_what_this_process_has_open_is_left_out(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    with image.open("w"):
        assert read_views([str(image)]).written(str(image)) == ()


def test_our_mounts_are_those_of_this_process() -> None:
    seen = read_views().ours
    # Others mount and unmount meanwhile.
    assert on_path(seen.mounts, "/proc") is not None
    assert on_path(seen.mounts, "/proc") == on_path(current(), "/proc")
    assert len(seen.peers) == len(seen.mounts)


def test_device_numbers_of_sources_are_read_where_a_mount_has_none_itself() -> None:
    mounts = parse(
        "2 1 0:45 / /a rw - btrfs /dev/null rw\n"
        "3 1 0:46 / /b rw - btrfs /dev/nowhere rw\n"
        "4 1 0:47 / /c rw - tmpfs tmpfs rw\n"
        "5 1 254:1 / /d rw - ext4 /dev/zero rw\n"
    )
    assert devnums_of_sources(mounts) == {"/dev/null": "1:3"}


@pytest.mark.parametrize(
    ("shared", "found"),
    [("/shared/data", True), ("/shared/data/sub", True), ("/shared", True), ("/shared/", True), ("/shared/dat", False)],
)
def test_a_running_domain_that_shares_a_path_or_what_is_around_it(tmp_path: Path, shared: str, found: bool) -> None:
    (tmp_path / "vm1.xml").write_text(DOMAIN.format(directory=shared))
    domains = read_sharing_domains(["/shared/data"], (str(tmp_path),))
    assert domains == {"/shared/data": ("vm1",) if found else ()}


def test_a_domain_that_cannot_be_read_may_share_anything(tmp_path: Path) -> None:
    (tmp_path / "vm1.xml").write_text("<domstatus>")
    with pytest.raises(VirtiofsError, match=r"^cannot read the state of a running domain, .*/vm1\.xml"):
        read_sharing_domains(["/shared/data"], (str(tmp_path),))


def test_without_libvirt_nobody_shares(tmp_path: Path) -> None:
    assert read_sharing_domains(["/shared/data"], (str(tmp_path / "nowhere"),)) == {"/shared/data": ()}
