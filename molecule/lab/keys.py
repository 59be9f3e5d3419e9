# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own ssh keys: one to log in with, one that all its hosts show. Nothing of the user's ~/.ssh is read."""

from __future__ import annotations

from pathlib import Path

from machine import replace_text, run
from topology import STATE, Host, hosts


def folder() -> Path:
    return STATE / "ssh"


def ensure() -> None:
    """Make both keys and the known_hosts file unless they are there."""
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    for name in ("id_ed25519", "host_ed25519"):
        if not (place / f"{name}.pub").exists():
            (place / name).unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "virtio-fs-lab", "-f", str(place / name)])
    shown = " ".join((place / "host_ed25519.pub").read_text().split()[:2])
    known = "".join(f"[127.0.0.1]:{host.port} {shown}\n" for host in hosts())
    replace_text(place / "known_hosts", known)


def public_key() -> str:
    return (folder() / "id_ed25519.pub").read_text()


def host_key() -> str:
    return (folder() / "host_ed25519").read_text()


def ssh_command(host: Host) -> list[str]:
    """How to reach a host of the lab with ssh, without the user's own configuration."""
    return [
        "ssh", "-F", "/dev/null", "-p", str(host.port), "-i", str(folder() / "id_ed25519"), "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={folder()}/known_hosts", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR",
        "-o", "ConnectTimeout=30", "root@127.0.0.1",
    ]  # fmt: skip
