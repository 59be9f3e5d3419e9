# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody is told who adds a share, and when not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import warnings
from ansible_collections.virtio.fs.plugins.module_utils._domain.readonly_bind import path_for
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind, Directory
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    BARE,
    UUID,
    C,
    host,
    item,
    options,
    plan_for,
    plan_for_all,
    state,
    with_shares,
)


def test_what_is_mounted_below_the_source_is_not_in_a_read_only_bind_mount() -> None:
    sources = {"/srv/data": Directory(submounts=("/srv/data/disk",))}
    on = host(libvirt=(9, 0, 0), directories=sources)
    said = "/srv/data/disk below /srv/data is another filesystem, which a read-only share does not have here"
    for domain in (state(BARE), state(with_shares("data"))):
        first = plan_for(domain, item(readonly=True), on=on)
        assert [said in warning for warning in first.warnings if "/srv/data/disk" in warning] == [True]
    # Said once, and not where everything is shared.
    path = path_for(UUID, "data", "/srv/data")
    bound = host(libvirt=(9, 0, 0), directories=sources, binds={path: Bind(path, "/srv/data")})
    assert plan_for(state(with_shares("data").replace("/srv/data", path)), item(readonly=True), on=bound).warnings == ()
    assert [w for w in plan_for(state(BARE), item(), on=on).warnings if "/srv/data/disk" in w] == []


@pytest.mark.parametrize(("libvirt", "warned"), [((9, 0, 0), 1), ((10, 4, 0), 1), ((10, 5, 0), 0), ((11, 3, 0), 0)])
def test_what_a_first_share_costs_is_said_before_libvirt_10_5(libvirt: tuple[int, int, int], warned: int) -> None:
    def said(config: str) -> list[str]:
        return [
            each for each in plan_for(state(config), item(), on=host(libvirt=libvirt)).warnings if "migration" in each
        ]

    assert len(said(BARE)) == warned
    assert all("managed save and suspending guests" in each for each in said(BARE))
    # The second share costs nothing more.
    assert said(with_shares("other")) == []


@pytest.mark.parametrize(
    ("there", "given", "sentence"),
    [
        (BARE, {}, "/srv/data is shared with vm1, vm2: file locks of one guest are not seen by the others."),
        (
            with_shares("data"),
            {},
            "/srv/data is shared with vm1, vm2: file locks of one guest are not seen by the others.",
        ),
        (BARE, {"cache": "always"}, "cache=always makes a guest miss what the others write."),
        (BARE, {"readonly": True}, None),
    ],
    ids=["both are new", "the second is new", "cache=always", "nobody writes"],
)
def test_a_source_that_a_second_domain_gets(there: str, given: dict[str, Any], sentence: str | None) -> None:
    domains = {"vm1": state(there), "vm2": state(BARE, name="vm2", uuid="2")}
    items = [item(domain="vm1", **given), item(domain="vm2", source="/srv//data/", **given)]
    warned = [each for each in plan_for_all(domains, items, options(), host()).warnings if "is shared with" in each]
    assert len(warned) == (sentence is not None)
    assert sentence is None or sentence in warned[0]


def test_another_driver_of_libvirt_loses_nothing_with_a_first_share() -> None:
    assert warnings.first_share("vm1", host(driver="TEST", libvirt=(9, 0, 0))) is None


def test_the_c_daemon_does_not_tell_the_guest_of_what_is_mounted_below() -> None:
    directories = {"/srv/data": Directory(submounts=("/srv/data/a", "/srv/data/b"))}
    told = warnings.submounts(item(), host(virtiofsd=C, directories=directories))
    assert told is not None
    assert "/srv/data/a, /srv/data/b below /srv/data is another filesystem" in told
    assert warnings.submounts(item(), host(directories=directories)) is None
    assert warnings.submounts(item(), host(virtiofsd=C)) is None
