# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real libvirt daemons that a test starts for itself, away from the machine's own, and that it can kill.

A system daemon runs in a mount and network namespace in which libvirt's directories are others. A session daemon
runs in a user namespace besides, in which nobody is root: libvirtd asks for its user to tell what it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

_DIRECTORIES = ("/run/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt", "/etc/libvirt")

# The namespace lives for as long as this reads its input: it ends with the test, however that ends.
_HOLD = """
set -e
mount --make-rprivate /
for directory in $2; do
    mkdir -p "$1$directory" "$directory"
    mount --bind "$1$directory" "$directory"
done
for file in passwd group; do
    cp /etc/$file "$1/$file"
done
grep -q ^libvirt-qemu: "$1/passwd" || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >> "$1/passwd"
grep -q ^libvirt-qemu: "$1/group" || echo 'libvirt-qemu:x:64055:' >> "$1/group"
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
printf 'user = "root"\\ngroup = "root"\\nstdio_handler = "file"\\n' > /etc/libvirt/qemu.conf
printf 'auth_unix_rw = "none"\\nauth_unix_ro = "none"\\nunix_sock_rw_perms = "0700"\\n' > /etc/libvirt/libvirtd.conf
echo ready
exec cat > /dev/null
"""

_NOBODY = 65534

_START_SECONDS = 60.0


class Daemon:
    """A libvirtd. ``restarts``: it is started again when it ends, as a service manager does."""

    def __init__(self, directory: Path, *, session: bool = False, restarts: bool = True) -> None:
        self.uri = "qemu:///session" if session else "qemu:///system"
        self.restarts = restarts
        self.directory = directory
        self._log = (directory / "daemon.log").open("ab")
        self._made = [] if session else [path for path in _DIRECTORIES if not os.path.isdir(path)]
        user = [f"--map-user={_NOBODY}", f"--map-group={_NOBODY}", "--user"] if session else []
        if session:
            # Bind mounts need root, and a session has no directories of the system.
            script, kinds = "echo ready; exec cat > /dev/null", []
        else:
            script, kinds = _HOLD, ["--mount", "--net"]
        self._holder = subprocess.Popen(
            ["unshare", *user, *kinds, "sh", "-c", script, "sh", str(directory), " ".join(_DIRECTORIES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n", (directory / "daemon.log").read_text()
        spaces = ["--user", "--preserve-credentials"] if session else ["--mount", "--net"]
        self._enter = ["nsenter", f"--target={self._holder.pid}", *spaces]
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LIBVIRT_AUTOSTART": "0"}
        # A session's sockets lie in its directories, and the path of a socket has at most 107 bytes.
        self._home = tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True)
        if session:
            for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HOME"):
                self._env[name] = f"{self._home.name}/{name}"
                os.mkdir(self._env[name], 0o700)
        self._closing = False
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, program: str, *arguments: str, timeout: float = 120) -> str:
        """What a Python program says that runs where the daemon does."""
        done = subprocess.run(
            [*self._enter, sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=self._env,
        )
        assert done.stderr == "", done.stderr
        return done.stdout

    def virsh(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._enter, "virsh", "--connect", self.uri, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=self._env,
        ).stdout

    def module(self, *, fault: dict[str, Any] | None = None, timeout: float = 120, **options: Any) -> dict[str, Any]:
        """Run virtiofs_domain. ``fault`` says what happens to the daemon meanwhile (see ``daemon_fault.py``)."""
        program = Path(__file__).with_name("daemon_fault.py").read_text()
        given = {"uri": self.uri, **options}
        said = self.run(program, json.dumps(given), json.dumps({"pid": self.pid, **(fault or {})}), timeout=timeout)
        return dict(json.loads(said))

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        self._closing = True
        if self._process.poll() is None:
            self.resume()
            self._process.terminate()
        self._keeper.join(30)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(10)
        self._log.close()
        self._home.cleanup()
        self._kill_machines()
        for path in self._made:
            os.rmdir(path)

    def _kill_machines(self) -> None:
        """What a failed test left running: a machine outlives its daemon."""
        for file in (self.directory / "run" / "libvirt" / "qemu").glob("*.pid"):
            program = Path(f"/proc/{file.read_text().strip()}/cmdline")
            with contextlib.suppress(OSError):
                name = program.read_bytes().partition(b"\0")[0].rpartition(b"/")[2]
                if name.startswith((b"qemu-system", b"virtiofsd")):
                    os.kill(int(file.read_text()), signal.SIGKILL)

    def _start(self) -> subprocess.Popen[bytes]:
        libvirtd = shutil.which("libvirtd", path=f"{os.environ['PATH']}:/usr/sbin")
        assert libvirtd is not None, "libvirtd is not installed (package libvirt-daemon)"
        return subprocess.Popen(
            [*self._enter, libvirtd, "--pid-file", str(self.directory / "libvirtd.pid")],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self._env,
        )

    def _keep(self) -> None:
        while True:
            self._process.wait()
            if self._closing or not self.restarts:
                return
            # What a service manager takes at least.
            time.sleep(0.2)
            self._process = self._start()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.virsh("version")
                return
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, (self.directory / "daemon.log").read_text()
                time.sleep(0.2)
