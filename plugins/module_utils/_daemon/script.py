# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A script that starts virtiofsd with what libvirt has no element for, and that a share names as its binary. Pure.

Its name is a checksum of what is asked for, in the words of the list: the options, and users by the names that were
given. So two hypervisors have one name for the same request, whatever numbers their users have and wherever their
virtiofsd is, as a migration needs it. libvirt appends its own options, asks the script for ``--print-capabilities``
too, and of an option that is there twice virtiofsd takes the last.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, USERS, UserPair
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share

# AppArmor's profile of libvirt in Debian and Ubuntu lets it start programs in /usr/bin and /usr/sbin.
DIRECTORY = "/usr/sbin"

NAME = "virtiofsd-with-"
_WORDS = "# virtio.fs: "

_TEXT = """\
#!/bin/sh
# Written by the Ansible collection virtio.fs for shares that name it as their <binary>, and taken away when none does.
{words}
exec {command} "$@"
"""


@dataclass(frozen=True)
class Script:
    """``options`` of the table as a share has them; ``daemon`` is None for the one that libvirt would take."""

    options: Mapping[str, Any]
    daemon: str | None = None

    @property
    def words(self) -> str:
        """What is asked for, on one line of ASCII."""
        options = {name: _plain(value) for name, value in self.options.items()}
        return json.dumps({"daemon": self.daemon, "options": options}, sort_keys=True)

    def place(self, directory: str) -> str:
        """Where it belongs."""
        return f"{directory}/{NAME}{hashlib.sha256(self.words.encode()).hexdigest()[:16]}"

    def text(self, daemon: str, arguments: Sequence[str]) -> str:
        """The script that starts this daemon with these arguments."""
        command = " ".join(shlex.quote(word) for word in (daemon, *arguments))
        return _TEXT.format(words=_WORDS + self.words, command=command)


@dataclass(frozen=True)
class Found:
    """A script of ours on this machine. ``safe``: it is root's, and nobody else can write to it."""

    script: Script
    text: str
    safe: bool = True


def is_name(path: str) -> bool:
    """Whether a file of that name can be ours."""
    return path.rpartition("/")[2].startswith(NAME)


def parse(path: str, text: str) -> Script | None:
    """What the script at a path asks for; None where it is not ours, or was changed by hand."""
    words = next((line[len(_WORDS) :] for line in text.splitlines()[:5] if line.startswith(_WORDS)), None)
    if words is None or not is_name(path):
        return None
    try:
        given = json.loads(words)
        options = {name: _value(name, value) for name, value in given["options"].items()}
        script = Script(options, given["daemon"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return script if script.place(path.rpartition("/")[0]) == path else None


def expanded(share: Share, scripts: Mapping[str, Found]) -> Share:
    """The share with the options that its script gives to virtiofsd, and with the daemon that it starts."""
    found = scripts.get(share.binary) if share.binary else None
    if found is None:
        return share
    script = found.script
    known = {name: value for name, value in script.options.items() if name in BY_NAME}
    return share.but(binary=script.daemon, **known)


def differing(one: Script | None, other: Script | None) -> tuple[str, ...]:
    """The options that two scripts do not have alike, in the order of the table."""
    first, second = ({} if each is None else each.options for each in (one, other))
    return tuple(name for name in BY_NAME if first.get(name) != second.get(name))


def _plain(value: Any) -> Any:
    return [[pair.guest, pair.host] for pair in value] if isinstance(value, tuple) else value


def _value(name: str, value: Any) -> Any:
    if name in BY_NAME and BY_NAME[name].kind is USERS:
        return tuple(UserPair(int(guest), str(host)) for guest, host in value)
    return value
