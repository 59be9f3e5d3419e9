# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A saved domain starts again: its image names daemons that go on when a file is lost, and keeps all else."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Found, Script
from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import RemoveScript, WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._domain import plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.managed_save import repair
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import RepairManagedSave
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Binaries
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    RUST,
    UUID,
    host,
    item,
    options,
    state,
    surroundings,
    with_shares,
)

DIRECTORY = "/usr/sbin"
STARTS = "--migration-on-error=guest-error"


def saved(binary: str | None = RUST.path) -> Document:
    return Document(with_shares("data", "media", options="" if binary is None else f"<binary path='{binary}'/>"))


def with_script(asked: dict[str, Any], *, text: str = f"exec /v {STARTS}\n", safe: bool = True) -> tuple[str, Host]:
    script = Script(asked)
    path = script.place(DIRECTORY)
    return path, host(scripts={path: Found(script, text, safe)})


@pytest.mark.parametrize(("binary", "daemon"), [(RUST.path, None), (None, None), ("/opt/v", "/opt/v")])
def test_each_share_gets_a_daemon_that_starts_again(binary: str | None, daemon: str | None) -> None:
    before = saved(binary)
    found = repair("vm1", before, host(), DIRECTORY)
    assert found is not None
    script = Script({"migration_on_error": "guest-error"}, daemon)
    assert (found.tags, found.scripts) == (("data", "media"), {script.place(DIRECTORY): script})
    named = {each.binary for each in share.shares_in(found.document.root).values()}
    assert named == {script.place(DIRECTORY)}
    tags = frozenset({"data", "media"})
    assert surroundings(found.document.text, tags) == surroundings(before.text, tags)


def test_what_its_script_tells_already_stays() -> None:
    path, on = with_script({"posix_acl": "always", "migration_on_error": "abort"}, text="exec /v\n")
    found = repair("vm1", saved(path), on, DIRECTORY)
    assert found is not None
    (script,) = found.scripts.values()
    assert script.options == {"posix_acl": "always", "migration_on_error": "guest-error"}


@pytest.mark.parametrize(("more", "repaired"), [({}, False), ({"safe": False}, True), ({"text": "exec /v\n"}, True)])
def test_an_image_that_starts_again_is_left_as_it_is(more: dict[str, Any], repaired: bool) -> None:
    path, on = with_script({"posix_acl": "always"}, **more)
    assert (repair("vm1", saved(path), on, DIRECTORY) is not None) is repaired


def test_a_daemon_of_others_and_an_image_without_shares_are_left() -> None:
    assert repair("vm1", Document(with_shares()), host(), DIRECTORY) is None
    socket = with_shares("data").replace("<source dir='/srv/data'/>", "<source socket='/run/x'/>")
    assert "socket" in socket
    assert repair("vm1", Document(socket), host(), DIRECTORY) is None


def test_a_daemon_that_cannot_is_named() -> None:
    old = Virtiofsd(RUST.path, "rust", (1, 10, 0), help="      --xattr")
    with pytest.raises(VirtiofsError, match=r"share data of domain vm1, migration_on_error: .* 1\.11\.0 has"):
        repair("vm1", saved(), host(virtiofsd=old), DIRECTORY)


def test_the_script_is_there_before_the_image_names_it_and_none_is_left_over() -> None:
    path, on = with_script({"posix_acl": "always", "migration_on_error": "abort"}, text="exec /v\n")
    found = repair("vm1", saved(path), on, DIRECTORY)
    assert found is not None
    (new,) = found.scripts
    chosen = options(repair_managed_save=True)
    items = (item("data"), item("media", "/srv/media"))
    domains = by_domain({"vm1": state(with_shares("data", "media"), managed_save=True)}, items, chosen, on)
    uses = {UUID: Binaries(saved=frozenset({path}))}
    planned = plan.plan(Wanted(items, chosen), State(domains, on, {new: "text"}, uses, {UUID: found}))
    assert [type(step) for step in planned.steps] == [WriteScript, RepairManagedSave, RemoveScript]
    assert planned.actions[1] == "have the managed save image of vm1 start although a file of data, media is lost"
    assert planned.steps[2].path == path
