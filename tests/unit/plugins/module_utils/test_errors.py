# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._errors import NotYet, VirtiofsError, at


def test_an_error_says_where_it_is_in_one_way() -> None:
    assert at("vm1", "size") + "it has 10 MiB" == "vm1, size: it has 10 MiB"
    assert at("vm1") + "it is read-only" == "vm1: it is read-only"


def test_an_error_carries_what_there_is_to_return() -> None:
    assert VirtiofsError("no").result == {}
    assert VirtiofsError("no", {"results": []}).result == {"results": []}


def test_what_is_not_there_yet_has_the_actions_that_a_check_can_plan() -> None:
    error = NotYet("no libvirt", ("share media",))
    assert (str(error), error.actions) == ("no libvirt", ("share media",))
