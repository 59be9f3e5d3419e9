# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook as a user would, and keeps what every task returned."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "callback"
# The task that asks a guest before its domain is restarted for it, and changes nothing.
PREFLIGHT = "Ask whether the guest could mount what it gets"


@dataclass(frozen=True)
class Result:
    """What one task returned on one host."""

    host: str
    task: str
    action: str
    status: str  # ok, failed, unreachable or skipped
    returned: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.returned.get("msg", ""))

    @property
    def changed(self) -> bool:
        return bool(self.returned.get("changed"))

    @property
    def actions(self) -> list[str]:
        return list(self.returned.get("actions", []))


@dataclass(frozen=True)
class Run:
    """A playbook that was run to its end."""

    returncode: int
    output: str
    results: tuple[Result, ...]

    def of(self, module: str, host: str | None = None) -> tuple[Result, ...]:
        """What a module of the collection returned, in order; skipped tasks and questions in advance are left out."""
        return tuple(
            one
            for one in self.results
            if one.action == f"virtio.fs.{module}"
            and one.status != "skipped"
            and one.task != PREFLIGHT
            and host in (None, one.host)
        )

    def failures(self, host: str | None = None) -> tuple[Result, ...]:
        return tuple(
            one for one in self.results if one.status in ("failed", "unreachable") and host in (None, one.host)
        )

    def named(self, task: str, host: str | None = None) -> Result:
        """The result of the one task with this name."""
        found = [one for one in self.results if one.task == task and host in (None, one.host)]
        assert len(found) == 1, f"{len(found)} results of the task {task!r}:\n{self.output[-4000:]}"
        return found[0]


def play(
    playbook: str,
    *,
    extra: Mapping[str, Any] | None = None,
    limit: str | None = None,
    options: tuple[str, ...] = (),
    timeout: int = 600,
    killed_at: int | None = None,
) -> Run:
    """Run a playbook (a path, or a name like ``virtio.fs.share``) with the inventory that the scenario uses.

    ``killed_at``: the controller is killed in the middle of the task of that number, counted from 1.
    """
    argv = ["ansible-playbook", *inventory_options(), *options]
    if extra:
        argv += ["--extra-vars", json.dumps(extra)]
    if limit:
        argv += ["--limit", limit]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "results"
        kept.touch()
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(RESULTS),
            "ANSIBLE_CALLBACKS_ENABLED": "results",
            "PROOF_RESULTS": str(kept),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        if killed_at is not None:
            environment |= {"ANSIBLE_CALLBACKS_ENABLED": "results,kill", "PROOF_KILL_AT": str(killed_at)}
        # Output goes to a file: a background ssh master would hold a pipe open after the play has ended.
        with (Path(folder) / "output").open("w+") as output:
            done = subprocess.run(
                [*argv, playbook],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
            output.seek(0)
            text = output.read()
        results = tuple(Result(**json.loads(line)) for line in kept.read_text().splitlines())
    print(text)
    return Run(done.returncode, text, results)


def inventory_options() -> list[str]:
    """The lab's inventory, and behind it the scenario's own where there is one."""
    lab = Path(__file__).parent.parent / "inventory"
    own = Path(os.environ.get("MOLECULE_SCENARIO_DIRECTORY", ".")) / "inventory"
    return [f"--inventory={path}" for path in (lab, own) if path.is_dir()]
