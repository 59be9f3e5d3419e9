# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What mount(8) and the kernel say becomes the sentence that a person needs."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._mount_steps import _why_not_mounted, no_such_tag

# mount(8) 2.38 and Linux 6.1; mount(8) 2.41 and Linux 6.12.
_OLD = "mount: /mnt: wrong fs type, bad option, bad superblock on data, missing codepage or helper program"
_NEW = "mount: /mnt: fsconfig() failed: virtiofs: Unknown parameter 'nonsense'"


@pytest.mark.parametrize(("said", "log"), [(_OLD, ["virtiofs: Unknown parameter 'nonsense'"]), (_NEW, [])])
def test_an_option_that_the_kernel_does_not_know(said: str, log: list[str]) -> None:
    sentence = _why_not_mounted("data", "/mnt", said, log)
    assert sentence == "cannot mount data on /mnt: the kernel does not know the option 'nonsense'"


def test_a_tag_that_is_not_there() -> None:
    log = ["something else", "virtio-fs: tag <data> not found"]
    assert _why_not_mounted("data", "/mnt", _OLD, log).startswith("there is no share with the tag data in this guest")


def test_what_is_not_understood_is_passed_on() -> None:
    assert _why_not_mounted("data", "/mnt", "mount: /mnt: out of memory", []).endswith("mount: /mnt: out of memory")


def test_the_tags_that_are_there_are_named_where_the_kernel_tells() -> None:
    assert "only a, b: add the share" in no_such_tag("x", frozenset({"b", "a"}))
    assert "nor any other" in no_such_tag("x", frozenset())
    assert "does not tell" in no_such_tag("x", None)
