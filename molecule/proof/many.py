# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten shares of one guest: files through all of them, in one round trip for each turn."""

from __future__ import annotations

from .machine import Machine

NUMBERS = tuple(range(10))
TAGS = tuple(f"many{number}" for number in NUMBERS)
HOST = "/srv/proof/many{}"
GUEST = "/srv/many/{}"
# One of 4 MiB and twenty small ones, in each share.
FILES = 21

_WRITE = """\
set -e
for share in 0 1 2 3 4 5 6 7 8 9; do
    mkdir -p {pattern}/from_{side} && cd {pattern}/from_{side}
    head -c 4194304 /dev/urandom >big
    i=0; while [ $i -lt 20 ]; do echo "{side} $share $i" >$i; i=$((i + 1)); done
    sync .
done
"""
_SUMS = """\
for share in 0 1 2 3 4 5 6 7 8 9; do
    cd {pattern}/from_{side} && find . -type f -exec b2sum {{}} + | sed "s/^/$share /"
done
"""


def write(machine: Machine, pattern: str, side: str) -> dict[int, dict[str, str]]:
    """Write into every share; the checksums by share and file name."""
    return _sums(machine.check(_shell(_WRITE + _SUMS, pattern, side), 300))


def read(machine: Machine, pattern: str, side: str) -> dict[int, dict[str, str]]:
    """The checksums of what a side has written, as this machine sees it."""
    return _sums(machine.check(_shell(_SUMS, pattern, side), 300))


def _shell(text: str, pattern: str, side: str) -> str:
    return text.format(pattern=pattern.format("$share"), side=side)


def _sums(text: str) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in NUMBERS}
    for line in text.splitlines():
        share, checksum, name = line.split(None, 2)
        found[int(share)][name] = checksum
    return found
