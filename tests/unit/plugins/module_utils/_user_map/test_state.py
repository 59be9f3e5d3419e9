# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read of the daemon cannot be changed by those who plan."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._user_map.state import State
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd


def test_nobody_changes_what_was_read() -> None:
    state = State(Virtiofsd("/usr/libexec/virtiofsd", "rust", (1, 13, 2)), {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.texts = {"/usr/sbin/x": ""}  # type: ignore[misc]
