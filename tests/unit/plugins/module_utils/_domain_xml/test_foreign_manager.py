# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains that another manager writes, known by their metadata."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.foreign_manager import manager_of


@pytest.mark.parametrize(
    ("metadata", "manager"),
    [
        ("<n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'/>", "OpenStack"),
        ("<v:vm xmlns:v='http://ovirt.org/vm/1.0'/>", "oVirt"),
        ("<k xmlns='http://kubevirt.io'/>", "KubeVirt"),
        ("<l:libosinfo xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'/>", None),
        ("<!-- a comment -->", None),
    ],
)
def test_a_manager_is_known_by_its_namespace(metadata: str, manager: str | None) -> None:
    assert manager_of(parse(f"<domain><metadata>{metadata}</metadata></domain>")) == manager


def test_a_domain_without_metadata_has_no_manager() -> None:
    assert manager_of(parse("<domain/>")) is None
