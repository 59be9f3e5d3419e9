# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes as people write them, and places on a disk."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._block import sizes as room
from ansible_collections.virtio.fs.plugins.module_utils._block.sizes import MIB, Extent, Size
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100GiB", Size(absolute=100 * GIB)),
        ("100G", Size(absolute=100 * GIB)),
        ("100 gib", Size(absolute=100 * GIB)),
        ("1.5GiB", Size(absolute=1536 * MIB)),
        ("1500KiB", Size(absolute=2 * MIB)),
        ("2T", Size(absolute=2048 * GIB)),
        ("25%", Size(percent=Fraction(25))),
        ("33.3 %", Size(percent=Fraction(333, 10))),
        ("100%", Size(percent=Fraction(100))),
        ("rest", Size(rest=True)),
        (" REST ", Size(rest=True)),
    ],
)
def test_sizes(text: str, size: Size) -> None:
    assert room.parse(text) == size


@pytest.mark.parametrize("text", ["", "0", "0G", "0%", "101%", "-1G", "100", "100GB", "100B", "ten", "1G 2G", "1e3G"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(VirtiofsError, match=r"size|%|zero"):
        room.parse(text)


@pytest.mark.parametrize("text", ["8192P", "9" * 400 + "P"])
def test_what_no_disk_can_have(text: str) -> None:
    with pytest.raises(VirtiofsError, match="more than any file or disk can have"):
        room.parse(text)


@pytest.mark.parametrize(
    ("size", "words"),
    [(100 * GIB, "100 GiB"), (1536 * MIB, "1.5 GiB"), (62 * MIB, "62 MiB"), (10, "10 bytes"), (0, "0 bytes")],
)
def test_words(size: int, words: str) -> None:
    assert room.in_words(size) == words


@pytest.mark.parametrize(("sector", "end"), [(512, 63 * MIB), (4096, 63 * MIB)])
def test_both_ends_are_kept_for_the_table(sector: int, end: int) -> None:
    assert room.usable(64 * MIB, sector) == Extent(MIB, end - MIB)


def test_gaps_are_aligned() -> None:
    odd = Extent(10 * MIB + 512, 5 * MIB + 7)
    assert room.free(64 * MIB, 512, [odd]) == [Extent(MIB, 9 * MIB), Extent(16 * MIB, 47 * MIB)]


def test_the_first_gap_with_room_is_taken_and_the_rest_is_the_largest() -> None:
    taken = [Extent(10 * MIB, 10 * MIB), Extent(40 * MIB, 4 * MIB)]
    wants = [("a", Size(absolute=15 * MIB)), ("b", Size(absolute=5 * MIB)), ("c", Size(rest=True))]
    placed = room.allocate("/dev/x", 64 * MIB, 512, taken, wants)
    assert placed == {
        "a": Extent(20 * MIB, 15 * MIB),
        "b": Extent(MIB, 5 * MIB),
        "c": Extent(44 * MIB, 19 * MIB),
    }


def test_too_little_space_is_an_error_with_the_numbers() -> None:
    words = "b, size: /dev/x has no room for 60 MiB: its largest free space is 46 MiB"
    with pytest.raises(VirtiofsError, match=words):
        room.allocate("/dev/x", 64 * MIB, 512, [], [("a", Size(absolute=16 * MIB)), ("b", Size(absolute=60 * MIB))])


@given(
    st.integers(8, 4096),
    st.sampled_from([512, 4096]),
    st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 500)), max_size=6),
    st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_nothing_ever_overlaps(mib: int, sector: int, taken: list[tuple[int, int]], wants: list[int]) -> None:
    theirs = [Extent(start * MIB + 512, size * 1000) for start, size in taken]
    sizes = [(str(number), Size(absolute=want * MIB)) for number, want in enumerate(wants)]
    try:
        placed = room.allocate("/dev/x", mib * MIB, sector, theirs, sizes)
    except VirtiofsError:
        return
    ours = list(placed.values())
    for extent in ours:
        assert extent.start % MIB == extent.size % MIB == 0
        assert extent.start >= MIB
        assert extent.end <= mib * MIB - 34 * 512
        for other in [*theirs, *ours]:
            assert other is extent or other.end <= extent.start or other.start >= extent.end
