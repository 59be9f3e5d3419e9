# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which virtiofsd this host has, and what it can do: asked as libvirt asks.

QEMU's docs/interop/vhost-user.json describes the JSON files and ``--print-capabilities``.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.command import run

# In libvirt's order: a file in an earlier directory hides one of the same name in a later one.
DESCRIPTIONS = ("/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user")

# For a daemon that no JSON file announces: where distributions put it.
USUAL_PATHS = (
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/lib/virtiofsd/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
    "/usr/bin/virtiofsd",
)

_VERSION = re.compile(r"virtiofsd\s+(?:version\s+|backend\s+)?v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Virtiofsd:
    """``flavour`` is ``c`` (part of QEMU until 7.2) or ``rust``; ``version`` is QEMU's for the former."""

    path: str
    flavour: str
    version: tuple[int, int, int]
    features: frozenset[str] = frozenset()
    # What it prints for --help; empty where it was not asked.
    help: str = field(default="", repr=False)

    def knows(self, argument: str, value: str | None = None) -> bool:
        """Whether it takes an argument, with this value; True where it was not asked."""
        if not self.help:
            return True
        # From the argument to the next one.
        found = re.search(rf"^ +{re.escape(argument)}(?![\w-]).*?(?=^ +--?\w|\Z)", self.help, re.MULTILINE | re.DOTALL)
        return found is not None and (value is None or re.search(rf"(?<![\w-]){value}(?![\w-])", found[0]) is not None)

    @property
    def name(self) -> str:
        words = "the C virtiofsd of QEMU" if self.flavour == "c" else "virtiofsd"
        return f"{words} {'.'.join(map(str, self.version))}"


def read_installed() -> Virtiofsd | None:
    """The daemon that libvirt would take when a domain names none, or None where there is none."""
    for path in candidates(_descriptions()):
        found = read_at(path)
        if found is not None:
            return found
    return None


def read_at(path: str) -> Virtiofsd | None:
    """What the daemon at this path is, by its own words. None when there is no such program or it says nothing."""
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        return None
    try:
        version = run([path, "--version"], timeout=10)
        capabilities = run([path, "--print-capabilities"], timeout=10)
    except VirtiofsError:
        return None
    return recognised(path, version.stdout + version.stderr, capabilities.stdout)


def with_help(daemon: Virtiofsd) -> Virtiofsd:
    """The same daemon with what it says of its arguments."""
    try:
        return replace(daemon, help=run([daemon.path, "--help"], timeout=10).stdout)
    except VirtiofsError:
        return daemon


def recognised(path: str, version: str, capabilities: str) -> Virtiofsd | None:
    """The daemon from what ``--version`` and ``--print-capabilities`` print. Pure."""
    match = _VERSION.search(version)
    if not match:
        return None
    numbers = (int(match[1]), int(match[2]), int(match[3] or 0))
    # The C daemon names the FUSE interface it uses; the Rust one, numbered from 0.1 on, does not.
    flavour = "c" if "FUSE kernel interface" in version else "rust"
    return Virtiofsd(path, flavour, numbers, _features(capabilities))


def candidates(descriptions: Iterable[str]) -> list[str]:
    """Paths of daemons, best first, from the texts of the JSON files. Pure."""
    announced = []
    for text in descriptions:
        try:
            described = json.loads(text)
        except ValueError:
            continue
        if isinstance(described, dict) and described.get("type") == "fs" and described.get("binary"):
            announced.append(str(described["binary"]))
    return list(dict.fromkeys([*announced, *USUAL_PATHS]))


def _features(capabilities: str) -> frozenset[str]:
    try:
        reported = json.loads(capabilities)
    except ValueError:
        return frozenset()
    return frozenset(reported.get("features") or ()) if isinstance(reported, dict) else frozenset()


def _descriptions() -> list[str]:
    files: dict[str, str] = {}
    for directory in DESCRIPTIONS:
        for path in glob.glob(os.path.join(directory, "*.json")):
            files.setdefault(os.path.basename(path), path)
    texts = []
    for name in sorted(files):
        try:
            with open(files[name], encoding="utf-8") as file:
                texts.append(file.read())
        except (OSError, ValueError):
            continue
    return texts
