# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest's agent tells of its mounts, and what it may not be believed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import guest_agent
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.guest_agent import virtiofs_tags_mounted


def _agent(mountinfo: str, **status: Any) -> Any:
    def say(command: str) -> str:
        if json.loads(command)["execute"] == "guest-exec":
            return '{"return": {"pid": 7}}'
        data = base64.b64encode(mountinfo.encode()).decode()
        return json.dumps({"return": {"exited": True, "exitcode": 0, "out-data": data, **status}})

    return say


_MOUNTINFO = "30 1 0:26 / /mnt rw,relatime - virtiofs my\\040tag rw\n31 1 8:1 / / rw - ext4 /dev/vda rw\n"


def test_the_guest_tells_which_tags_it_has_mounted() -> None:
    assert virtiofs_tags_mounted(_agent(_MOUNTINFO)) == {"my tag"}


@pytest.mark.parametrize("status", [{"exitcode": 1}, {"out-truncated": True}, {"out-data": "###"}, {"out-data": ""}])
def test_an_answer_that_cannot_be_trusted_is_none(status: dict[str, Any]) -> None:
    assert virtiofs_tags_mounted(_agent(_MOUNTINFO, **status)) is None


@pytest.mark.parametrize("said", ["[" * 100_000, "[]", "7", '{"return": []}', '{"return": {"pid": {}}}', "{}", ""])
def test_a_guest_that_answers_what_it_likes_tells_nothing(said: str) -> None:
    assert virtiofs_tags_mounted(lambda command: said) is None


def test_a_guest_that_forbids_it_tells_nothing() -> None:
    def say(command: str) -> str:
        raise VirtiofsError("the command guest-exec has been disabled")

    assert virtiofs_tags_mounted(say) is None


def test_a_process_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_agent, "_EXEC_SECONDS", 0.0)
    assert virtiofs_tags_mounted(_agent(_MOUNTINFO, exited=False)) is None
