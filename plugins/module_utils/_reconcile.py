# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read, plan, apply, read again: the only place that knows check mode, diff and failing.

A module hands over three functions. ``wanted`` checks its options and is pure, ``read`` does the I/O and returns typed
values, ``plan`` is pure and returns a :class:`Plan`. What changed is ``bool(plan.steps)``, in check mode and out of it.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol, TypeVar

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError

_PAUSE_SECONDS = 0.5

Target = TypeVar("Target")
Target_contra = TypeVar("Target_contra", contravariant=True)
State = TypeVar("State")
Wanted = TypeVar("Wanted")


class Step(Protocol[Target_contra]):
    """One effect. A step waits for its own asynchronous effect, with a time limit."""

    @property
    def summary(self) -> str:
        """What is done, in words, as it appears in ``actions``."""

    def apply(self, target: Target_contra) -> None:
        """Do it, or raise a :class:`VirtiofsError`."""


@dataclass(frozen=True)
class Change:
    """One object before and after, as the diff shows it. Never with a secret in it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """What there is to do, and what to tell about it.

    ``result`` is merged into what the module returns and describes the state after the steps.
    ``not_yet`` has a sentence for each thing that an earlier step of a first run would have provided.
    """

    steps: tuple[Step[Any], ...] = ()
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    not_yet: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def actions(self) -> list[str]:
        return [step.summary for step in self.steps]

    @property
    def diff(self) -> list[dict[str, str]]:
        return [
            {
                "before_header": change.name,
                "after_header": change.name,
                "before": change.before,
                "after": change.after,
            }
            for change in self.changes
            if change.before != change.after
        ]


class Module(Protocol):
    """The part of AnsibleModule that is used here."""

    check_mode: bool
    _diff: bool

    def warn(self, warning: str) -> None:
        """Say it beside the result."""

    def exit_json(self, **kwargs: Any) -> None:
        """End well, with this result."""

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """End with an error."""


def reconcile(
    module: Module,
    wanted: Callable[[], Wanted],
    read: Callable[[Wanted], State],
    plan: Callable[[Wanted, State], Plan],
    target: Target,
    *,
    wait_seconds: float = 0,
) -> None:
    """Bring the machine to what ``plan`` asks for, and end the module.

    ``wanted`` turns the options into checked values, once and before anything is read. After the last step the
    state is read and planned again; what is then left to do is an error. So a module that is not idempotent fails
    at its first run, in a sentence.

    ``wait_seconds`` is how long a real run waits for what is ``not_yet`` there: a device that was plugged in a
    moment ago.
    """
    done: list[str] = []
    first = Plan()

    def fail(sentence: str, **result: Any) -> None:
        result |= {"changed": bool(done), "actions": done}
        if module._diff and done:
            diff = _diff_so_far(first, lambda: plan(checked, read(checked)))
            if diff is not None:
                result["diff"] = diff
        module.fail_json(msg=sentence, **result)

    try:
        checked = wanted()
        first = plan(checked, read(checked))
        if module.check_mode:
            last = first
            for sentence in first.not_yet:
                module.warn(sentence)
        else:
            deadline = time.monotonic() + wait_seconds
            while first.not_yet and time.monotonic() < deadline:
                time.sleep(_PAUSE_SECONDS)
                first = plan(checked, read(checked))
            if first.not_yet:
                raise VirtiofsError(first.not_yet[0])
            for step in first.steps:
                step.apply(target)
                done.append(step.summary)
            last = plan(checked, read(checked)) if first.steps else first
            if last.steps:
                raise VirtiofsError("still to do after everything was applied: " + "; ".join(last.actions))
    except NotYet as error:
        if not module.check_mode:
            fail(str(error))
            return
        module.warn(str(error))
        actions = list(error.actions)
        _exit(module, {"changed": bool(actions), "actions": actions}, Plan())
        return
    except VirtiofsError as error:
        fail(str(error), **error.result)
        return
    except Exception as error:
        # Ansible shows ``exception`` only to who asks for it.
        fail(_defect(error), exception=traceback.format_exc())
        return
    for warning in dict.fromkeys(first.warnings + last.warnings):
        module.warn(warning)
    _exit(module, {**last.result, "changed": bool(first.steps), "actions": first.actions}, first)


def _exit(module: Module, result: dict[str, Any], plan: Plan) -> None:
    if module._diff:
        result["diff"] = plan.diff
    module.exit_json(**result)


def _diff_so_far(first: Plan, plan_again: Callable[[], Plan]) -> list[dict[str, str]] | None:
    """What a run that failed half way has changed: what was planned, up to where the machine is now.

    None where the machine cannot be read any more: a diff that nobody has looked at is worse than none.
    """
    try:
        left = {change.name: change.before for change in plan_again().changes}
    except Exception:
        return None
    reached = [dataclasses.replace(change, after=left.get(change.name, change.after)) for change in first.changes]
    return Plan(changes=tuple(reached)).diff


def _defect(error: Exception) -> str:
    at = traceback.extract_tb(error.__traceback__)[-1]
    file = at.filename.rpartition("/plugins/")[2] or at.filename
    return (
        f"a defect in virtio.fs, please report it: {type(error).__name__}: {error} "
        f"({file}, line {at.lineno}, in {at.name})"
    )
