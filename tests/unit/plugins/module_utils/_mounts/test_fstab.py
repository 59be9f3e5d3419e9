# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""fstab text -> fstab text: our entry, and every other byte as it was."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import (
    Entry,
    entries,
    with_entry,
    without_entries,
)

OURS = Entry("LABEL=data", "/shared/data", "ext4", ("rw", "nosuid", "nofail"), 0, 2)
OUR_LINE = "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2\n"

NEIGHBOURS = """\
# /etc/fstab: static file system information.

UUID=1234\t/\text4\terrors=remount-ro\t0\t1   # the root
/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0
  tmpfs /tmp tmpfs
swap none swap sw
//nas/x /mnt/x cifs credentials=/etc/c,_netdev # no numbers
"""


def test_an_entry_is_appended_and_the_rest_stays() -> None:
    assert with_entry(NEIGHBOURS, OURS) == NEIGHBOURS + OUR_LINE


def test_the_same_entry_again_changes_nothing() -> None:
    once = with_entry(NEIGHBOURS, OURS)
    assert with_entry(once, OURS) == once


def test_an_entry_in_another_layout_is_left_as_it_is() -> None:
    text = "LABEL=data\t\t/shared//data/   ext4  rw,nosuid,nofail\t0 2 # mine\n"
    assert with_entry(text, Entry("LABEL=data", "/shared//data/", "ext4", OURS.options, 0, 2)) == text


def test_a_changed_entry_keeps_its_place_its_layout_and_its_comment() -> None:
    text = "# a\nLABEL=data\t/shared/data\text4\trw\t0\t2  # mine\n# b\n"
    assert with_entry(text, OURS) == ("# a\nLABEL=data\t/shared/data\text4\trw,nosuid,nofail\t0\t2  # mine\n# b\n")


