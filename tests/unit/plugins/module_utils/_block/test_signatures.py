# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools that look for signatures say, as one name for each thing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block import signatures
from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.signatures import Signatures
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, Completed, run


@pytest.mark.parametrize(
    ("blkid", "wipefs", "names"),
    [
        (["gpt"], ["PMBR", "gpt"], ["gpt"]),
        ([], ["PMBR", "gpt"], ["gpt"]),
        (["ext4"], ["ext4", "linux_raid_member"], ["ext4", "linux_raid_member"]),
        (["two or more that contradict each other"], ["ext4", "swap"], ["ext4", "swap"]),
        (["crypto_LUKS"], [], ["crypto_LUKS"]),
        ([], ["PMBR"], ["PMBR"]),
    ],
)
def test_one_name_for_each_thing(blkid: list[str], wipefs: list[str], names: list[str]) -> None:
    assert signatures.merged(blkid, wipefs) == names


def test_exported_values() -> None:
    text = "DEVNAME=/dev/x\nLABEL=sw\\ a\nTYPE=swap\n"
    assert signatures.parse_export(text) == {"DEVNAME": "/dev/x", "LABEL": "sw a", "TYPE": "swap"}


def test_exported_values_of_several_devices() -> None:
    text = "DEVNAME=/dev/x\nTYPE=swap\n\nDEVNAME=/srv/a b\nLABEL=a^J^JDEVNAME=/dev/z\nTYPE=ext4\n"
    assert signatures.parse_exports(text) == [
        ("/dev/x", {"DEVNAME": "/dev/x", "TYPE": "swap"}),
        ("/srv/a b", {"DEVNAME": "/srv/a b", "LABEL": "a^J^JDEVNAME=/dev/z", "TYPE": "ext4"}),
    ]


def blank(path: Path, mib: int = 4) -> str:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(mib * 1024 * 1024)
    return str(path)


def ext4(path: Path, label: str) -> str:
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-L", label, blank(path)], check=True, timeout=60)
    return str(path)


def contradictory(path: Path) -> str:
    """Two filesystems, which blkid 2.38 calls ambivalent."""
    subprocess.run(["/sbin/mkfs.btrfs", "-q", blank(path, 128)], check=True, timeout=60)
    first = Path(ext4(path.with_suffix(".ext4"), "both")).read_bytes()[:8192]
    with path.open("r+b") as file:
        file.write(first)
    return str(path)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The commands that are really run."""
    commands: list[Sequence[str]] = []

    def noted(argv: Sequence[str], **options: Any) -> Completed:
        commands.append(argv)
        return run(argv, **options)

    monkeypatch.setattr(signatures, "run", noted)
    return commands


@pytest.fixture
def devices(tmp_path: Path) -> list[str]:
    """blkid ends at the second, and is asked again for those behind it."""
    return [
        ext4(tmp_path / "one" / "x", "one\n\nDEVNAME=two"),
        blank(tmp_path / "two"),
        ext4(tmp_path / "other" / "x", "other"),
        contradictory(tmp_path / "three"),
        str(tmp_path / "gone"),
        ext4(tmp_path / "four", "four"),
    ]


def test_several_devices_are_as_each_alone(devices: list[str]) -> None:
    found = Signatures()
    found.look_at(devices)
    there = [device for device in devices if not device.endswith("gone")]
    contents = [found.content(device) for device in there]
    assert contents == [signatures.probe(device) for device in there]
    assert [content.blank for content in contents] == [False, True, False, False, False]
    assert contents[3].types == ("btrfs", "ext4")
    together = signatures.values_of(devices)
    assert together == {device: values for device in devices for values in signatures.values_of([device]).values()}
    assert [values.get("LABEL") for values in together.values()][1:] == ["other", "four"]


def test_devices_with_a_filesystem_take_one_blkid_and_one_wipefs(tmp_path: Path, started: list[Sequence[str]]) -> None:
    nodes = [ext4(tmp_path / f"x{number}", f"x{number}") for number in range(5)]
    found = Signatures()
    found.look_at(nodes[:4], labels_of=nodes[4:])
    assert [found.content(node).label for node in nodes[:4]] == ["x0", "x1", "x2", "x3"]
    assert found.values(nodes[4])["LABEL"] == "x4"
    assert [command[0] for command in started] == ["blkid", "wipefs"]


def test_that_a_device_holds_nothing_is_asked_of_it_alone(tmp_path: Path, started: list[Sequence[str]]) -> None:
    nodes = [blank(tmp_path / "blank"), ext4(tmp_path / "full", "full")]
    found = Signatures()
    found.look_at(nodes)
    started.clear()
    assert found.content(nodes[0]) == Content()
    assert [(command[0], command[-2:]) for command in started] == [
        ("blkid", ["export", nodes[0]]),
        ("wipefs", ["--json", nodes[0]]),
    ]
    with open(nodes[0], "r+b") as file:
        file.write(b"data")
    assert found.content(nodes[0]).data


def test_a_device_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, devices: list[str]) -> None:
    def slow(argv: Sequence[str], **options: Any) -> Completed:
        if devices[2] in argv:
            raise CommandTimeout(f"{' '.join(argv)} did not end within 60 seconds")
        return run(argv, **options)

    monkeypatch.setattr(signatures, "run", slow)
    with pytest.raises(CommandTimeout, match=f"^blkid -p -o export {devices[2]} did not end"):
        Signatures().look_at(devices)


def test_blkid_that_crashes_over_one_device_tells_of_the_others(
    monkeypatch: pytest.MonkeyPatch, devices: list[str]
) -> None:
    def crashing(argv: Sequence[str], **options: Any) -> Completed:
        # What it has written until then is lost with it.
        return Completed(tuple(argv), -11, "", "") if devices[2] in argv else run(argv, **options)

    monkeypatch.setattr(signatures, "run", crashing)
    assert list(signatures.values_of(devices)) == [devices[0], devices[5]]
