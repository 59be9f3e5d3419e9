# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a hypervisor is connected to, and what is made of what libvirt says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import hypervisor as room


class _Connections:
    """Stands for libvirt, which a unit test has not: notes each connection that is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refused: int = 0) -> None:
        self.made: list[tuple[str, bool]] = []
        self._refused = refused
        monkeypatch.setattr(room, "Connection", self._connect)

    def _connect(self, uri: str, *, readonly: bool) -> SimpleNamespace:
        self.made.append((uri, readonly))
        if len(self.made) <= self._refused:
            raise NotYet("it does not run")
        raw = SimpleNamespace(getURI=lambda: uri, getLibVersion=lambda: 11_003_002)
        return SimpleNamespace(raw=raw, retry_once=lambda what, action: action())


def test_it_connects_at_its_first_use_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = _Connections(monkeypatch)
    hypervisor = room.Hypervisor("test:///default", readonly=True)
    assert connections.made == []
    assert hypervisor.uri == "test:///default"
    assert hypervisor.libvirt_version == (11, 3, 2)
    assert connections.made == [("test:///default", True)]


def test_a_refused_connection_is_tried_again_at_the_next_use(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = _Connections(monkeypatch, refused=1)
    hypervisor = room.Hypervisor("test:///default")
    with pytest.raises(NotYet):
        hypervisor.connect()
    assert hypervisor.uri == "test:///default"
    assert len(connections.made) == 2
