# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unit that attaches an image at boot, as text. What systemd makes of it is in the integration tests."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._partition.image_unit import unit_name, unit_text


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("data", "virtiofs-image-data.service"),
        ("a_b.c:d", "virtiofs-image-a_b.c:d.service"),
        ("a-b@c+d", "virtiofs-image-a\\x2db\\x40c\\x2bd.service"),
    ],
)
def test_two_labels_never_share_a_unit(label: str, name: str) -> None:
    assert unit_name(label) == name


def test_a_path_is_quoted_for_systemd() -> None:
    lines = unit_text('/srv/a b/100%u $HOME \\"x.img', "data", "/sbin/losetup").splitlines()
    assert 'RequiresMountsFor="/srv/a b/100%%u $HOME \\\\\\"x.img"' in lines
    assert 'ExecStart=/sbin/losetup --find --nooverlap "/srv/a b/100%%u $$HOME \\\\\\"x.img"' in lines
