# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the guests were rebooted, and again after the domains were stopped and started, all is as before."""

from __future__ import annotations

import json

import pytest
from proof import mounts
from proof.exchange import contents, crosses
from proof.machine import at_once


@pytest.fixture(scope="session")
def before(notebook, in_guest):
    noted = json.loads(notebook.read_text())
    yield noted
    # The next verification is to see a boot that is newer than this one.
    notebook.write_text(json.dumps({**noted, "boot": {name: seen.boot for name, seen in in_guest.items()}}))


@pytest.fixture(scope="session")
def in_guests_now(guests):
    return at_once(guests, lambda guest: contents(guest, "/mnt"))


def test_the_guest_has_booted_anew(in_guest, before, name):
    assert in_guest[name].boot != before["boot"][name]


def test_the_share_is_mounted_again(in_guest, name):
    mount = mounts.on(in_guest[name].live, "/mnt")
    assert mount is not None
    assert (mount.source, mount.fstype) == (name, "virtiofs")


def test_it_is_mounted_without_set_uid_and_devices_again(in_guest, name):
    mount = mounts.on(in_guest[name].live, "/mnt")
    assert mount is not None
    assert {"rw", "nosuid", "nodev"} <= mount.options


def test_every_file_is_there_with_its_checksum(in_guests_now, before, name):
    assert len(before["contents"][name]) > 400
    assert in_guests_now[name] == before["contents"][name]


@pytest.mark.parametrize("way", ["to the host", "to the guest"])
def test_bytes_go_through(hv1, guests, name, way):
    guest = next(one for one in guests if one.name == name)
    on_host, in_guest = (hv1, f"/shared/proof_{name}"), (guest, "/mnt")
    if way == "to the host":
        assert crosses(*in_guest, *on_host, "guest-to-host")
    else:
        assert crosses(*on_host, *in_guest, "host-to-guest")
