# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd makes of the lines and units that we write: its own generator makes units of them, it verifies them."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind, steps_bind
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import wanted as guest_mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry, with_entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name, unit_text
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition

_GENERATOR = "/usr/lib/systemd/system-generators/systemd-fstab-generator"


def _verified(directory: Path) -> str:
    """What systemd understood of the units."""
    units = [str(unit) for unit in directory.glob("*.*") if unit.suffix in (".mount", ".automount", ".service")]
    assert units
    done = subprocess.run(
        ["systemd-analyze", "verify", *units],
        # It shows what it has read only with its own debugging.
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{directory}:", "SYSTEMD_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A line that it ignores fails nothing.
    assert not [line for line in done.stderr.splitlines() if f"{directory}/" in line and "ignoring" in line]
    return done.stdout


def _generated(directory: Path, *entries: Entry) -> Path:
    fstab, units = directory / "fstab", directory / "units"
    units.mkdir()
    text = ""
    for entry in entries:
        text = with_entry(text, entry)
    fstab.write_text(text)
    subprocess.run(
        [_GENERATOR, *[str(units)] * 3], env={**os.environ, "SYSTEMD_FSTAB": str(fstab)}, timeout=60, check=True
    )
    return units


def _lines(unit: Path) -> list[str]:
    return unit.read_text().splitlines()


def test_the_filesystem_of_a_share(tmp_path: Path) -> None:
    item = WantedPartition("data", "/shared/data")
    units = _generated(tmp_path, item.entry("ext4", None))
    # Monolithic and modular libvirt start their guests after it.
    assert "Before=libvirtd.service virtqemud.service" in _lines(units / "shared-data.mount")
    # Wanted and not required: the machine boots without the disk, and does not wait for it as long as for others.
    assert (units / "local-fs.target.wants/shared-data.mount").is_symlink()
    assert not (units / "local-fs.target.requires").exists()
    (limit,) = units.glob("dev-disk-*.device.d/50-device-timeout.conf")
    assert "JobRunningTimeoutSec=30s" in _lines(limit)
    _verified(units)


@pytest.mark.parametrize("path", ["/var/lib/shares/data.img", '/srv/a b/100%u $HOME \\"x.img'])
def test_the_unit_of_an_image(tmp_path: Path, path: str) -> None:
    item = WantedPartition("data", "/shared/data", image=path)
    units = _generated(tmp_path, item.entry("ext4", None))
    unit = units / unit_name("data")
    unit.write_text(unit_text(path, "data", "/usr/sbin/losetup"))
    assert f"Requires={unit.name}" in _lines(units / "shared-data.mount")
    assert f"After={unit.name}" in _lines(units / "shared-data.mount")
    understood = _verified(units)
    assert f"RequiresMountsFor: {path} (" in understood
    (command,) = (line for line in understood.splitlines() if "--nooverlap" in line)
    # Quoted for a shell; the two dollars become one when the program starts.
    words = shlex.split(command.partition(":")[2].replace("\\$", "$"))
    assert words[-1] == path.replace("$", "$$")


def test_a_read_only_bind_mount(tmp_path: Path) -> None:
    units = _generated(tmp_path, steps_bind.entry_of("/srv/data", f"{readonly_bind.ROOT}/some-uuid"))
    (unit,) = units.glob("*.mount")
    assert "Before=libvirtd.service virtqemud.service" in _lines(unit)
    assert list(units.glob("*.target.wants/*.mount"))
    assert not list(units.glob("*.target.requires"))
    _verified(units)


@pytest.mark.parametrize("automount", [False, True])
def test_a_share_in_a_guest(tmp_path: Path, automount: bool) -> None:
    item = guest_mount.WantedMount("two words", "/srv/my media", "mounted", None, automount)
    units = _generated(tmp_path, item.line())
    unit = "srv-my\\x20media." + ("automount" if automount else "mount")
    assert (units / "remote-fs.target.wants" / unit).is_symlink()
    assert not (units / "remote-fs.target.requires").exists()
    lines = _lines(units / "srv-my\\x20media.mount")
    assert {"What=two words", "Where=/srv/my media", "Type=virtiofs"} <= set(lines)
    assert (units / "srv-my\\x20media.automount").exists() is automount
    _verified(units)
