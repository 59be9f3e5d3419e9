# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""I/O through a share in both directions: each side writes, and the other one reads, lists and compares checksums."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .machine import Machine

BIG = 64  # MiB
MANY = 200

_SUMS = "find . -type f -exec b2sum {{}} +"
# Without KVM a guest is slow at random numbers, at system calls and at SHA-2: so few numbers, large writes, BLAKE2.
_WRITE = f"""\
set -e
mkdir -p {{place}}/small && cd {{place}}
seed=$(mktemp)
dd if=/dev/urandom of=$seed bs=1M count=4 iflag=fullblock status=none
i=0; while [ $i -lt {BIG // 4} ]; do echo $i; cat $seed; i=$((i + 1)); done |
    dd of=big bs=1M iflag=fullblock status=none
rm $seed
i=0; while [ $i -lt {MANY} ]; do echo "{{side}} $i" >small/$i; i=$((i + 1)); done
echo '{{side}} and a name' >'small/with a space and ümlaut'
echo '{{side}} moves' >before_the_move
echo '{{side}} deletes' >doomed
sync .
{_SUMS}
"""
_READ = f"cd {{place}} && {_SUMS}"
_CHANGE = "cd {place} && mv before_the_move after_the_move && rm doomed"
# An entry that a guest knows may be up to a second old with the daemon's default cache.
_LIST = """\
cd {place} || exit
for try in 1 2 3 4 5 6 7 8 9 10; do
    [ -e before_the_move ] || [ -e doomed ] || ! [ -e after_the_move ] || break
    sleep 0.5
done
find . -type f
"""


@dataclass(frozen=True)
class OneWay:
    """What one side wrote, and what the other side saw of it; checksums by file name."""

    written: dict[str, str]
    read: dict[str, str]
    listed_after_changes: frozenset[str]

    @property
    def unlike(self) -> dict[str, tuple[str | None, str | None]]:
        """Files that the two sides do not agree about."""
        names = self.written.keys() | self.read.keys()
        pairs = {name: (self.written.get(name), self.read.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Exchange:
    """I/O through one share, both ways."""

    to_host: OneWay
    to_guest: OneWay


def exchange(host: Machine, host_path: str, guest: Machine, guest_path: str, timeout: int = 180) -> Exchange:
    """Write, read, rename, delete and list through one share. The files stay."""

    def on_both(job: Callable[[Machine, str, str], str]) -> tuple[str, str]:
        with ThreadPoolExecutor(2) as pool:
            on_host = pool.submit(job, host, host_path, "host")
            on_guest = pool.submit(job, guest, guest_path, "guest")
            return on_host.result(), on_guest.result()

    def other(side: str) -> str:
        return "guest" if side == "host" else "host"

    def write(one: Machine, path: str, side: str) -> str:
        return one.check(_WRITE.format(place=_place(path, side), side=side), timeout)

    def read(one: Machine, path: str, side: str) -> str:
        return one.sh(_READ.format(place=_place(path, other(side))), timeout).stdout

    def change(one: Machine, path: str, side: str) -> str:
        return one.check(_CHANGE.format(place=_place(path, side)), timeout)

    def listing(one: Machine, path: str, side: str) -> str:
        return one.sh(_LIST.format(place=_place(path, other(side))), timeout).stdout

    written_by_host, written_by_guest = on_both(write)
    read_by_host, read_by_guest = on_both(read)
    on_both(change)
    listed_by_host, listed_by_guest = on_both(listing)
    return Exchange(
        to_host=OneWay(_sums(written_by_guest), _sums(read_by_host), frozenset(listed_by_host.splitlines())),
        to_guest=OneWay(_sums(written_by_host), _sums(read_by_guest), frozenset(listed_by_guest.splitlines())),
    )


def contents(machine: Machine, path: str, timeout: int = 120) -> dict[str, str]:
    """The checksum of every file below a path, by name."""
    return _sums(machine.sh(f"cd {shlex.quote(path)} && {_SUMS.format()}", timeout).stdout)


def crosses(writer: Machine, written: str, reader: Machine, read: str, what: str) -> bool:
    """Whether a small file that one machine writes reaches the other one. It is taken away again."""
    name = f"crosses-{what}"
    writer.check(f"echo {shlex.quote(what)} >{shlex.quote(f'{written}/{name}')}")
    seen = reader.sh(f"cat {shlex.quote(f'{read}/{name}')}").text
    writer.check(f"rm {shlex.quote(f'{written}/{name}')}")
    return seen == what


def _place(path: str, side: str) -> str:
    return shlex.quote(f"{path}/from_{side}")


def _sums(text: str) -> dict[str, str]:
    pairs = [line.split("  ", 1) for line in text.splitlines() if "  " in line]
    return {name: checksum for checksum, name in pairs}
