# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that cannot be meant: each is named with its item, and nothing is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_lab import DiskLab, disk_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[DiskLab]:
    with disk_lab(tmp_path) as made:
        yield made


SHARE = "/srv/share"
ASKED_BADLY: tuple[tuple[dict[str, Any], str], ...] = (
    *(
        ({"label": label}, "use letters, digits")
        for label in ("a/b", "a\\b", 'a"b', "a'b", "a b", "a\nb", "a\x07b", "a\x7fb", "a\0b", "\u00e4", "#a", "-a")
    ),
    ({"label": ""}, "an empty label"),
    ({"label": "a" * 17}, "it has 17 bytes, ext4 keeps 16"),
    ({"label": "a" * 13, "fstype": "xfs"}, "it has 13 bytes, xfs keeps 12"),
    *(({"size": size}, "size: ") for size in ("0", "0MiB", "-1GiB", "0%", "101%", "lots", "5MiB")),
    *(({"path": path}, "system directory") for path in ("/", "//", "/etc", "/usr/", "/var/lib/.")),
    ({"path": "/proc/share"}, "belongs to the kernel"),
    ({"path": "srv/share"}, "is not an absolute path"),
    ({"path": "/srv/../etc"}, "contains '..'"),
    *(({"path": f"{SHARE}{character}x"}, "a control character") for character in "\n\t\r\0\x7f"),
    *(({"mount_options": [option]}, f"it needs allow_{option}: true") for option in ("suid", "dev")),
    ({"mount_options": ["rw,suid"]}, "is more than one option"),
    *(
        ({"mount_options": [option]}, "is empty or has a control character")
        for option in ("", f"rw 0 0\n/dev/sdz {SHARE} ext4 rw", "rw\0")
    ),
)


def test_what_is_asked_for_badly_changes_nothing(lab: DiskLab) -> None:
    item = {"label": lab.label(), "disk": lab.disk(16), "size": "8MiB", "overwrite": True}
    before = lab.snapshot()
    for changed, word in ASKED_BADLY:
        for check in (True, False):
            outcome = lab.run({**item, **changed}, check=check)
            assert outcome.failed, changed
            assert word in outcome.msg
    assert lab.snapshot() == before


def test_a_smaller_size_is_a_warning_and_with_grow_an_error(lab: DiskLab) -> None:
    disk = lab.disk()
    item = {"label": lab.label(), "disk": disk, "size": "32MiB"}
    lab.converged(item)
    smaller = lab.run({**item, "size": "16MiB"})
    assert (smaller.failed, smaller.changed) == (False, False)
    assert any("ever made smaller" in warning for warning in smaller.warnings)
    assert "ever made smaller" in lab.refused({**item, "size": "16MiB", "grow": True})
