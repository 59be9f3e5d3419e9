# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure directories against each other, in the guest: every measure goes round all of them before the next begins.

    python3 guest_io.py ROUNDS MIB DIRECTORY...    prints JSON: for each measure and directory, one figure a round

Needs root, to empty the guest's own cache. The hypervisor's cache stays as it is: what is read is in its memory.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

_BLOCK = 1 << 20
_PAGE = 4096
_TREE_DIRECTORIES = 40
_TREE_FILES = 25
_SMALL = 200
_COMMITS = 40
_RANDOM_READS = 800


def _cold() -> None:
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")


def _rate(amount: float, started: float) -> float:
    return amount / max(time.monotonic() - started, 1e-6)


class Measures:
    """What is measured in one directory. Each method returns an amount for a second: more is better."""

    def __init__(self, directory: str, mib: int) -> None:
        self.directory, self.mib = directory, mib
        self.file = f"{directory}/stream"
        self.tree = f"{directory}/tree"
        self.content = os.urandom(_BLOCK)

    def prepare(self) -> None:
        for number in range(_TREE_DIRECTORIES):
            os.makedirs(f"{self.tree}/{number}")
            for name in range(_TREE_FILES):
                with open(f"{self.tree}/{number}/{name}", "wb") as file:
                    file.write(self.content[:_PAGE])

    def write(self) -> float:
        """MiB, in blocks of one, with the fsync at the end."""
        started = time.monotonic()
        with open(self.file, "wb", buffering=0) as file:
            for _number in range(self.mib):
                file.write(self.content)
            os.fsync(file.fileno())
        return _rate(self.mib, started)

    def read(self) -> float:
        """MiB, with nothing of it in the guest's cache."""
        _cold()
        return self.read_again()

    def read_again(self) -> float:
        """MiB, of the file that was just read."""
        started = time.monotonic()
        with open(self.file, "rb", buffering=0) as file:
            while file.read(_BLOCK):
                pass
        return _rate(self.mib, started)

    def read_at_random(self) -> float:
        """Pages of 4 KiB, one after the other, nothing of them in the guest's cache."""
        _cold()
        pages = self.mib * _BLOCK // _PAGE
        chosen = random.Random(1)
        file = os.open(self.file, os.O_RDONLY)
        try:
            started = time.monotonic()
            for _number in range(_RANDOM_READS):
                os.pread(file, _PAGE, chosen.randrange(pages) * _PAGE)
            return _rate(_RANDOM_READS, started)
        finally:
            os.close(file)

    def commit(self) -> float:
        """Writes of 4 KiB somewhere in the file, each with fdatasync, as a database does."""
        pages = self.mib * _BLOCK // _PAGE
        chosen = random.Random(2)
        file = os.open(self.file, os.O_RDWR)
        try:
            started = time.monotonic()
            for _number in range(_COMMITS):
                os.pwrite(file, self.content[:_PAGE], chosen.randrange(pages) * _PAGE)
                os.fdatasync(file)
            return _rate(_COMMITS, started)
        finally:
            os.close(file)

    def append(self) -> float:
        """Lines of 100 bytes, each written by itself, without fsync, as a log does."""
        line = self.content[:100]
        started = time.monotonic()
        with open(f"{self.directory}/log", "wb", buffering=0) as file:
            for _number in range(2000):
                file.write(line)
        return _rate(2000, started)

    def make(self) -> float:
        """Small files, made and written."""
        os.mkdir(f"{self.directory}/small")
        started = time.monotonic()
        for number in range(_SMALL):
            with open(f"{self.directory}/small/{number}", "wb", buffering=0) as file:
                file.write(self.content[:_PAGE])
        return _rate(_SMALL, started)

    def remove(self) -> float:
        """The small files that were made."""
        started = time.monotonic()
        for number in range(_SMALL):
            os.unlink(f"{self.directory}/small/{number}")
        rate = _rate(_SMALL, started)
        os.rmdir(f"{self.directory}/small")
        return rate

    def walk(self) -> float:
        """Files of a tree, each listed and asked for its attributes, nothing in the guest's cache."""
        _cold()
        return self.walk_again()

    def walk_again(self) -> float:
        """The same tree at once again, as git status and make do."""
        started = time.monotonic()
        found = 0
        for folder, _folders, files in os.walk(self.tree):
            for name in files:
                os.lstat(os.path.join(folder, name))
                found += 1
        return _rate(found, started)

    def read_tree(self) -> float:
        """Files of the tree, opened and read, nothing in the guest's cache, as a compiler or a search does."""
        _cold()
        started = time.monotonic()
        for number in range(_TREE_DIRECTORIES // 4):
            for name in range(_TREE_FILES):
                with open(f"{self.tree}/{number}/{name}", "rb", buffering=0) as file:
                    file.read()
        return _rate(_TREE_DIRECTORIES // 4 * _TREE_FILES, started)

    def tidy(self) -> None:
        for name in ("stream", "log"):
            if os.path.exists(f"{self.directory}/{name}"):
                os.unlink(f"{self.directory}/{name}")
        for name in ("tree", "small"):
            shutil.rmtree(f"{self.directory}/{name}", ignore_errors=True)


# In this order: some take what an earlier one has left.
IN_ORDER: tuple[Callable[[Measures], float], ...] = (
    Measures.write,
    Measures.read,
    Measures.read_again,
    Measures.read_at_random,
    Measures.commit,
    Measures.append,
    Measures.make,
    Measures.remove,
    Measures.walk,
    Measures.walk_again,
    Measures.read_tree,
)


def main() -> None:
    rounds, mib, *directories = sys.argv[1:]
    measured = {directory: Measures(directory, int(mib)) for directory in directories}
    figures: dict[str, dict[str, list[float]]] = {one.__name__: {each: [] for each in directories} for one in IN_ORDER}
    try:
        for one in measured.values():
            one.tidy()
            one.prepare()
        for number in range(int(rounds)):
            # Whoever is first in one round is not in the next.
            order = [*directories[number % len(directories) :], *directories[: number % len(directories)]]
            for measure in IN_ORDER:
                # What is measured again has to follow what it repeats, in the same directory.
                if measure.__name__.endswith("_again"):
                    continue
                again: Any = getattr(Measures, f"{measure.__name__}_again", None)
                for directory in order:
                    figures[measure.__name__][directory].append(measure(measured[directory]))
                    if again is not None:
                        figures[again.__name__][directory].append(again(measured[directory]))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    finally:
        for one in measured.values():
            one.tidy()
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
