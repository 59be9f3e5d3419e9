# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain is found by its name and by its UUID."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import Gone, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_list import DomainList
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import UUID

_OTHER = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("name", ["vm1", UUID, UUID.upper(), UUID.replace("-", "")])
def test_a_domain_is_found_by_its_name_and_by_its_uuid(name: str) -> None:
    nobody: frozenset[str] = frozenset()
    listed = DomainList("qemu:///system", {UUID: 1, _OTHER: 2}, {"vm1": UUID, "vm2": _OTHER}, nobody, nobody, nobody)
    assert listed.uuid(name) == UUID
    for unknown in ("vm", "VM1", UUID[:-1], "*", ""):
        with pytest.raises(Gone, match="there is no domain"):
            listed.uuid(unknown)


def test_a_name_that_is_the_uuid_of_another_domain_is_refused() -> None:
    nobody: frozenset[str] = frozenset()
    listed = DomainList("qemu:///system", {UUID: 1, _OTHER: 2}, {UUID: _OTHER}, nobody, nobody, nobody)
    with pytest.raises(VirtiofsError, match="the name of one domain and the UUID of another"):
        listed.uuid(UUID)


def test_what_cannot_be_printed_is_quoted_in_the_message() -> None:
    nobody: frozenset[str] = frozenset()
    listed = DomainList("qemu:///system", {}, {}, nobody, nobody, nobody)
    with pytest.raises(Gone, match=r"there is no domain 'a\\nb' at qemu:///system"):
        listed.uuid("a\nb")
