# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands end in time, or are left behind without holding anything of ours."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, check, find, run


def test_output_and_exit_status_are_returned() -> None:
    done = run(["sh", "-c", "cat; echo said; echo wrong >&2; exit 3"], stdin="given ")
    assert (done.returncode, done.stdout, done.stderr) == (3, "given said\n", "wrong\n")


def test_a_failure_carries_the_commands_own_message_on_one_line() -> None:
    with pytest.raises(VirtiofsError, match=r"failed: first second$"):
        check(["sh", "-c", "echo first >&2; echo second >&2; exit 1"])


def test_a_command_that_is_not_installed() -> None:
    assert find("no-such-command") is None
    with pytest.raises(VirtiofsError, match="the command no-such-command is not installed"):
        run(["no-such-command"])


def test_a_command_that_does_not_end_is_killed_with_its_children() -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimeout, match=r"did not end within 0\.5 seconds"):
        run(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.5)
    assert time.monotonic() - started < 10


def test_a_child_holds_no_descriptor_of_ours() -> None:
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    try:
        held = run(["sh", "-c", "ls -l /proc/self/fd"]).stdout
        assert "pipe:" not in held
    finally:
        os.close(read_end)
        os.close(write_end)


def test_messages_are_in_english_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL"]).stdout == "C\n"
