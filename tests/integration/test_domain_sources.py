# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_domain sees at the sources of shares, also where nobody answers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.rules import check_sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


def test_sources_on_a_filesystem_that_does_not_answer(
    unresponsive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "ANSWER_SECONDS", 1.0)
    (tmp_path / "plain").mkdir()
    plain, behind = str(tmp_path / "plain"), [f"{unresponsive}/{number}" for number in range(50)]
    began = time.monotonic()
    found = sources.read_directories([plain, unresponsive, *behind])
    assert time.monotonic() - began < 5
    assert (found[plain].directory, found[plain].no_answer) == (True, None)
    sentence = f"{unresponsive} did not answer within 1 seconds"
    assert {found[path].no_answer for path in (unresponsive, *behind)} == {sentence}
    with pytest.raises(VirtiofsError, match=r"share data of domain vm1, source: .* did not answer within 1 seconds"):
        check_sources([Item("vm1", Share("data", behind[0]))], found)


def test_what_is_seen_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("directory")
    found = sources.read_directories(
        [f"{tmp_path}/{name}" for name in ("directory/", "file", "link", "none")] + ["/proc"]
    )
    seen = [(each.exists, each.directory, each.symlink is not None, each.mountpoint) for each in found.values()]
    assert seen == [
        (True, True, False, False),
        (True, False, False, False),
        (True, True, True, False),
        (False, False, False, False),
        (True, True, False, True),
    ]
