# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The items, gathered by the domain that they mean."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import WantedDomain, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    BARE,
    UUID,
    absent,
    host,
    item,
    options,
    plan_for_all,
    state,
    with_shares,
)


def test_the_same_tag_twice() -> None:
    domain = state(BARE)
    with pytest.raises(VirtiofsError, match="listed twice"):
        plan_for_all({"vm1": domain, UUID: domain}, [item(), item(domain=UUID)], options(), host())


def gathered(*items: Item, on: Host | None = None, **given: Any) -> tuple[WantedDomain, ...]:
    states = {"vm1": state(with_shares("data", "other"), with_shares("data")), "vm2": state(BARE, name="vm2", uuid="2")}
    return by_domain({**states, UUID: states["vm1"]}, items, options(**given), on or host())


def test_a_name_and_a_uuid_are_one_domain() -> None:
    (one,) = gathered(item(), item("more", domain=UUID))
    assert one.state.name == "vm1"
    assert [each.share.tag for each in one.items] == ["data", "more"]


def test_a_domain_that_is_named_without_a_share_is_there() -> None:
    assert [(each.state.name, each.items) for each in gathered(domains=("vm2",))] == [("vm2", ())]


def test_without_exclusive_nothing_goes_that_is_not_named() -> None:
    (one,) = gathered(absent("other"))
    assert one.leaving(["data", "other"]) == ("other",)
    (two,) = gathered(item())
    assert two.leaving(["data", "other"]) == ()


def test_exclusive_takes_what_is_not_named() -> None:
    (one,) = gathered(item(), exclusive=True)
    assert one.leaving(one.state.config_shares) == ("other",)
    assert one.tags == ("data", "other")


def test_the_guest_is_asked_about_what_leaves_or_changes() -> None:
    assert gathered(item(cache="always"))[0].tags_to_detach() == ("data",)
    assert gathered(absent("data"), absent("other"))[0].tags_to_detach() == ("data",)
    assert gathered(item())[0].tags_to_detach() == ()


def test_a_read_only_share_has_become_what_the_host_can_do() -> None:
    (one,) = gathered(item("new", "/srv/new", readonly=True), on=host(libvirt=(9, 0, 0)))
    assert one.present[0].bound_source == "/srv/new"
