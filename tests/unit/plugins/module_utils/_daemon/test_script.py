# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that a share has as its binary: what it says, what its name depends on, and what is read from it again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import (
    NAME,
    Found,
    Script,
    differing,
    expanded,
    is_name,
    parse,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import UserPair
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share

ALICE = (UserPair(1000, "alice"),)
SCRIPT = Script({"map_users": ALICE, "direct_io": True})
PLACE = SCRIPT.place("/usr/sbin")


def test_it_starts_the_daemon_with_the_options_before_those_of_libvirt() -> None:
    text = SCRIPT.text("/opt/a b/virtiofsd", ["--allow-direct-io", "--xattrmap=a 'b' $(c)"])
    assert text.startswith("#!/bin/sh\n")
    assert text.endswith("""\nexec '/opt/a b/virtiofsd' --allow-direct-io '--xattrmap=a '"'"'b'"'"' $(c)' "$@"\n""")


def test_its_name_depends_on_what_is_asked_for_and_not_on_this_machine() -> None:
    assert PLACE.startswith("/usr/sbin/" + NAME)
    assert Script({"direct_io": True, "map_users": ALICE}).place("/usr/sbin") == PLACE
    others = [
        Script({"map_users": (UserPair(1000, "bob"),), "direct_io": True}),
        Script({"map_users": ALICE}),
        Script(SCRIPT.options, "/opt/virtiofsd"),
    ]
    assert len({PLACE, *(other.place("/usr/sbin") for other in others)}) == 4


@pytest.mark.parametrize("daemon", [None, "/opt/v\nexec evil", "/opt/\udc80"])
@pytest.mark.parametrize("xattr_map", [":map::user.virtiofs.:", "\n# virtio.fs: {}", "\u2028"])
def test_what_is_written_is_read_again(daemon: str | None, xattr_map: str) -> None:
    script = Script({"xattr_map": xattr_map, "map_users": ALICE, "migration_on_error": "abort"}, daemon)
    path = script.place("/usr/sbin")
    assert parse(path, script.text("/usr/libexec/virtiofsd", ["-x"])) == script


@given(st.text())
def test_words_of_the_list_never_start_a_line_of_their_own(text: str) -> None:
    assert Script({"xattr_map": text}, text).words.isascii()
    assert "\n" not in Script({"xattr_map": text}, text).words


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (PLACE, "#!/bin/sh\nexec virtiofsd\n"),
        (PLACE, "# virtio.fs: {"),
        (PLACE, "# virtio.fs: []"),
        (PLACE, '# virtio.fs: {"daemon": null, "options": {"map_users": [[1]]}}'),
        ("/usr/sbin/other", SCRIPT.text("/v", [])),
        (PLACE[:-1] + "x", SCRIPT.text("/v", [])),
        (PLACE, SCRIPT.text("/v", []).replace("alice", "mallory")),
    ],
)
def test_what_is_not_ours_or_was_changed_is_not_taken_for_ours(path: str, text: str) -> None:
    assert parse(path, text) is None


def test_a_share_with_a_script_has_its_options() -> None:
    scripts = {PLACE: Found(Script({**SCRIPT.options, "of_tomorrow": 1}, "/opt/v"), "")}
    share = expanded(Share("data", "/srv", binary=PLACE, queue=256), scripts)
    assert share == Share("data", "/srv", binary="/opt/v", queue=256, direct_io=True, map_users=ALICE)
    assert expanded(Share("data", binary="/opt/v"), scripts) == Share("data", binary="/opt/v")
    assert expanded(Share("data"), scripts) == Share("data")


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        (None, None, ()),
        (None, SCRIPT, ("map_users", "direct_io")),
        (SCRIPT, Script({"map_users": ALICE}), ("direct_io",)),
        (Script({"posix_acl": "always"}), Script({"posix_acl": "auto"}), ("posix_acl",)),
    ],
)
def test_what_two_scripts_do_not_have_alike(one: Any, other: Any, names: tuple[str, ...]) -> None:
    assert differing(one, other) == names


def test_a_name_tells_whether_a_file_can_be_ours() -> None:
    assert is_name(PLACE)
    assert not is_name(f"/usr/{NAME}/virtiofsd")
