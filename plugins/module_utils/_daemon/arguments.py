# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of a share -> what virtiofsd is told, and which of them this virtiofsd cannot do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, USERS, YES_NO, Option
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

# The option, and a sentence about it.
Problem = tuple[str, str]

# A saved guest starts again whatever became of its files, and only a lost file gives an error.
_ON_ERROR = BY_NAME["migration_on_error"]
_GUEST_ERROR = f"{_ON_ERROR.argument}=guest-error"

# 1.13.2 reopens by file handle only with rights that inode_file_handles brings; 1.14.0 has them.
_HANDLES_ALONE = (1, 14, 0)


def arguments(options: Mapping[str, Any], daemon: Virtiofsd) -> tuple[str, ...]:
    """What virtiofsd is told of these options, but of who is who.

    :raises Refused: an option is not in the table, as one of a newer version of the collection.
    """
    unknown = sorted(options.keys() - BY_NAME.keys())
    if unknown:
        raise Refused(unknown[0], "a newer version of virtio.fs has set it, and this one does not know it")
    told = []
    for name, option in BY_NAME.items():
        if name in options and option.argument and option.kind is not USERS:
            told.append(_argument(option, options[name], daemon))
    if "migration_on_error" not in options and daemon.knows(_ON_ERROR.argument, "guest-error"):
        told.append(_GUEST_ERROR)
    return tuple(told)


def _argument(option: Option, value: Any, daemon: Virtiofsd) -> str:
    if option.kind is YES_NO or (option.graded and option.graded not in daemon.features):
        return option.argument
    return f"{option.argument}={value}"


def problem(options: Mapping[str, Any], daemon: Virtiofsd) -> Problem | None:
    """What this virtiofsd cannot do of it, or refuses together."""
    return next(_problems(options, daemon), None)


def _problems(options: Mapping[str, Any], daemon: Virtiofsd) -> Iterator[Problem]:
    for name in options:
        option = BY_NAME.get(name)
        if option is None:
            continue
        value = options[name] if option.choices and not option.graded else None
        if not daemon.knows(option.argument, value):
            yield name, _missing(option, value, daemon)
        if option.graded and options[name] == "auto" and option.graded not in daemon.features:
            yield name, f"{daemon.name} has no 'auto' for it, virtiofsd 1.14 has; here it is 'always' or 'never'"
    if "posix_acl" in options and "map_users" in options:
        yield "posix_acl", "virtiofsd refuses it beside map_users: the users that an ACL names are not translated"
    by_handle = options.get("migration_mode") == "file-handles" and daemon.version < _HANDLES_ALONE
    if by_handle and options.get("inode_file_handles") not in ("prefer", "mandatory"):
        yield (
            "migration_mode",
            f"{daemon.name} opens nothing by its file handle without inode_file_handles: set it to 'prefer'",
        )


def _missing(option: Option, value: str | None, daemon: Virtiofsd) -> str:
    what = option.argument if value is None else f"{option.argument}={value}"
    since = option.daemon_since
    newer = "" if since is None else f", {'.'.join(map(str, since))} has"
    return f"{daemon.name} ({daemon.path}) has no {what}{newer}"
