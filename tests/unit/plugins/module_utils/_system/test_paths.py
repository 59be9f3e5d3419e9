# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import (
    normalized,
    problem_with_mount_path,
    problem_with_path,
    symlink_in,
    system_directories,
    within,
)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/srv/data", "/srv/data"),
        ("/srv/data/", "/srv/data"),
        ("//srv//./data", "/srv/data"),
        ("/", "/"),
        ("//", "/"),
        ("//srv//a/", "/srv/a"),
        ("/srv/../x", "/x"),
        ("/../x", "/x"),
        ("srv/", "srv"),
    ],
)
def test_one_spelling_for_one_path(path: str, plain: str) -> None:
    assert normalized(path) == plain


@given(st.text(alphabet="/.a ", max_size=20))
def test_normalizing_twice_is_normalizing_once(path: str) -> None:
    assert normalized(normalized(path)) == normalized(path)


@given(st.text(alphabet="/.a ", max_size=20).map(lambda tail: "/" + tail))
def test_an_absolute_path_stays_absolute_with_one_slash(path: str) -> None:
    plain = normalized(path)
    assert plain.startswith("/")
    assert not plain.startswith("//")


def test_within_is_by_component() -> None:
    assert within("/srv/data", "/srv")
    assert within("/srv", "/srv")
    assert within("/srv", "/")
    assert not within("/srvdata", "/srv")
    assert not within("/srv", "/srv/data")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "is empty"),
        ("srv/data", "is not an absolute path"),
        ("/srv/../etc", "contains '..'"),
        ("/srv/a\nb", "contains a control character"),
        ("/srv/a\tb", "contains a control character"),
        ("/srv/a\x00b", "contains a control character"),
        ("/srv/a\x7fb", "contains a control character"),
    ],
)
def test_a_path_that_no_careful_person_writes_is_refused(path: str, problem: str) -> None:
    assert problem_with_path(path) == problem
    assert problem_with_mount_path(path) == problem


@pytest.mark.parametrize("path", [*sorted(system_directories), "/usr/", "//etc", "/var/./lib"])
def test_nothing_is_mounted_over_a_system_directory(path: str) -> None:
    assert "hide" in (problem_with_mount_path(path) or "")


@pytest.mark.parametrize("path", ["/proc/data", "/sys/fs/data", "/dev/data"])
def test_nothing_is_mounted_in_a_tree_of_the_kernel(path: str) -> None:
    assert "kernel" in (problem_with_mount_path(path) or "")


@pytest.mark.parametrize("path", ["/mnt", "/home", "/srv", "/srv/data", "/var/lib/data", "/srv/..data", "/a b#\\040"])
def test_these_are_good_mount_points(path: str) -> None:
    assert problem_with_mount_path(path) is None


def test_the_first_symlink_is_named(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(real)
    (real / "dangling").symlink_to(tmp_path / "nowhere")

    assert symlink_in(str(real / "below")) is None
    assert symlink_in(str(tmp_path / "link" / "below")) == str(tmp_path / "link")
    assert symlink_in(str(real / "dangling")) == str(real / "dangling")


def test_what_does_not_exist_is_no_symlink(tmp_path: Path) -> None:
    assert symlink_in(str(tmp_path / "new" / "newer")) is None


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VirtiofsError, match="Not a directory"):
        symlink_in(str(tmp_path / "file" / "below"))
