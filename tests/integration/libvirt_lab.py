# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real libvirt drivers without a daemon, for tests."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

_WORKER = Path(__file__).with_name("libvirt_worker.py")

# The embedded driver refuses to start without this user and group, also when it is told to use others.
_NAMESPACE = """
set -e
mount --make-rprivate /
for file in passwd group; do
    cp /etc/$file "$1/$file"
done
grep -q ^libvirt-qemu: "$1/passwd" || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >> "$1/passwd"
grep -q ^libvirt-qemu: "$1/group" || echo 'libvirt-qemu:x:64055:' >> "$1/group"
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
shift
exec "$@"
"""


class LibvirtError(Exception):
    """What libvirt said in the worker."""


class Libvirt:
    """A worker process with one connection. Methods are those of the worker."""

    def __init__(self, uri: str, directory: Path) -> None:
        self.uri = uri
        directory.mkdir(parents=True, exist_ok=True)
        self._log = (directory / "worker.log").open("w")
        self._process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _NAMESPACE, "sh", str(directory), sys.executable, str(_WORKER), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def ask(self, method: str, /, *, timeout: float = 120, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], timeout)[0]
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise AssertionError(f"the libvirt worker gave no answer to {method}, see {self._log.name}")
        answer = json.loads(line)
        if "error" in answer:
            raise LibvirtError(answer["error"])
        return answer["value"]

    def domain_module(self, *, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        return self.ask("module", name="virtiofs_domain", arguments=arguments, check=check, diff=diff)

    def config(self, domain: str) -> str:
        """The persistent definition, with its secrets."""
        return self.ask("xml", domain=domain, flags=3)

    def live(self, domain: str) -> str:
        return self.ask("xml", domain=domain, flags=0)

    def kill(self) -> None:
        """End the driver and leave its machines running."""
        self._process.kill()
        self._process.wait(10)
        self._close_files()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._close_files()

    def _close_files(self) -> None:
        for file in (self._process.stdin, self._process.stdout, self._log):
            if file is not None:
                file.close()


def embedded(directory: Path) -> Libvirt:
    """The real QEMU driver, in a root directory of its own."""
    root = directory / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "qemu.conf").write_text(
        f'user = "root"\ngroup = "root"\nstdio_handler = "file"\nmemory_backing_dir = "{root}/ram"\n'
    )
    return Libvirt(f"qemu:///embed?root={root}", directory / "worker")


def mock(directory: Path) -> Libvirt:
    """libvirt's own test driver."""
    return Libvirt("test:///default", directory / "worker")
