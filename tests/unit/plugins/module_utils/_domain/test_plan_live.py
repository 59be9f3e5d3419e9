# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running domain gets now, and what waits, share by share."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.plan import edited
from ansible_collections.virtio.fs.plugins.module_utils._domain.plan_live import LivePlan, plan_live
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import Detach, HotPlug, Reattach
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    BARE,
    SHARED,
    UUID,
    absent,
    host,
    item,
    options,
    state,
    with_shares,
)


def live_plan(domain: DomainState, *items: Any, on: Any = None, **given: Any) -> LivePlan:
    around, chosen = on or host(), options(**given)
    (wanted,) = by_domain({"vm1": domain}, items, chosen, around)
    root = domain.config.copy()
    edited(root, wanted, chosen, around)
    return plan_live(wanted, root, domain.config_shares, chosen, around)


def test_a_domain_that_is_off_gets_nothing_live() -> None:
    assert live_plan(state(SHARED), item()) == LivePlan()


def test_a_new_share_is_hot_plugged_without_the_places_of_the_definition() -> None:
    planned = live_plan(state(SHARED, SHARED), item())
    (step,) = planned.hot_plug
    assert isinstance(step, HotPlug)
    assert (step.tag, step.config, planned.before, planned.waiting) == ("data", True, (), ())


def test_what_leaves_is_detached_before() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": False})
    assert live_plan(domain, absent("data")).before == (Detach("vm1", UUID, "data"),)


def test_a_share_that_is_mounted_is_not_detached() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": True})
    with pytest.raises(VirtiofsError, match="data of domain vm1 is mounted in the guest"):
        live_plan(domain, absent("data"))
    assert live_plan(domain, absent("data"), force_detach=True).before == (Detach("vm1", UUID, "data"),)


def test_a_changed_share_is_plugged_in_again_with_a_way_back() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": False})
    (step,) = live_plan(domain, item(cache="always")).before
    assert isinstance(step, Reattach)
    assert step.options == ("cache",)
    assert ("always" in step.new_xml, "always" in step.old_xml) == (True, False)


@pytest.mark.parametrize(
    ("live", "given", "on", "code"),
    [
        (BARE, {}, {}, "no_shared_memory"),
        (SHARED, {"apply": "config"}, {}, "apply_config"),
        (SHARED, {}, {"libvirt": (7, 8, 0)}, "libvirt_too_old"),
        (with_shares("one"), {}, {}, None),
    ],
)
def test_what_waits_says_why(live: str, given: dict[str, Any], on: dict[str, Any], code: str | None) -> None:
    planned = live_plan(state(live, live), item(), on=host(**on), **given)
    assert [each.reason.code for each in planned.waiting] == ([code] if code else [])
    assert len(planned.hot_plug) == (code is None)


@pytest.mark.parametrize(
    ("wanted", "on", "options"),
    [
        ({"cache": "always", "queue": 256}, {}, ("queue", "cache")),
        ({"readonly": True}, {}, ("readonly",)),
        ({"readonly": True}, {"libvirt": (9, 0, 0)}, ("readonly",)),
        ({"source": "/srv/other"}, {}, ("source",)),
    ],
)
def test_what_waits_names_its_options(wanted: dict[str, Any], on: dict[str, Any], options: tuple[str, ...]) -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": True})
    (waiting,) = live_plan(domain, item(**wanted), on=host(**on)).waiting
    assert (waiting.reason.code, set(waiting.options)) == ("mounted", set(options))


def test_the_last_free_port_is_given_once() -> None:
    planned = live_plan(state(SHARED, SHARED), item(), item("more", "/srv/more"))
    assert [step.tag for step in planned.hot_plug] == ["data"]
    assert [(each.tag, each.reason.code) for each in planned.waiting] == [("more", "no_free_port")]
