# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools that look for signatures say, as one name for each thing."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block import signatures


@pytest.mark.parametrize(
    ("blkid", "wipefs", "names"),
    [
        (["gpt"], ["PMBR", "gpt"], ["gpt"]),
        ([], ["PMBR", "gpt"], ["gpt"]),
        (["ext4"], ["ext4", "linux_raid_member"], ["ext4", "linux_raid_member"]),
        (["two or more that contradict each other"], ["ext4", "swap"], ["ext4", "swap"]),
        (["crypto_LUKS"], [], ["crypto_LUKS"]),
        ([], ["PMBR"], ["PMBR"]),
    ],
)
def test_one_name_for_each_thing(blkid: list[str], wipefs: list[str], names: list[str]) -> None:
    assert signatures.merged(blkid, wipefs) == names


def test_exported_values() -> None:
    text = "DEVNAME=/dev/x\nLABEL=sw\\ a\nTYPE=swap\n"
    assert signatures.parse_export(text) == {"DEVNAME": "/dev/x", "LABEL": "sw a", "TYPE": "swap"}