@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        ("x /shared/data ext4", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2"),
        ("x /shared/data ext4 rw", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2"),
        ("x /shared/data ext4 rw 0", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2"),
        ("x /shared/data ext4 rw # why", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2 # why"),
        ("x /shared/data/ ext4 rw 0 0", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2"),
        ("x /shared/dat\\141 ext4 rw 0 0", "LABEL=data /shared/dat\\141 ext4 rw,nosuid,nofail 0 2"),
        ("x /shared/data ext4 rw 0 0\r", "LABEL=data /shared/data ext4 rw,nosuid,nofail 0 2\r"),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_every_form_of_the_line_is_recognised(line: str, replaced: str, end: str) -> None:
    if line.endswith("\r") and not end:
        line, replaced = line[:-1], replaced[:-1]
    assert with_entry("# a\n" + line + end, OURS) == "# a\n" + replaced + end


def test_a_missing_last_newline_does_not_join_two_lines() -> None:
    assert with_entry("tmpfs /tmp tmpfs", OURS) == "tmpfs /tmp tmpfs\n" + OUR_LINE


def test_lines_end_as_the_others_do() -> None:
    assert with_entry("tmpfs /tmp tmpfs\r\n", OURS) == "tmpfs /tmp tmpfs\r\n" + OUR_LINE.replace("\n", "\r\n")


def test_the_first_line_of_an_empty_file() -> None:
    assert with_entry("", OURS) == OUR_LINE


def test_a_second_line_for_the_same_mount_point_goes() -> None:
    text = "x /shared/data ext4\ntmpfs /tmp tmpfs\ny /shared/data/ xfs\n"
    assert with_entry(text, OURS) == OUR_LINE + "tmpfs /tmp tmpfs\n"


def test_a_comment_is_no_entry() -> None:
    text = "# LABEL=data /shared/data ext4 rw 0 0\n   # LABEL=data /shared/data ext4\n"
    assert with_entry(text, OURS) == text + OUR_LINE
    assert entries(text) == ()


def test_a_number_beyond_all_bounds_is_no_field() -> None:
    text = "LABEL=x /mnt/x ext4 rw " + "9" * 5000 + " 2\n"
    assert entries(text) == (Entry("LABEL=x", "/mnt/x", "ext4", ("rw",), 0, 0),)
    assert with_entry(text, OURS) == text + OUR_LINE


def test_removing_takes_only_what_matches() -> None:
    text = NEIGHBOURS.replace("swap none", "LABEL=data /shared/data ext4\nswap none")
    assert without_entries(text, lambda entry: entry.tag == ("LABEL", "data")) == NEIGHBOURS


def test_neighbours_are_read_with_their_fields() -> None:
    assert [(entry.spec, entry.path, entry.options, entry.dump, entry.passno) for entry in entries(NEIGHBOURS)] == [
        ("UUID=1234", "/", ("errors=remount-ro",), 0, 1),
        ("/dev/sr0", "/media/cdrom0", ("user", "noauto"), 0, 0),
        ("tmpfs", "/tmp", (), 0, 0),
        ("swap", "none", ("sw",), 0, 0),
        ("//nas/x", "/mnt/x", ("credentials=/etc/c", "_netdev"), 0, 0),
    ]


def test_blanks_tabs_and_backslashes_are_escaped() -> None:
    entry = Entry("my tag\t\\040", "/a b/c\\d", "virtiofs", ("x=a b",))
    line = with_entry("", entry)
    assert line == "my\\040tag\\011\\134040 /a\\040b/c\\134d virtiofs x=a\\040b 0 0\n"
    assert entries(line) == (entry,)


def test_a_comma_in_quotes_is_one_option() -> None:
    entry = Entry("t", "/a", "ext4", ("rw", 'context="u:r:t:s0:c1,c2"'))
    assert entries(with_entry("", entry)) == (entry,)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (Entry("t\nevil /x ext4", "/a", "virtiofs", ()), "newline"),
        (Entry("t", "/a\nb", "virtiofs", ()), "newline"),
        (Entry("t", "/a\r", "virtiofs", ()), "carriage return"),
        (Entry("t", "/a", "virtiofs", ("rw\n/dev/sda / ext4",)), "newline"),
        (Entry("t\0", "/a", "virtiofs", ()), "NUL"),
        (Entry("#t", "/a", "virtiofs", ()), "comment"),
        (Entry("", "/a", "virtiofs", ()), "source"),
        (Entry("t", "", "virtiofs", ()), "mount point"),
        (Entry("t", "a/b", "virtiofs", ()), "absolute"),
        (Entry("t", "/a", "virtiofs", ("ro,suid",)), "comma"),
        (Entry("t", "/a", "virtiofs", ('x="a',)), "quote"),
    ],
)
def test_what_cannot_be_written_safely_is_refused(entry: Entry, word: str) -> None:
    with pytest.raises(VirtiofsError, match=word):
        with_entry(NEIGHBOURS, entry)


@pytest.mark.parametrize(
    ("spec", "tag"),
    [
        ("LABEL=data", ("LABEL", "data")),
        ('LABEL="da ta"', ("LABEL", "da ta")),
        ("PARTUUID=1-2", ("PARTUUID", "1-2")),
        ("/dev/sda1", None),
        ("tag=x", None),
    ],
)
def test_tags_of_specs(spec: str, tag: tuple[str, str] | None) -> None:
    assert Entry(spec, "/a", "ext4", ()).tag == tag


@pytest.mark.parametrize(("path", "same"), [
    ("/a//b/", "/a/b"), ("/", "/"), ("none", "none"), ("/a/../b", "/b"), ("/./a/.", "/a"), ("/a/.b", "/a/.b"),
])  # fmt: skip
def test_spellings_of_a_mount_point(path: str, same: str) -> None:
    assert Entry("LABEL=a", path, "ext4", ()).mount_point == same


_BYTES = st.binary(max_size=400).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
_FIELD_TEXT = st.text(
    st.characters(blacklist_characters="\0\n\r", blacklist_categories=("Cs",)), min_size=1, max_size=20
).filter(lambda text: not text.startswith("#"))
_OPTION_TEXT = _FIELD_TEXT.filter(lambda text: "," not in text and '"' not in text)


@given(_BYTES)
def test_any_text_survives_a_removal_of_nothing(text: str) -> None:
    assert without_entries(text, lambda _entry: False) == text


@given(
    _BYTES,
    st.builds(
        Entry,
        _FIELD_TEXT,
        _FIELD_TEXT.map("/{}".format),
        _FIELD_TEXT,
        st.lists(_OPTION_TEXT, min_size=1, max_size=4).map(tuple),
    ),
)
@example("\r", Entry("LABEL=a", "/a", "ext4", ("defaults",)))
def test_any_entry_is_read_back_and_written_once(text: str, entry: Entry) -> None:
    if any(other.mount_point == entry.mount_point for other in entries(text)):
        return
    after = with_entry(text, entry)
    assert after.startswith(text)
    assert [other for other in entries(after) if other.mount_point == entry.mount_point] == [entry]
    assert with_entry(after, entry) == after
    removed = without_entries(after, lambda other: other == entry)
    assert removed in (text, text + "\n", text + "\r\n")
