# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order a hypervisor is asked, and what not. The real libvirts: tests/integration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import read as room
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import absent, item, options, state, with_shares


class Answers:
    """Stands for a hypervisor, and notes about which tags its guests were asked."""

    uri, driver, libvirt_version, qemu_version = "test:///default", "TEST", (11, 3, 0), (0, 0, 0)

    def __init__(self, *domains: DomainState) -> None:
        self.domains = {each.name: each for each in domains}
        self.asked: list[list[str]] = []
        self.public: list[bool] = []

    def domain_capabilities(self) -> str:
        return ""

    def states(self, names: Iterable[str], *, public: bool) -> dict[str, DomainState]:
        self.public.append(public)
        return {name: self.domains[name] for name in names}

    def mounted(self, uuid: str, tags: Iterable[str]) -> dict[str, bool | None]:
        self.asked.append(list(tags))
        return dict.fromkeys(self.asked[-1], True)


RUNNING = state(with_shares("data", "other"), with_shares("data", "other"))


def read(hypervisor: Any, *items: Any, fstab: str, **given: Any) -> Any:
    return room.read(Wanted(items, options(fstab=fstab, **given)), hypervisor, public=False)


@pytest.fixture
def fstab(tmp_path: Any) -> str:
    file = tmp_path / "fstab"
    file.touch()
    return str(file)


def test_the_guest_is_asked_once_about_what_would_be_detached(fstab: str) -> None:
    hypervisor = Answers(RUNNING)
    found = read(hypervisor, absent("other"), item(), fstab=fstab)
    assert hypervisor.asked == [["other"]]
    assert found.domains[0].state.mounted == {"other": True}


@pytest.mark.parametrize("given", [{"apply": "config"}, {"force_detach": True}])
def test_nobody_asks_a_guest_whose_answer_does_not_matter(fstab: str, given: dict[str, Any]) -> None:
    hypervisor = Answers(RUNNING)
    read(hypervisor, absent("other"), fstab=fstab, **given)
    assert hypervisor.asked == []


def test_who_unmounted_it_knows(fstab: str) -> None:
    hypervisor = Answers(RUNNING)
    read(hypervisor, absent("other", guest_unmounted=True), fstab=fstab)
    assert hypervisor.asked == []


def test_a_hypervisor_without_libvirt_yet_says_what_it_will_do(fstab: str) -> None:
    class Bare(Answers):
        def states(self, names: Iterable[str], *, public: bool) -> dict[str, DomainState]:
            raise NotYet("python3-libvirt must be installed on the hypervisor")

    with pytest.raises(NotYet) as caught:
        read(Bare(), item(), absent("other"), fstab=fstab)
    assert caught.value.actions == ("give data (/srv/data) to domain vm1",)
