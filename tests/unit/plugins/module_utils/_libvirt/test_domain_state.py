# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import DomainState, dotted
from ansible_collections.virtio.fs.tests.unit.domain_documents import VIRTIOFS, domain_xml

BOTH = Document(domain_xml(VIRTIOFS.format("one", "", "", "") + VIRTIOFS.format("two", "", "", "<boot order='1'/>")))
ONE = Document(domain_xml(VIRTIOFS.format("one", "", "", "")))


def test_a_version_is_written_with_dots() -> None:
    assert dotted((10, 5, 0)) == "10.5.0"


def test_definition_and_running_machine_are_kept_apart() -> None:
    state = DomainState("vm1", "uuid", config=ONE, live=BOTH)
    assert dict(state.config_shares) == {"one": Share("one", "/srv/one")}
    assert list(state.live_shares) == ["one", "two"]


def test_a_domain_that_is_off_has_nothing_live() -> None:
    assert DomainState("vm1", "uuid", config=ONE).live_shares == {}


def test_what_it_stands_on_is_looked_for_in_both() -> None:
    reason = {"two": "the domain boots from it (it has a boot order)"}
    assert DomainState("vm1", "uuid", config=ONE, live=BOTH).stands_on == reason
    assert DomainState("vm1", "uuid", config=BOTH).stands_on == reason
    assert DomainState("vm1", "uuid", config=ONE, live=ONE).stands_on == {}
