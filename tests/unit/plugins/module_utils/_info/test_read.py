# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a hypervisor is connected to when not everything is allowed. The real ones: tests/integration."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._info import read as room
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import Wanted


class Connections:
    """Stands for libvirt, which a unit test has not: refuses those that could write, and notes each that was tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusal: VirtiofsError, *, user: int) -> None:
        self.tried: list[bool] = []
        self._refusal = refusal
        monkeypatch.setattr(room, "Hypervisor", self._hypervisor)
        monkeypatch.setattr(os, "geteuid", lambda: user)

    def _hypervisor(self, uri: str, *, readonly: bool = False) -> Any:
        def connect() -> list[Any]:
            self.tried.append(readonly)
            if not readonly:
                raise self._refusal
            return []

        return SimpleNamespace(
            connect=connect,
            uri=uri,
            driver="TEST",
            libvirt_version=(11, 3, 0),
            qemu_version=(0, 0, 0),
            all_states=connect,
        )


def test_who_may_not_write_may_look(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, VirtiofsError("access denied"), user=1000)
    assert room.read(Wanted("test:///default")).readonly
    assert connections.tried == [False, True]


def test_root_is_refused_as_everybody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    Connections(monkeypatch, VirtiofsError("access denied"), user=0)
    with pytest.raises(VirtiofsError, match="access denied"):
        room.read(Wanted("test:///default"))


def test_without_libvirt_nobody_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, NotYet("it is not installed"), user=1000)
    with pytest.raises(NotYet):
        room.read(Wanted("test:///default"))
    assert connections.tried == [False]
