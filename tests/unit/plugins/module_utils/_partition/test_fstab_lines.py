# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lines of fstab stay when one of several mounts fails."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Owner
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import (
    Line,
    Written,
    line_of,
    mounts,
    names,
    with_lines,
)

OTHERS = "# the machine's own\nUUID=1\t/\text4\tdefaults\t0\t1"


def line(label: str, path: str | None = None, options: tuple[str, ...] = ("rw",)) -> Line:
    return Line(label, Entry(f"LABEL={label}", path or f"/shared/{label}", "ext4", options))


ABC = (line("a"), line("b"), line("c"))
TEXT_OF_A = OTHERS + "\nLABEL=a /shared/a ext4 rw 0 0\n"


def written(before: str, *waiting: str, lines: tuple[Line, ...] = ABC) -> tuple[str, Written]:
    return with_lines(before, lines), Written(before, lines, {f"/shared/{name}" for name in waiting})


def test_nothing_is_mounted_so_all_is_as_before() -> None:
    now, lines = written(OTHERS, "a", "b", "c")
    assert now.count("LABEL=") == 3
    assert lines.rollback(now) == OTHERS


def test_what_is_mounted_keeps_its_line() -> None:
    now, lines = written(OTHERS, "b", "c")
    assert lines.rollback(now) == TEXT_OF_A


def test_a_line_that_somebody_wrote_for_the_same_mount_point_is_not_replaced() -> None:
    seen = Entry("LABEL=a", "/shared/a", "ext4", ("ro",))
    known = Line("a", line("a").entry, (seen,))
    assert known.written_to("LABEL=a /shared/a ext4 ro 0 0\n") == "LABEL=a /shared/a ext4 rw 0 0\n"
    with pytest.raises(VirtiofsError, match="a line for /dev/sdz1 on /shared/a/ to fstab in the meantime"):
        known.written_to("/dev/sdz1 /shared/a/ xfs rw 0 0\n")


def test_a_line_that_was_there_comes_back_in_its_place() -> None:
    before = "LABEL=b  /shared/b/  ext4  ro  0 2 # by hand\n" + OTHERS + "\n"
    now, lines = written(before, "b", "c")
    assert lines.rollback(now) == before + "LABEL=a /shared/a ext4 rw 0 0\n"


def test_a_mount_point_that_moved_moves_back() -> None:
    before = "LABEL=a /old ext4 rw 0 0\n"
    now, lines = written(before, "a", lines=(line("a"),))
    assert "/old" not in now
    assert lines.rollback(now) == before


@pytest.mark.parametrize("old", ["", "LABEL=b /shared/b ext4 ro 0 0\n", "LABEL=b /old ext4 ro 0 0\n"])
def test_another_line_that_somebody_wrote_meanwhile_stays(old: str) -> None:
    now, lines = written(old, "b", lines=(line("a"), line("b")))
    text = lines.rollback(now + "tmpfs /tmp tmpfs rw 0 0\n")
    assert sorted(text.splitlines()) == sorted(
        [*old.splitlines(), "LABEL=a /shared/a ext4 rw 0 0", "tmpfs /tmp tmpfs rw 0 0"]
    )


@pytest.mark.parametrize(
    ("spec", "is_its"),
    [
        ("LABEL=data", True),
        ("LABEL=other", False),
        ("PARTLABEL=data", True),
        ("UUID=AAAA", True),
        ("UUID=bbbb", False),
        ("PARTUUID=pppp", True),
        ("PARTUUID=aaaa", False),
        ("/dev/vdb1", True),
        ("/dev/disk/by-id/x-part1", True),
        ("/dev/vdc1", False),
        ("/dev/nowhere", False),
        ("/srv/data.img", False),
    ],
)
def test_a_line_is_of_a_filesystem_however_it_names_it(spec: str, is_its: bool) -> None:
    owner = Owner("LABEL", "/dev/vdb1", "254:1", "aaaa", "PPPP")
    devnums = {"/dev/disk/by-id/x-part1": "254:1", "/dev/vdc1": "254:33"}
    assert names(Entry(spec, "/shared/data", "ext4", ("rw",)), "data", owner, devnums) is is_its


def test_swap_of_the_label_mounts_nothing() -> None:
    assert not mounts(Entry("LABEL=data", "none", "swap", ("sw",)), "data")
    assert mounts(Entry("LABEL=data", "/srv", "ext4", ("rw",)), "data")


def test_the_line_of_the_mount_point_comes_before_one_of_the_label() -> None:
    moved, here = Entry("LABEL=data", "/old", "ext4", ("rw",)), Entry("UUID=1", "/shared/data", "ext4", ("rw",))
    assert line_of((moved, here), "data", "/shared/data") == here
    assert line_of((moved,), "data", "/shared/data") == moved
    assert line_of((moved,), "other", "/shared/other") is None
