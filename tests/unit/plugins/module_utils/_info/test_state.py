# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain as it was read."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, State
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import document, domain, filesystem

ONE, OTHER = document(filesystem("one")), document(filesystem("other"))


def test_definition_and_running_machine_are_kept_apart() -> None:
    found = domain(ONE, OTHER)
    assert (list(found.config), list(found.live), found.running) == (["one"], ["other"], True)


def test_a_domain_that_is_off_has_nothing_running() -> None:
    found = domain(ONE)
    assert (found.live, found.running, found.name) == ({}, False, "vm1")


def test_nobody_changes_what_was_read() -> None:
    for value in (domain(ONE), Daemon("one")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.daemons = ()  # type: ignore[misc, union-attr]
    assert State.__dataclass_params__.frozen  # type: ignore[attr-defined]
