# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be asked of a probe, and what it says in the end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import Probe, wanted


def _one(**item: Any) -> Probe:
    (probe,) = wanted({"timeout": 60, "probes": [{"path": "/srv/x", "action": "write", "nonce": "n", **item}]})
    return probe


@pytest.mark.parametrize(
    "nonce",
    ["../x", "a/b", ".", "..", ".hidden", "", "a b", "a\n", "a\x00", "ä", "x" * 129, "/etc/passwd", "$(reboot)"],
)
@pytest.mark.parametrize("action", ["write", "check"])
def test_a_nonce_cannot_leave_the_directory(nonce: str, action: str) -> None:
    with pytest.raises(VirtiofsError, match=rf"^probes, {action} '/srv/x', nonce: (.* must be|it is required)"):
        _one(nonce=nonce, action=action)


@given(st.text())
def test_whatever_nonce_is_accepted_is_a_plain_name(nonce: str) -> None:
    try:
        name = _one(nonce=nonce).nonce
    except VirtiofsError:
        return
    assert name
    assert "/" not in name
    assert not name.startswith(".")
    assert name.isascii()
    assert name.isprintable()


@pytest.mark.parametrize("path", ["srv/x", "/srv/../etc", "", "/a\nb"])
def test_a_path_must_be_absolute_and_plain(path: str) -> None:
    with pytest.raises(VirtiofsError, match=r"^probes, write .*, path: it "):
        _one(path=path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("1", 1), ("10B", 10), ("64K", 65536), ("64KiB", 65536), ("3 MiB", 3 << 20), ("1G", 1 << 30)],
)
def test_sizes_are_binary(text: str, size: int) -> None:
    assert _one(size=text).size == size


@pytest.mark.parametrize("text", ["", "-1", "1.5M", "1T", "many", "9999999G"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(VirtiofsError, match=r"^probes, write '/srv/x', size: "):
        _one(size=text)


def test_sizes_left_out() -> None:
    assert (_one().size, _one(action="measure").size, _one(action="check").size) == (64 << 10, 64 << 20, 0)


def test_readonly_goes_with_write_only() -> None:
    assert _one(readonly=True).readonly
    with pytest.raises(VirtiofsError, match=r"^probes, check .*, readonly: it is for write"):
        _one(readonly=True, action="check")


def test_the_time_limit_is_at_least_a_second() -> None:
    with pytest.raises(VirtiofsError, match=r"^timeout: it must be at least 1, not 0$"):
        wanted({"timeout": 0, "probes": []})
