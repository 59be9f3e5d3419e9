# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian mirror this machine uses: read from apt's own configuration, never written down here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from machine import LabError, run

FOLDER = Path("/etc/apt")
DEBIAN_SUITES = re.compile(r"^(stable|testing|unstable|sid|oldstable|bullseye|bookworm|trixie|forky)$")


def uri() -> str:
    """The machine's Debian mirror. VIRTIOFS_MIRROR overrides it (needed where the machine is not a Debian)."""
    given = os.environ.get("VIRTIOFS_MIRROR")
    if given:
        return given.rstrip("/")
    found = [
        address
        for address, suites, components in _sources()
        if "main" in components
        and any(DEBIAN_SUITES.match(suite) for suite in suites)
        and address.rstrip("/").rsplit("/", 1)[-1].startswith("debian")
    ]
    if not found:
        raise LabError(
            "apt on this machine has no Debian mirror (looked in /etc/apt/sources.list and sources.list.d); "
            "set VIRTIOFS_MIRROR to the address of one"
        )
    return found[0].rstrip("/")


def addresses() -> list[tuple[str, int]]:
    """Host and port of what apt talks to: the mirror, and the proxies that the machine's apt uses."""
    found = []
    for address in [uri(), *re.findall(r'"(https?://[^"]+)"', "\n".join(proxy_options()))]:
        parts = urlsplit(address)
        if parts.hostname and parts.scheme in ("http", "https"):
            found.append((parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]))
    return found


def proxy_options() -> list[str]:
    """The machine's own apt settings for reaching its mirror, as lines of an apt.conf."""
    dumped = run(["apt-config", "dump"]).splitlines()
    proxies = [line for line in dumped if re.match(r"Acquire::(https?::)?(Proxy|http::Proxy|https::Proxy)", line)]
    # Some mirrors are snapshots. Signatures are checked all the same.
    return [*proxies, 'Acquire::Check-Valid-Until "false";']


def _sources() -> Iterator[tuple[str, list[str], list[str]]]:
    files = [FOLDER / "sources.list", *sorted((FOLDER / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if file.suffix == ".sources":
            yield from _deb822(text)
        elif file.suffix == ".list":
            yield from _one_line(text)


def _one_line(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line)
        if match:
            yield _resolved(match[1]), [match[2]], match[3].split()


def _deb822(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", uncommented):
        fields = {}
        for match in re.finditer(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.MULTILINE):
            fields[match[1].lower()] = match[2].split()
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0"):
            continue
        for address in fields.get("uris", []):
            yield _resolved(address), fields.get("suites", []), fields.get("components", [])


def _resolved(address: str) -> str:
    # Debian's cloud images name a file that lists mirrors.
    if address.startswith("mirror+file:"):
        lines = Path(address[len("mirror+file:") :]).read_text().splitlines()
        listed = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
        if listed:
            return listed[0]
    return address
