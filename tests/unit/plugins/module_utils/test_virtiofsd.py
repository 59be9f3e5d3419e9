# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which daemon it is that answers, and which are asked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import RUST, C


@pytest.mark.parametrize(
    ("version", "capabilities", "expected"),
    [
        (
            "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright\n"
            "using FUSE kernel interface version 7.36\n",
            '{\n  "type": "fs"\n}\n',
            C,
        ),
        ("virtiofsd 1.13.2\n", '{"type": "fs", "features": ["migrate-precopy", "separate-options"]}', RUST),
        ("virtiofsd backend 1.4.0\n", "", _virtiofsd.Virtiofsd(RUST.path, "rust", (1, 4, 0))),
        ("something else 1.0\n", "", None),
    ],
)
def test_each_daemon_tells_what_it_is(version: str, capabilities: str, expected: Any) -> None:
    path = C.path if expected is C else RUST.path
    assert _virtiofsd.recognised(path, version, capabilities) == expected


def test_daemons_are_tried_in_the_order_of_their_announcement() -> None:
    texts = ['{"type": "gpu", "binary": "/gpu"}', "broken", '{"type": "fs", "binary": "/opt/virtiofsd"}']
    assert _virtiofsd.candidates(texts)[:2] == ["/opt/virtiofsd", _virtiofsd.USUAL_PATHS[0]]
