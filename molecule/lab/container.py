# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor: a systemd-nspawn container with its own systemd, udev and libvirtd over an overlay of a cached image.

A keeper process per container holds everything that the machine must not keep: it lives in a mount namespace of its
own, so the overlay disappears with it, and in a control group of its own, so nothing that was started in the
container can be missed when it is taken down.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import List, Optional

import device_nodes
import disks
import images
import keys
import mirror
import recipe
from machine import LabError, end_process, kill_process, record, recorded, replace_text, run, say, wait_until
from topology import CACHE, STATE, Hypervisor

IMAGES_INSIDE = "/var/lib/lab-images"
GUESTS_INSIDE = "/var/lib/libvirt/images"
REBOOT = 133  # systemd-nspawn's exit code when the container asked for a reboot and nobody else can start it again

# Units of a container that would reach out to the machine's kernel, its consoles or its clock.
MASKED = [
    "systemd-sysctl.service", "systemd-modules-load.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.mount",
    "proc-sys-fs-binfmt_misc.automount", "systemd-random-seed.service", "systemd-timesyncd.service", "systemd-pstore.service",
    "systemd-logind.service", "getty.target", "console-getty.service", "getty@tty1.service", "serial-getty@.service",
    "systemd-vconsole-setup.service", "kmod-static-nodes.service", "systemd-hwdb-update.service", "modprobe@.service",
    "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount",
    "dev-mqueue.mount", "systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-setup-dev-early.service",
    "systemd-journald-dev-log.socket", "systemd-initctl.socket",
]  # fmt: skip


def state(hypervisor: Hypervisor) -> Path:
    return STATE / hypervisor.name


def init_pid(hypervisor: Hypervisor) -> Optional[int]:
    """The container's process 1 as the machine sees it; None when the container does not run."""
    return recorded(state(hypervisor) / "init.pid")


def inside(hypervisor: Hypervisor, argv: List[str], timeout: float = 60, stdin: Optional[str] = None) -> str:
    """Run a command in the container without ssh."""
    pid = init_pid(hypervisor)
    if pid is None:
        raise LabError(f"hypervisor {hypervisor.name} is not running; start it with: lab.py up {hypervisor.name}")
    clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
    return run(["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *clean, *argv], timeout, stdin)


def up(hypervisor: Hypervisor) -> None:
    """Start the container unless it runs; returns before its systemd has finished (see wait_ready)."""
    if init_pid(hypervisor) is not None and recorded(state(hypervisor) / "keeper.pid") is not None:
        return
    down(hypervisor)
    image = images.ensure(hypervisor.image)
    _demand_free_port(hypervisor.name, hypervisor.port)
    folder = state(hypervisor)
    for name in ("upper", "work", "root", "disks", "guests"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _settle_in(hypervisor, image / "root", folder / "upper")
    device_nodes.remember()
    if hypervisor.disk_gib is not None:
        disks.attach(hypervisor, "disk0", hypervisor.disk_gib * 1024**3)
    log = open(folder / "console.log", "ab")
    program = [sys.executable, str(Path(__file__).parent / "lab.py"), "keep", hypervisor.name, str(image / "root")]
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "--", *program],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
    )  # fmt: skip
    record(folder / "keeper.pid", keeper.pid)
    say(f"Starting hypervisor {hypervisor.name} (Debian {hypervisor.suite}) ...")


def wait_ready(hypervisor: Hypervisor, seconds: float = 120) -> None:
    """Wait until sshd answers and the container's systemd has finished its boot."""
    folder = state(hypervisor)

    def booted() -> bool:
        if recorded(folder / "keeper.pid") is None:
            tail = (folder / "console.log").read_text(errors="replace").strip().splitlines()[-5:]
            raise LabError(f"hypervisor {hypervisor.name} stopped while it booted; its last words: {' | '.join(tail)}")
        return init_pid(hypervisor) is not None and answers_ssh(hypervisor.port)

    wait_until(f"an ssh answer from hypervisor {hypervisor.name} (see {folder}/console.log)", seconds, booted)
    inside(hypervisor, ["sh", "-c", "systemctl is-system-running --wait || true"], timeout=seconds)


def reboot(hypervisor: Hypervisor) -> None:
    """Reboot from inside, as an administrator would; the keeper starts the container again."""
    before = init_pid(hypervisor)
    inside(hypervisor, ["systemctl", "reboot"])
    wait_until(f"the reboot of {hypervisor.name}", 150, lambda: init_pid(hypervisor) not in (None, before))
    wait_ready(hypervisor)


def down(hypervisor: Hypervisor) -> None:
    """Take the container away with everything in it, also when an earlier run was interrupted half way."""
    folder = state(hypervisor)
    if not folder.exists():
        return
    replace_text(folder / "stopping", "")
    if init_pid(hypervisor) is not None:
        say(f"Stopping hypervisor {hypervisor.name} ...")
        # SIGRTMIN+4 is systemd's "power off now": guests are cut off, and they are about to be deleted.
        if not end_process(folder / "init.pid", signal.SIGRTMIN + 4, 25):
            say(f"Hypervisor {hypervisor.name} did not stop within 25 s; it is ended by force.")
            kill_process(folder / "init.pid")
    if not end_process(folder / "keeper.pid", signal.SIGTERM, 10):
        kill_process(folder / "keeper.pid")
    _empty_cgroup(hypervisor)
    disks.detach_all(hypervisor)
    shutil.rmtree(folder)


def keep(hypervisor: Hypervisor, image_root: str) -> int:
    """The keeper: mount the overlay, run the container, start it again when it reboots. Runs in its own namespace."""
    folder = state(hypervisor)
    _enter_cgroup(hypervisor)
    run(["mount", "-t", "overlay", hypervisor.name, "-o",
         f"lowerdir={image_root},upperdir={folder}/upper,workdir={folder}/work", f"{folder}/root"])  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
                   "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_SECCOMP": "0", "SYSTEMD_LOG_LEVEL": "warning"}  # fmt: skip
    argv = ["systemd-nspawn", "--quiet", f"--directory={folder}/root", "--register=no", "--keep-unit"]
    argv += [f"--machine={hypervisor.name}", "--capability=all", "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME",
             "--resolv-conf=copy-host", "--timezone=off", "--link-journal=no", "--kill-signal=SIGRTMIN+4",
             f"--bind={folder}/guests:{GUESTS_INSIDE}", f"--bind-ro={CACHE}:{IMAGES_INSIDE}", "/usr/local/sbin/lab-init"]  # fmt: skip
    while True:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, cwd="/")
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while process.poll() is None:
            first = _first_process(process.pid)
            if first is not None:
                record(folder / "init.pid", first)
                break
            time.sleep(0.1)
        if process.wait() != REBOOT or (folder / "stopping").exists():
            return process.returncode


