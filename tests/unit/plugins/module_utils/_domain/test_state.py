# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read of a hypervisor cannot be changed by those who plan."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind, Directory, Host


@pytest.mark.parametrize("value", [Directory(), Bind("/ro/a", "/srv/a"), Host()])
def test_nobody_changes_what_was_read(value: object) -> None:
    for each in dataclasses.fields(value):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, each.name, None)


def test_a_host_that_was_not_asked_has_nothing_and_can_nothing() -> None:
    nothing = Host()
    assert (nothing.virtiofsd, nothing.has_device) == (None, None)
    assert [*nothing.binaries, *nothing.directories, *nothing.binds] == []
