# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether QEMU has the device, as libvirt's capabilities tell."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.capabilities import has_virtiofs


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("", None),
        ("<domainCapabilities><devices/></domainCapabilities>", None),
        ("<domainCapabilities><devices><filesystem supported='no'/></devices></domainCapabilities>", False),
        (
            "<domainCapabilities><devices><filesystem supported='yes'><enum name='driverType'><value>path</value>"
            "</enum></filesystem></devices></domainCapabilities>",
            False,
        ),
        (
            "<domainCapabilities><devices><filesystem supported='yes'><enum name='driverType'><value>path</value>"
            "<value>virtiofs</value></enum></filesystem></devices></domainCapabilities>",
            True,
        ),
    ],
)
def test_whether_this_qemu_has_the_device(xml: str, expected: bool | None) -> None:
    assert has_virtiofs(xml) is expected
