# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a read-only share is libvirt's own, and where it is a bind mount."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.readonly_bind import path_for
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps_bind import BindReadOnly, RemoveBind
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    BARE,
    UUID,
    C,
    host,
    item,
    plan_for,
    state,
    with_shares,
)


def test_read_only_is_enforced_by_libvirt_where_it_can() -> None:
    (step,) = plan_for(state(BARE), item(readonly=True)).steps
    assert "<readonly" in step.xml.text


@pytest.mark.parametrize("on", [{"libvirt": (10, 10, 0)}, {"libvirt": (6, 2, 0), "virtiofsd": C}])
def test_read_only_is_a_bind_mount_elsewhere(on: dict[str, Any]) -> None:
    bind, define = plan_for(state(BARE), item(readonly=True), on=host(**on)).steps
    path = path_for(UUID, "data", "/srv/data")
    assert bind == BindReadOnly("/srv/data", path, "/etc/fstab")
    assert path in define.xml.text
    assert "<readonly" not in define.xml.text


def test_a_bind_mount_stays_until_the_share_changes_otherwise() -> None:
    path = path_for(UUID, "data", "/srv/data")
    config = with_shares("data").replace("/srv/data", path)
    on = host(binds={path: Bind(path, "/srv/data")})
    assert plan_for(state(config), item(readonly=True), on=on).steps == ()
    assert plan_for(state(config), item(), on=on).steps == ()
    define, remove = plan_for(state(config), item(readonly=True, cache="always"), on=on).steps
    assert "<readonly" in define.xml.text
    assert remove == RemoveBind(path, "/etc/fstab")


def test_each_source_has_a_mount_of_its_own_name() -> None:
    one = readonly_bind.path_for(UUID, "data", "/srv/data")
    assert one.startswith(f"{readonly_bind.ROOT}/{UUID}-")
    assert readonly_bind.path_for(UUID, "data", "/srv//data/") == one
    others = {readonly_bind.path_for(UUID, "data", "/srv/other"), readonly_bind.path_for(UUID, "dat", "a/srv/data")}
    assert len({one, *others}) == 3


@pytest.mark.parametrize(
    ("on", "enforced"),
    [
        ({}, True),
        ({"libvirt": (10, 10, 0)}, False),
        ({"virtiofsd": C}, False),
        ({"driver": "TEST", "libvirt": (1, 0, 0)}, True),
    ],
)
def test_where_the_daemon_itself_writes_nothing(on: dict[str, Any], enforced: bool) -> None:
    assert readonly_bind.enforced(item(), host(**on)) is enforced


def test_the_bind_mounts_of_another_domain_stay() -> None:
    mine, other = readonly_bind.path_for(UUID, "a", "/a"), readonly_bind.path_for("other", "a", "/a")
    on = host(binds={path: Bind(path, "/a") for path in (mine, other)})
    assert readonly_bind.steps_after(UUID, [], on, "/etc/fstab") == (RemoveBind(mine, "/etc/fstab"),)
    assert readonly_bind.steps_after(UUID, [mine], on, "/etc/fstab") == ()


@pytest.mark.parametrize("broken", [{"mounted": False}, {"kept": False}, {"source": "/srv/other"}])
def test_a_bind_mount_that_is_not_whole_is_made_again(broken: dict[str, Any]) -> None:
    path = readonly_bind.path_for(UUID, "data", "/srv/data")
    on = host(binds={path: Bind(**{"path": path, "source": "/srv/data", **broken})})
    wanted = item(source=path, bound_source="/srv/data")
    assert readonly_bind.steps_before([wanted], on, "/fstab") == (BindReadOnly("/srv/data", path, "/fstab"),)
    whole = host(binds={path: Bind(path, "/srv/data")})
    assert readonly_bind.steps_before([wanted], whole, "/fstab") == ()
