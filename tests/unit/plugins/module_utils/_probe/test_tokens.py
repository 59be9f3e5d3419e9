# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a token follows from its nonce."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._probe import tokens
from ansible_collections.virtio.fs.plugins.module_utils._probe.directory import NAME, Unproven
from ansible_collections.virtio.fs.plugins.module_utils._probe.tokens import content


@given(st.text(max_size=8), st.integers(0, 200_000))
def test_the_content_of_a_token_has_its_size_and_follows_from_the_nonce(nonce: str, size: int) -> None:
    made = b"".join(content(nonce, size))
    assert len(made) == size
    assert made == b"".join(content(nonce, size))
    if size > 16:
        assert made != b"".join(content(nonce + "x", size))
        assert made[:16] != made[-16:] or size < 32


def test_a_token_of_another_run_is_no_proof(tmp_path: Path) -> None:
    written = tokens.write(str(tmp_path), "n", 100)
    assert tokens.check(str(tmp_path), "n", 100)["sha256"] == written["sha256"]
    (tmp_path / NAME / "n").rename(tmp_path / NAME / "m")
    with pytest.raises(Unproven, match="was not written by a probe with this nonce"):
        tokens.check(str(tmp_path), "m", 100)
    (tmp_path / NAME / "m").rename(tmp_path / NAME / "n")
    with pytest.raises(Unproven, match="has 100 bytes, and should have 99"):
        tokens.check(str(tmp_path), "n", 99)
    assert tokens.clean(str(tmp_path), "n") == {"removed": 1}


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    tokens.write(str(tmp_path), "n", 100_000)
    with (tmp_path / NAME / "n").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"?")
    with pytest.raises(Unproven, match="the content differs from what was written"):
        tokens.check(str(tmp_path), "n", None)
