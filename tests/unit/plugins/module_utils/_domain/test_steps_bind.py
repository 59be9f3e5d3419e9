# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The line that keeps a read-only bind mount, and what the steps say. The mounts: tests/integration."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import BindReadOnly, RemoveBind, entry_of
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab


def test_the_line_keeps_it_read_only_and_before_the_guests() -> None:
    entry = entry_of("/srv/my data", "/var/lib/virtiofs/ro/x")
    assert entry.options[:2] == ("bind", "ro")
    assert {"nosuid", "nodev", "nofail", "x-systemd.before=libvirtd.service"} <= set(entry.options)
    assert list(fstab.entries(fstab.with_entry("", entry))) == [entry]


def test_the_steps_say_what_they_do() -> None:
    assert BindReadOnly("/srv/a", "/ro/a", "/etc/fstab").summary == "bind /srv/a read-only at /ro/a"
    assert RemoveBind("/ro/a", "/etc/fstab").summary == "remove the read-only bind mount /ro/a"