def _first_process(nspawn: int) -> Optional[int]:
    try:
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in children:
            for line in Path(f"/proc/{child}/status").read_text().splitlines():
                if line.startswith("NSpid:") and len(line.split()) > 2 and line.split()[-1] == "1":
                    return int(child)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


def _settle_in(hypervisor: Hypervisor, image: Path, upper: Path) -> None:
    """What differs from the cached image: name, keys, port, package source."""
    keys.ensure()

    shutil.copytree(recipe.FILES / "hypervisor", upper, dirs_exist_ok=True)
    recipe.mask(upper, MASKED + recipe.IDLE_UNITS)

    def put(name: str, text: str, mode: int = 0o644) -> None:
        replace_text(upper / name, text, mode)

    put("etc/hostname", hypervisor.name + "\n")
    put("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {hypervisor.name}\n")
    put("etc/machine-id", hashlib.md5(f"{STATE}/{hypervisor.name}".encode()).hexdigest() + "\n")
    put("etc/fstab", "# <file system> <mount point> <type> <options> <dump> <pass>\n")
    put("etc/ssh/sshd_config.d/port.conf", f"ListenAddress 127.0.0.1:{hypervisor.port}\n")
    put("etc/ssh/ssh_host_ed25519_key", keys.host_key(), 0o600)
    put("root/.ssh/authorized_keys", keys.public_key(), 0o600)
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)
    put("etc/apt/sources.list", f"deb {mirror.uri()} {hypervisor.suite} main\n")
    put("etc/apt/apt.conf.d/91proxy", "".join(line + "\n" for line in mirror.proxy_options()))
    if Path("/dev/kvm").exists():
        _share_kvm_group(image, upper)


def _share_kvm_group(image: Path, upper: Path) -> None:
    """Give the container's group kvm the number that the machine's /dev/kvm carries.

    Were libvirt's user (whose primary group it is) kept out, libvirt would probe QEMU again (36 s) at every call, also
    where guests do not use KVM; and the container's udev would change the machine's node.
    """
    number = str(Path("/dev/kvm").stat().st_gid)
    groups = (image / "etc/group").read_text()
    match = re.search(r"^kvm:x:(\d+):", groups, re.MULTILINE)
    if match and match[1] != number:
        replace_text(upper / "etc/group", groups.replace(match[0], f"kvm:x:{number}:"))
        accounts = (image / "etc/passwd").read_text()
        replace_text(upper / "etc/passwd", re.sub(rf"^([^:]+:x:\d+):{match[1]}:", rf"\1:{number}:", accounts, flags=re.M))


def _demand_free_port(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise LabError(
                f"port {port} on 127.0.0.1, meant for {name}, is used by another program; "
                "end that program or set VIRTIOFS_LAB_PORT to another first port"
            ) from None


demand_free_port = _demand_free_port


def answers_ssh(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            connection.settimeout(3)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _cgroup(hypervisor: Hypervisor) -> Optional[Path]:
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if Path(mount, "cgroup.procs").exists() and Path(mount, "cgroup.controllers").exists():
            digest = hashlib.sha256(str(STATE).encode()).hexdigest()[:8]
            return Path(mount, f"virtio-fs-lab-{digest}", hypervisor.name)
    return None


def _enter_cgroup(hypervisor: Hypervisor) -> None:
    group = _cgroup(hypervisor)
    if group is None:
        raise LabError("this machine has no cgroup2 file system mounted at /sys/fs/cgroup or /sys/fs/cgroup/unified")
    group.mkdir(parents=True, exist_ok=True)
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _empty_cgroup(hypervisor: Hypervisor) -> None:
    group = _cgroup(hypervisor)
    if group is None or not group.exists():
        return
    everything = [group, *(p for p in group.rglob("*") if p.is_dir())]
    kill_all = group / "cgroup.kill"
    if kill_all.exists():
        kill_all.write_text("1")

    def removed() -> bool:
        for one in sorted(everything, key=lambda p: len(p.parts), reverse=True):
            try:
                one.rmdir()
            except OSError:
                pass
        return not group.exists()

    wait_until(f"the end of all processes of {hypervisor.name}", 20, removed, pause=0.1)
    try:
        group.parent.rmdir()
    except OSError:
        pass
