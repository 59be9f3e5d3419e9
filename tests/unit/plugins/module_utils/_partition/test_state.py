# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a machine is a value: nobody who plans from it can change it."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.content import Content
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import Extent
from ansible_collections.virtio.fs.plugins.module_utils._partition.state import Gap, Place, Root, State
from ansible_collections.virtio.fs.tests.unit.made_up_disk import views


@pytest.mark.parametrize("value", [State(views()), Place(), Root(), Gap(Extent(0, 1), Content())])
def test_nothing_of_it_can_be_changed(value: object) -> None:
    assert dataclasses.is_dataclass(value)
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)


def test_what_is_left_out_is_not_there() -> None:
    state = State(views())
    assert not any((state.entries, state.disks, state.owners, state.format_markers, state.root.exists, state.systemd))
