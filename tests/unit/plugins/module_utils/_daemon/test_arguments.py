# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofsd is told of each option, and what is refused because this one cannot."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.arguments import arguments, problem
from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import (
    OF_DAEMON,
    SHARE_OPTIONS,
    UserPair,
)
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

GRADED = frozenset({"posix-acl-negotiation-mode", "security-label-negotiation-mode"})


def told(arguments: Any) -> str:
    return "\n".join(f"      {each}\n          Does it" for each in arguments)


# As --help prints its arguments; what is behind one is its text until the next.
HELP = (
    told(
        [
            *sorted({option.argument for option in SHARE_OPTIONS if option.argument} - {"--cache", "--migration-mode"}),
            "--cache <CACHE>\n          (auto, always, never, metadata)",
            "--migration-mode <MODE>\n          - find-paths: a\n          - file-handles: b",
        ]
    )
    .replace("--inode-file-handles", "--inode-file-handles=<N>  never, prefer, mandatory")
    .replace("--log-level", "--log-level <N>  debug")
    .replace("--migration-on-error", "--migration-on-error <N>  abort, guest-error")
)
OLD = Virtiofsd("/v", "rust", (1, 13, 2), frozenset(), HELP)
NEW = Virtiofsd("/v", "rust", (1, 14, 0), GRADED, HELP)
BARE = Virtiofsd("/v", "rust", (1, 5, 0), frozenset(), told(["--xattr", "--cache <C> (auto, always, never)"]))
ALICE = (UserPair(1000, "alice"),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"direct_io": True}, ["--allow-direct-io"]),
        ({"announce_submounts": False, "readdirplus": False}, ["--no-announce-submounts", "--no-readdirplus"]),
        ({"cache": "metadata"}, ["--cache=metadata"]),
        ({"xattr_map": ":map::user.:"}, ["--xattrmap=:map::user.:"]),
        ({"inode_file_handles": "never"}, ["--inode-file-handles=never"]),
        ({"map_users": ALICE}, []),
    ],
)
def test_what_virtiofsd_is_told(options: dict[str, Any], words: list[str]) -> None:
    assert arguments(options, OLD) == (*words, "--migration-on-error=guest-error")


def test_acls_are_a_yes_before_they_are_graded() -> None:
    assert arguments({"posix_acl": "always"}, OLD)[0] == "--posix-acl"
    assert arguments({"posix_acl": "auto"}, NEW)[0] == "--posix-acl=auto"
    assert arguments({"security_label": "always"}, NEW)[0] == "--security-label=always"


def test_a_saved_guest_starts_again_unless_it_is_said_otherwise() -> None:
    assert arguments({"migration_on_error": "abort"}, OLD) == ("--migration-on-error=abort",)
    assert arguments({}, BARE) == ()


def test_an_option_of_a_newer_version_is_not_dropped() -> None:
    with pytest.raises(Refused, match="a newer version of") as error:
        arguments({"of_tomorrow": True}, OLD)
    assert error.value.option == "of_tomorrow"


@pytest.mark.parametrize("name", OF_DAEMON)
def test_what_a_daemon_lacks_is_refused_by_name(name: str) -> None:
    option = next(one for one in SHARE_OPTIONS if one.name == name)
    found = problem({name: option.choices[-1] if option.choices else True}, BARE)
    assert found is not None
    assert found[0] == name
    assert found[1].startswith(f"virtiofsd 1.5.0 (/v) has no {option.argument}")
    if option.daemon_since:
        assert found[1].endswith(f", {'.'.join(map(str, option.daemon_since))} has")


@pytest.mark.parametrize(
    ("options", "daemon", "option", "words"),
    [
        ({"cache": "metadata"}, BARE, "cache", "has no --cache=metadata"),
        ({"posix_acl": "auto"}, OLD, "posix_acl", "has no 'auto' for it, virtiofsd 1.14 has"),
        ({"posix_acl": "always", "map_users": ALICE}, NEW, "posix_acl", "virtiofsd refuses it beside map_users"),
        ({"migration_mode": "file-handles"}, OLD, "migration_mode", "set it to 'prefer'"),
    ],
)
def test_what_cannot_be_had_together_or_here(options: Any, daemon: Virtiofsd, option: str, words: str) -> None:
    found = problem(options, daemon)
    assert found is not None
    assert (found[0], words in found[1]) == (option, True)


@pytest.mark.parametrize(
    ("options", "daemon"),
    [
        ({"posix_acl": "always"}, OLD),
        ({"posix_acl": "auto"}, NEW),
        ({"migration_mode": "file-handles"}, NEW),
        ({"migration_mode": "file-handles", "inode_file_handles": "prefer"}, OLD),
        ({"of_tomorrow": True}, OLD),
        ({"writeback": True, "xattr_map": "anything", "map_users": ALICE}, Virtiofsd("/v", "rust", (1, 0, 0))),
    ],
)
def test_the_rest_is_no_problem(options: Any, daemon: Virtiofsd) -> None:
    assert problem(options, daemon) is None
