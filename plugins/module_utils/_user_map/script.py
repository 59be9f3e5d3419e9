# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that starts a virtiofsd with a map of users. Pure.

A virtiofsd that runs as root refuses C(--uid-map), which is all that libvirt's <idmap> gives it ("uid_map can only be
used by unprivileged user", virtiofsd 1.13). C(--translate-uid) works for root (virtiofsd 1.13, README, section
Options), and libvirt has no element for it. So the daemon is started through a small script that adds the options,
and the share names that script as its binary.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import IDS, NOBODY, Pair, Wanted

_SCRIPT = """\
#!/bin/sh
# Written by the Ansible collection virtio.fs. The name is a checksum of the content: another map is another file,
# so a running domain keeps the one that it was started with.
exec {daemon} {options} "$@"
"""


def scripts(daemon: str, wanted: Wanted) -> dict[str, tuple[str, str]]:
    """Where the script of each map belongs, and its text, by name; a map without users has none."""
    texts = {each.name: script(daemon, each.users, each.groups) for each in wanted.maps if each.users}
    return {name: (place(wanted.directory, text), text) for name, text in texts.items()}


def script(daemon: str, users: Sequence[Pair], groups: Sequence[Pair]) -> str:
    """The text of the script that starts this daemon with this map."""
    options = [f"--translate-uid={each}" for each in translations(users)]
    options += [f"--translate-gid={each}" for each in translations(groups)]
    return _SCRIPT.format(daemon=shlex.quote(daemon), options=" ".join(options))


def place(directory: str, text: str) -> str:
    """Where the script belongs."""
    return f"{directory}/virtiofsd-map-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def translations(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The translations for virtiofsd, so that every id is either in the map or of no use.

    Root of the guest can become every user of the guest, so it gets no more than the first of them has. Every other
    id of the guest is forbidden, and every other id of the hypervisor is shown as nobody.
    """
    asked = [*pairs]
    if not any(pair.guest == 0 for pair in pairs):
        asked.append(Pair(0, pairs[0].host))
    options = []
    shown: set[int] = set()
    for pair in asked:
        # Two users of the guest can be one of the hypervisor, which the guest then sees as the first of them.
        options.append(f"{'guest' if pair.host in shown else 'map'}:{pair.guest}:{pair.host}:1")
        shown.add(pair.host)
    options += [f"forbid-guest:{start}:{count}" for start, count in _gaps({pair.guest for pair in asked})]
    options += [f"squash-host:{start}:{NOBODY}:{count}" for start, count in _gaps(shown)]
    return tuple(options)


def _gaps(taken: Iterable[int]) -> list[tuple[int, int]]:
    """What is left of all ids, as starts and lengths."""
    left = []
    start = 0
    for number in [*sorted(taken), IDS]:
        if number > start:
            left.append((start, number - start))
        start = number + 1
    return left
