# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a running domain is not what its definition says."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Found, Script
from ansible_collections.virtio.fs.plugins.module_utils._info.drift import Drift, drift, waiting
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import NEW, OLD, document, domain, filesystem

ONE = document(filesystem("one"))
NONE = document()
CACHED = document(filesystem("one", more="<binary><cache mode='always'/></binary>"))


@pytest.mark.parametrize(
    ("config", "live", "found"),
    [
        (ONE, ONE, ()),
        (ONE, None, ()),
        (ONE, NONE, (Drift("one", "config_only"),)),
        (NONE, ONE, (Drift("one", "live_only"),)),
        (CACHED, ONE, (Drift("one", "options", ("cache",)),)),
        (ONE, CACHED, (Drift("one", "options", ("cache",)),)),
    ],
)
def test_each_kind_of_drift(config: str, live: str | None, found: tuple[Drift, ...]) -> None:
    assert drift(domain(config, live), {}) == found


def test_what_a_script_tells_the_daemon_is_named_by_its_options() -> None:
    script = Script({"direct_io": True, "posix_acl": "always"})
    path = script.place("/usr/sbin")
    told = document(filesystem("one", more=f"<binary path='{path}'/>"))
    chosen = document(filesystem("one", more="<binary path='/usr/libexec/virtiofsd'/>"))
    scripts = {path: Found(script, "")}
    assert drift(domain(told, chosen), scripts) == (Drift("one", "options", ("posix_acl", "direct_io")),)


def test_the_daemon_that_libvirt_chose_is_no_drift() -> None:
    chosen = document(filesystem("one", more="<binary path='/usr/libexec/virtiofsd'/>"))
    assert drift(domain(ONE, chosen), {}) == ()
    assert drift(domain(chosen, ONE), {}) == (Drift("one", "options", ("binary",)),)


@pytest.mark.parametrize(("mounts", "code"), [({"one": "/mnt"}, ["mounted"]), ({}, []), (None, ["mount_unknown"])])
def test_what_waits_follows_the_rules_of_virtiofs_domain(mounts: Any, code: list[str]) -> None:
    assert [each.reason.code for each in waiting(domain(CACHED, ONE, mounts=mounts), NEW)] == code


def test_without_drift_nothing_waits_and_a_dead_daemon_always_does() -> None:
    assert waiting(domain(ONE, ONE, mounts={"one": "/mnt"}), OLD) == ()
    dead = waiting(domain(ONE, ONE, dead=("one",)), NEW)
    assert [(each.tag, each.reason.code) for each in dead] == [("one", "daemon_dead")]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Drift("one", "config_only"), "is in the definition, but not in the running machine"),
        (Drift("one", "live_only"), "is only in the running machine, and will be gone at its next start"),
        (Drift("one", "options", ("cache", "queue")), "runs with cache and queue different from its definition"),
    ],
)
def test_it_is_told_in_a_sentence(found: Drift, message: str) -> None:
    assert found.message == message
