# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to a result: what is refused before anything is read."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._partition.run import run
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import WantedPartition
from ansible_collections.virtio.fs.plugins.modules.virtiofs_partition import ITEM


class Module:
    check_mode = True
    _diff = False

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.message = ""

    def warn(self, warning: str) -> None:
        raise AssertionError(warning)

    def exit_json(self, **values: Any) -> None:
        raise AssertionError(values)

    def fail_json(self, msg: str, **values: Any) -> None:
        assert (values["changed"], values["actions"]) == (False, [])
        self.message = msg


def test_a_bad_option_comes_before_a_missing_right() -> None:
    module = Module({"partitions": [{"label": "data", "disk": "vdb", "size": "1G"}]})
    run(module, Target())
    assert module.message == "data, disk: 'vdb' is not an absolute path"


def test_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    module = Module({"partitions": [{"label": "data", "disk": "/dev/vdb", "size": "1G"}]})
    run(module, Target())
    assert module.message == "virtiofs_partition needs root: run it with become: true"


def test_no_option_of_an_item_is_dropped() -> None:
    assert {field.name for field in dataclasses.fields(WantedPartition)} == set(ITEM)
