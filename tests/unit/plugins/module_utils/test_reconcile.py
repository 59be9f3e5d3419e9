# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module inherits: check mode, diff, changed, actions, failing half way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan, reconcile


@dataclass
class Ended(Exception):
    failed: bool
    result: dict[str, Any]


@dataclass
class Module:
    check_mode: bool = False
    _diff: bool = False
    warnings: list[str] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        self.warnings.append(warning)

    def exit_json(self, **kwargs: Any) -> None:
        raise Ended(False, kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        raise Ended(True, {"msg": msg, **kwargs})


@dataclass(frozen=True)
class Write:
    word: str
    broken: bool = False
    forgetful: bool = False

    @property
    def summary(self) -> str:
        return f"write {self.word}"

    def apply(self, target: list[str]) -> None:
        if self.broken:
            raise VirtiofsError(f"no ink for {self.word}")
        if not self.forgetful:
            target.append(self.word)


def run(module: Module, page: list[str], wanted: list[Write], **extra: Any) -> Ended:
    def plan(wanted: list[Write], words: tuple[str, ...]) -> Plan:
        steps = tuple(step for step in wanted if step.word not in words)
        after = " ".join((*words, *(step.word for step in steps)))
        return Plan(steps, (Change("page", " ".join(words), after), Change("cover", "same", "same")), **extra)

    with pytest.raises(Ended) as caught:
        reconcile(module, lambda: wanted, lambda _wanted: tuple(page), plan, page)
    return caught.value


def test_steps_are_applied_in_order_and_a_second_run_changes_nothing() -> None:
    page: list[str] = []
    wanted = [Write("one"), Write("two")]
    assert run(Module(), page, wanted).result == {"changed": True, "actions": ["write one", "write two"]}
    assert page == ["one", "two"]
    assert run(Module(), page, wanted).result == {"changed": False, "actions": []}


def test_check_mode_tells_the_same_and_does_nothing() -> None:
    page: list[str] = []
    ended = run(Module(check_mode=True, _diff=True), page, [Write("one")])
    assert page == []
    assert ended.result["changed"] is True
    assert ended.result["actions"] == ["write one"]
    assert ended.result["diff"] == [
        {"before_header": "page", "after_header": "page", "before": "", "after": "one"},
    ]


def test_the_diff_is_the_same_in_both_modes_and_only_there_when_asked_for() -> None:
    told = run(Module(check_mode=True, _diff=True), [], [Write("one")]).result["diff"]
    assert run(Module(_diff=True), [], [Write("one")]).result["diff"] == told
    assert "diff" not in run(Module(), [], [Write("one")]).result


def test_a_failure_half_way_tells_what_was_done() -> None:
    page: list[str] = []
    ended = run(Module(), page, [Write("one"), Write("two", broken=True), Write("three")])
    assert ended.failed
    assert ended.result == {"msg": "no ink for two", "changed": True, "actions": ["write one"]}
    assert page == ["one"]


def test_a_failure_half_way_shows_the_diff_of_what_was_done_and_no_more() -> None:
    ended = run(Module(_diff=True), [], [Write("one"), Write("two", broken=True)])
    assert ended.failed
    assert [(change["before"], change["after"]) for change in ended.result["diff"]] == [("", "one")]


def test_a_failure_after_which_nothing_can_be_read_has_no_diff() -> None:
    page: list[str] = []

    def read(_wanted: None) -> None:
        if page:
            raise VirtiofsError("the page is torn")

    plan = Plan((Write("one"), Write("two", broken=True)), (Change("page", "", "one two"),))
    with pytest.raises(Ended) as caught:
        reconcile(Module(_diff=True), lambda: None, read, lambda _wanted, _state: plan, page)
    assert caught.value.result == {"msg": "no ink for two", "changed": True, "actions": ["write one"]}


def test_options_are_checked_once_and_before_anything_is_read() -> None:
    checked: list[int] = []
    page: list[str] = []

    def wanted() -> str:
        checked.append(1)
        return "one"

    def plan(word: str, words: tuple[str, ...]) -> Plan:
        return Plan(() if word in words else (Write(word),))

    with pytest.raises(Ended):
        reconcile(Module(), wanted, lambda _word: tuple(page), plan, page)
    assert (page, checked) == (["one"], [1])

    def refuse() -> str:
        raise VirtiofsError("word: there is no such word")

    with pytest.raises(Ended) as caught:
        reconcile(Module(), refuse, lambda _word: pytest.fail("it was read"), plan, page)
    assert caught.value.result == {"msg": "word: there is no such word", "changed": False, "actions": []}


def test_a_step_without_effect_is_an_error_that_names_it() -> None:
    ended = run(Module(), [], [Write("one", forgetful=True)])
    assert ended.failed
    assert "still to do after everything was applied: write one" in ended.result["msg"]


def test_what_an_earlier_step_provides_is_a_warning_in_check_mode_and_an_error_before_the_first_step() -> None:
    page: list[str] = []
    module = Module(check_mode=True)
    assert run(module, page, [Write("one")], not_yet=("there is no pen",)).result["changed"] is True
    assert module.warnings == ["there is no pen"]
    ended = run(Module(), page, [Write("one")], not_yet=("there is no pen",))
    assert ended.failed
    assert ended.result["msg"] == "there is no pen"
    assert page == []


def test_a_machine_that_cannot_be_read_yet() -> None:
    def read(_wanted: None) -> None:
        raise NotYet("python3-libvirt is not installed", ("share one directory",))

    module = Module(check_mode=True)
    with pytest.raises(Ended) as caught:
        reconcile(module, lambda: None, read, lambda _wanted, _state: Plan(), None)
    assert caught.value.result == {"changed": True, "actions": ["share one directory"]}
    assert module.warnings == ["python3-libvirt is not installed"]
    with pytest.raises(Ended) as caught:
        reconcile(Module(), lambda: None, read, lambda _wanted, _state: Plan(), None)
    assert caught.value.failed
    assert caught.value.result["msg"] == "python3-libvirt is not installed"


def test_a_defect_of_ours_is_a_sentence_and_no_traceback() -> None:
    def read(_wanted: None) -> None:
        raise KeyError("oops")

    with pytest.raises(Ended) as caught:
        reconcile(Module(), lambda: None, read, lambda _wanted, _state: Plan(), None)
    assert caught.value.failed
    sentence = caught.value.result["msg"]
    assert re.fullmatch(
        r"a defect in virtio\.fs, please report it: KeyError: 'oops' \(.*test_reconcile\.py, line \d+, in read\)",
        sentence,
    )
    assert caught.value.result["exception"].splitlines()[-1] == "KeyError: 'oops'"


def test_warnings_are_said_once_and_the_result_is_the_state_after() -> None:
    module = Module()
    ended = run(module, [], [Write("one")], warnings=("mind the ink",), result={"pages": 1})
    assert module.warnings == ["mind the ink"]
    assert ended.result["pages"] == 1


def test_what_comes_in_time_is_waited_for_and_check_mode_does_not_wait() -> None:
    looks: list[int] = []

    def plan(_wanted: None, _state: None) -> Plan:
        looks.append(1)
        return Plan(not_yet=("no share yet",) if len(looks) < 3 else ())

    with pytest.raises(Ended) as caught:
        reconcile(Module(), lambda: None, lambda _wanted: None, plan, None, wait_seconds=30)
    assert not caught.value.failed
    assert len(looks) == 3

    looks.clear()
    checking = Module(check_mode=True)
    with pytest.raises(Ended) as caught:
        reconcile(checking, lambda: None, lambda _wanted: None, plan, None, wait_seconds=30)
    assert (caught.value.failed, checking.warnings, len(looks)) == (False, ["no share yet"], 1)


def test_what_does_not_come_in_time_is_an_error() -> None:
    late = Plan(not_yet=("no share yet",))
    with pytest.raises(Ended) as caught:
        reconcile(Module(), lambda: None, lambda _wanted: None, lambda _wanted, _state: late, None, wait_seconds=0.1)
    assert (caught.value.failed, caught.value.result["msg"]) == (True, "no share yet")
