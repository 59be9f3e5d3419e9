# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restart does when nobody knows how a start ended."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import steps
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import Restart
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._errors import Lost, VirtiofsError

OLD = Document("<domain><name>old</name></domain>")
OLDER = Document("<domain><name>older</name></domain>")
LOST = Lost("the answer was lost")
FAILED = VirtiofsError("QEMU failed")


class Told:
    """Each start ends as told: it was one, an earlier one counts, or it failed. ``running``: after the first."""

    def __init__(self, *starts: bool | VirtiofsError, running: bool | None) -> None:
        self.starts, self.running = list(starts), running
        self.definitions = ["new"]

    def shut_down(self, uuid: str, timeout: float, *, force: bool) -> None:
        pass

    def start(self, uuid: str) -> bool:
        answer = self.starts.pop(0)
        if isinstance(answer, VirtiofsError):
            raise answer
        return answer

    def is_running(self, uuid: str) -> bool:
        if self.running is None:
            raise VirtiofsError("libvirt did not come back")
        return self.running

    def restore_definition(self, uuid: str, xml: str) -> None:
        self.definitions.append(str(Document(xml).root.findtext("name")))


def restart(target: Told) -> None:
    Restart("vm1", "1", (OLD, OLDER), 1).apply(target)  # type: ignore[arg-type]


def test_a_start_whose_answer_was_lost_counts_and_the_definition_that_it_runs_with_stays() -> None:
    target = Told(LOST, True, running=True)
    restart(target)
    assert target.definitions == ["new"]


def test_what_cannot_be_seen_is_said_and_the_definition_stays() -> None:
    target = Told(LOST, True, running=None)
    with pytest.raises(VirtiofsError, match=r"lost; whether domain vm1 runs is unknown.*by hand.*come back"):
        restart(target)
    assert target.definitions == ["new"]


def test_a_domain_that_is_off_runs_with_its_old_definition_again() -> None:
    target = Told(FAILED, True, running=False)
    with pytest.raises(VirtiofsError, match="QEMU failed; the old definition of vm1 was put back and the domain"):
        restart(target)
    assert target.definitions == ["new", "old"]


def test_who_started_it_can_be_unknown() -> None:
    with pytest.raises(VirtiofsError, match="the domain runs, and with which definition is not known"):
        restart(Told(LOST, False, running=False))


def test_no_even_older_definition_comes_below_a_machine_that_may_run() -> None:
    target = Told(FAILED, LOST, True, running=False)
    with pytest.raises(VirtiofsError, match="whether vm1 runs with its old definition again is unknown"):
        restart(target)
    assert target.definitions == ["new", "old"]


def test_what_it_ran_with_before_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_PAUSE_SECONDS", 0)
    target = Told(FAILED, FAILED, VirtiofsError("domain is no longer running"), True, running=False)
    with pytest.raises(VirtiofsError, match="QEMU failed; the old definition of vm1 was put back and the domain runs"):
        restart(target)
    assert target.definitions == ["new", "old", "older", "older"]
    with pytest.raises(VirtiofsError, match=r"QEMU failed; with the old definition .* it does not start either: QEMU"):
        restart(Told(FAILED, FAILED, FAILED, FAILED, running=False))
