# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a module starts again under the Python that has libvirt."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._libvirt import system_python as room


class Machine:
    """Which of the two packages this Python has, and what the module is started again with."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, libvirt: bool, lxml: bool, found: str | None, respawned: bool = False
    ) -> None:
        self.asked: list[str] = []
        self.started: list[str] = []
        monkeypatch.setattr(room.hypervisor, "available", lambda: libvirt)
        monkeypatch.setattr(room.document, "available", lambda: lxml)
        monkeypatch.setattr(room, "has_respawned", lambda: respawned)
        self._found = found
        monkeypatch.setattr(room, "probe_interpreters_for_module", self._probe)
        monkeypatch.setattr(room, "respawn_module", self.started.append)
        room.use_one_with_libvirt()

    def _probe(self, names: object, missing: str) -> str | None:
        self.asked.append(missing)
        return self._found


@pytest.mark.parametrize(("libvirt", "lxml", "missing"), [(False, True, "libvirt"), (True, False, "lxml.etree")])
def test_the_one_that_has_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, libvirt: bool, lxml: bool, missing: str
) -> None:
    machine = Machine(monkeypatch, libvirt=libvirt, lxml=lxml, found="/usr/bin/python3")
    assert (machine.asked, machine.started) == ([missing], ["/usr/bin/python3"])


def test_this_one_where_it_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, libvirt=True, lxml=True, found="/usr/bin/python3").started == []


def test_not_a_second_time_and_not_where_none_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, libvirt=False, lxml=True, found="/x", respawned=True).started == []
    assert Machine(monkeypatch, libvirt=False, lxml=True, found=None).started == []
