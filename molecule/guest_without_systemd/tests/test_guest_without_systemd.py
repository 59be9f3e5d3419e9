# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest without systemd, whose mount(8) is that of busybox: mounts come and go all the same, now and at boot."""

from __future__ import annotations

import pytest
from proof import mounts
from proof.exchange import crosses
from proof.playbook import play

HOST = "/srv/proof/plain"
GUEST = "/srv/plain"
LIMIT = "hv1,vm3"
BUSYBOX = "/root/without-systemd"
SHARE = {"name": "plain", "path": HOST, "domains": ["vm3"], "mount": GUEST}


def run(**changes):
    return play("virtio.fs.share", extra={"virtiofs_host_shares": [{**SHARE, **changes}]}, limit=LIMIT)


@pytest.fixture(scope="session")
def vm3(machine):
    return machine("vm3")


@pytest.fixture(scope="session")
def first(vm3):
    return vm3.read({"live": mounts.LIVE, "fstab": mounts.FSTAB, "python": _NOTHING_OF_SYSTEMD})


_NOTHING_OF_SYSTEMD = """\
/root/python-without-systemd -c 'import os, shutil
print(os.path.exists("/run/systemd/system"), shutil.which("systemctl"), shutil.which("mount"))'
"""


@pytest.fixture(scope="session")
def crossed(first, hv1, vm3):
    return crosses(hv1, HOST, vm3, GUEST, "host-to-guest") and crosses(vm3, GUEST, hv1, HOST, "guest-to-host")


@pytest.fixture(scope="session")
def mounted_as_at_boot(crossed, vm3):
    """What the boot scripts of such a guest do."""
    return vm3.read({"live": f"{BUSYBOX}/umount {GUEST} && {BUSYBOX}/mount -a -t virtiofs && {mounts.LIVE}"})


@pytest.fixture(scope="session")
def with_automount(mounted_as_at_boot, vm3):
    return run(automount=True)


@pytest.fixture(scope="session")
def remounted(with_automount, vm3):
    done = run(mount_options=["rw", "noatime", "nofail"])
    return done, vm3.read({"live": mounts.LIVE, "fstab": mounts.FSTAB})


@pytest.fixture(scope="session")
def gone(remounted, vm3):
    done = run(state="absent")
    return done, vm3.read({"live": mounts.LIVE, "fstab": mounts.FSTAB})


def test_there_is_no_systemd_to_be_found(first):
    assert first["python"].split() == ["False", "None", "/root/without-systemd/mount"]


@pytest.mark.parametrize("where", ["live", "fstab"])
def test_the_share_is_mounted_now_and_at_boot(first, where):
    mount = mounts.on(mounts.parse(first[where]), GUEST)
    assert mount is not None
    assert (mount.source, mount.fstype) == ("plain", "virtiofs")


def test_bytes_go_through(crossed):
    assert crossed


def test_its_line_is_one_that_boot_scripts_can_mount(mounted_as_at_boot):
    mount = mounts.on(mounts.parse(mounted_as_at_boot["live"]), GUEST)
    assert mount is not None
    assert {"rw", "nosuid", "nodev"} <= mount.options


def test_an_automount_is_refused_because_it_needs_systemd(with_automount):
    (failure,) = with_automount.failures("vm3")
    assert "automount needs systemd" in failure.message


def test_other_options_are_taken_while_it_is_mounted(remounted):
    done, seen = remounted
    assert done.returncode == 0, done.output[-3000:]
    (result,) = done.of("virtiofs_guest_mount", "vm3")
    assert [action.split()[0] for action in result.actions] == ["change", "write"]
    # Mounting is seen in all namespaces, but new options of a mount only where they were given: that Python's own.
    (mount,) = result.returned["mounts"]
    assert {"noatime", "nosuid", "nodev"} <= set(mount["options"])
    line = mounts.on(mounts.parse(seen["fstab"]), GUEST)
    assert line is not None
    assert {"noatime", "nosuid", "nodev"} <= line.options


def test_it_can_be_taken_away(gone):
    done, seen = gone
    assert done.returncode == 0, done.output[-3000:]
    assert mounts.on(mounts.parse(seen["live"]), GUEST) is None
    assert mounts.on(mounts.parse(seen["fstab"]), GUEST) is None
