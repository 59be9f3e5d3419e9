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
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import disks
import images
import keys
import mirror
import recipe
import relay
from machine import LabError, end_process, kill_process, record, recorded, replace_text, run, say, wait_until
from topology import CACHE, STATE, Hypervisor

IMAGES_INSIDE = "/var/lib/lab-images"
GUESTS_INSIDE = "/var/lib/libvirt/images"
PATH_INSIDE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Its udev needs to write to /sys, libvirt wants the second version of control groups.
NSPAWN_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_SECCOMP": "0",
    "SYSTEMD_LOG_LEVEL": "warning",
}
# What a hypervisor gets of the machine's devices, beside loop devices: node, group and permissions as Debian sets them.
NODES = (
    ("fuse", "root", "666"), ("kvm", "kvm", "660"), ("loop-control", "disk", "660"), ("net/tun", "root", "666"),
    ("vhost-net", "kvm", "660"), ("vhost-vsock", "kvm", "660"),
)  # fmt: skip
REBOOT = 133  # systemd-nspawn's exit code when the container asked for a reboot and nobody else can start it again


def state(hypervisor: Hypervisor) -> Path:
    return STATE / hypervisor.name


def init_pid(hypervisor: Hypervisor) -> int | None:
    """The container's process 1 as the machine sees it; None when the container does not run."""
    return recorded(state(hypervisor) / "init.pid")


def inside(hypervisor: Hypervisor, argv: list[str], timeout: float = 60, stdin: str | None = None) -> str:
    """Run a command in the container without ssh."""
    pid = init_pid(hypervisor)
    if pid is None:
        raise LabError(f"hypervisor {hypervisor.name} is not running; start it with: lab.py up {hypervisor.name}")
    enter = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"]
    return run([*enter, "env", "-i", f"PATH={PATH_INSIDE}", "HOME=/root", "LC_ALL=C.UTF-8", *argv], timeout, stdin)


def up(hypervisor: Hypervisor) -> None:
    """Start the container unless it runs; returns before its systemd has finished (see wait_ready)."""
    if init_pid(hypervisor) is not None and recorded(state(hypervisor) / "keeper.pid") is not None:
        return
    down(hypervisor)
    image = images.ensure(hypervisor.image)
    for one in hypervisor.hosts:
        demand_free_port(one.name, one.port)
    folder = state(hypervisor)
    for name in ("upper", "work", "root", "disks", "guests"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _settle_in(hypervisor, folder / "upper")
    if hypervisor.disk_gib is not None:
        disks.attach(hypervisor, "disk0", hypervisor.disk_gib * 1024**3)
    program = [sys.executable, str(Path(__file__).parent / "lab.py"), "keep", hypervisor.name, str(image / "root")]
    with open(folder / "console.log", "ab") as log:
        network = os.open("/proc/self/ns/net", os.O_RDONLY)
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--net", "--", *program, str(network)],
            pass_fds=[network],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    os.close(network)
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


def exists(hypervisor: Hypervisor, path: str) -> bool:
    """Whether a path exists inside."""
    pid = init_pid(hypervisor)
    return pid is not None and os.path.lexists(f"/proc/{pid}/root{path}")


def let_go_of_disk(hypervisor: Hypervisor, name: str) -> None:
    """Unmount inside whatever a test left mounted from a disk, deepest first."""
    disk = disks.stable_name(hypervisor, name)
    script = (
        f'disk=$(readlink -f {disk}) || exit 0; [ -b "$disk" ] || exit 0; '
        'awk -v disk="$disk" \'$1 == disk || index($1, disk "p") == 1 {print $2}\' /proc/mounts | sort -r | '
        'while read -r path; do umount "$(printf %b "$path")" || exit 1; done'
    )
    inside(hypervisor, ["sh", "-c", script], timeout=60)


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
    device = folder / "root.device"
    disks.detach_all(hypervisor, int(device.read_text()) if device.exists() else None)
    shutil.rmtree(folder)


def keep(hypervisor: Hypervisor, image_root: str, machine_network: int) -> int:
    """The keeper: mount the overlay, run the container, start it again when it reboots. Runs in its own namespace."""
    folder = state(hypervisor)
    images.hold()
    _enter_cgroup(hypervisor)
    _connect(hypervisor, machine_network)
    layers = f"lowerdir={image_root},upperdir={folder}/upper,workdir={folder}/work"
    run(["mount", "-t", "overlay", hypervisor.name, "-o", layers, f"{folder}/root"])
    replace_text(folder / "root.device", str((folder / "root").stat().st_dev))
    while True:
        process = subprocess.Popen(_nspawn(hypervisor), env=NSPAWN_ENVIRONMENT, stdin=subprocess.DEVNULL, cwd="/")
        signal.signal(signal.SIGTERM, partial(_pass_on, process))
        while process.poll() is None:
            first = _first_process(process.pid)
            if first is not None:
                record(folder / "init.pid", first)
                break
            time.sleep(0.05)
        if process.wait() != REBOOT or (folder / "stopping").exists():
            return process.returncode


def _connect(hypervisor: Hypervisor, machine: int) -> None:
    """ssh from the machine to the hypervisor and its guests, each on its own port; apt from there to the mirror."""
    run(["ip", "link", "set", "lo", "up"])
    ours = os.open("/proc/self/ns/net", os.O_RDONLY)
    for one in hypervisor.hosts:
        relay.forward(machine, ("127.0.0.1", one.port), ours, ("127.0.0.1", one.port))
    for name, port in mirror.addresses():
        if _is_address(name):
            run(["ip", "address", "add", name, "dev", "lo"])
        relay.forward(ours, (name if _is_address(name) else "127.0.0.1", port), machine, (name, port))


def _is_address(name: str) -> bool:
    with suppress(OSError):
        return bool(socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name))
    return False


def _pass_on(process: subprocess.Popen[bytes], number: int, _frame: object) -> None:
    process.send_signal(number)


def _nspawn(hypervisor: Hypervisor) -> list[str]:
    folder = state(hypervisor)
    return [
        "systemd-nspawn", "--quiet", f"--directory={folder}/root", f"--machine={hypervisor.name}",
        "--register=no", "--keep-unit", "--capability=all", "--drop-capability=CAP_SYS_MODULE,CAP_SYS_TIME",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--kill-signal=SIGRTMIN+4",
        f"--bind={folder}/guests:{GUESTS_INSIDE}", f"--bind-ro={CACHE}:{IMAGES_INSIDE}",
        "/usr/local/sbin/lab-init",
    ]  # fmt: skip


def _first_process(nspawn: int) -> int | None:
    with suppress(FileNotFoundError, ProcessLookupError):
        children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
        for child in children:
            for line in Path(f"/proc/{child}/status").read_text().splitlines():
                if line.startswith("NSpid:") and len(line.split()) > 2 and line.split()[-1] == "1":
                    return int(child)
    return None


def _settle_in(hypervisor: Hypervisor, upper: Path) -> None:
    """What differs from the cached image: name, keys, port, package source."""
    keys.ensure()

    shutil.copytree(recipe.FILES / "hypervisor", upper, dirs_exist_ok=True)
    recipe.mask(upper, "hypervisor")

    def put(name: str, text: str, mode: int = 0o644) -> None:
        replace_text(upper / name, text, mode)

    put("etc/hostname", hypervisor.name + "\n")
    outside = "".join(f"127.0.0.1 {name}\n" for name, _port in mirror.addresses() if not _is_address(name))
    put("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {hypervisor.name}\n{outside}")
    put("etc/machine-id", hashlib.md5(f"{STATE}/{hypervisor.name}".encode()).hexdigest() + "\n")
    put("etc/fstab", "# <file system> <mount point> <type> <options> <dump> <pass>\n")
    put("etc/ssh/sshd_config.d/port.conf", f"ListenAddress 127.0.0.1:{hypervisor.port}\n")
    put("etc/ssh/ssh_host_ed25519_key", keys.host_key(), 0o600)
    put("root/.ssh/authorized_keys", keys.public_key(), 0o600)
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)
    put("etc/apt/sources.list", f"deb {mirror.uri()} {hypervisor.suite} main\n")
    put("etc/apt/apt.conf.d/91machine", "".join(line + "\n" for line in mirror.proxy_options()))
    put("etc/lab/disks", str(disks.folder(hypervisor)) + "\n")
    put("etc/lab/nodes", "".join(_node(*wanted) for wanted in NODES if Path("/dev", wanted[0]).exists()))


def _node(name: str, group: str, mode: str) -> str:
    number = Path("/dev", name).stat().st_rdev
    return f"{name} {os.major(number)} {os.minor(number)} {group} {mode}\n"


def demand_free_port(name: str, port: int) -> None:
    """LabError when something listens on a port that a host of the lab is about to use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise LabError(
                f"port {port} on 127.0.0.1, meant for {name}, is used by another program; "
                "end that program or set VIRTIOFS_LAB_PORT to another first port"
            ) from None


def answers_ssh(port: int, patience: float = 20) -> bool:
    """Whether an ssh server greets us; QEMU alone accepts connections long before its guest does.

    Patient, because every connection costs a guest without KVM a second or more: many short ones would keep it from
    ever answering.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _cgroup(hypervisor: Hypervisor) -> Path | None:
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
    if group is None:
        return
    _end_processes_of(hypervisor, group)
    # systemd-nspawn makes the same folders in the named hierarchy of a machine that has one.
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        same = hierarchy / group.parent.name / hypervisor.name
        folders = [same, *(path for path in same.rglob("*") if path.is_dir())] if same.is_dir() else []
        for folder in [*sorted(folders, key=lambda path: len(path.parts), reverse=True), same.parent]:
            # In use, or not there.
            with suppress(OSError):
                folder.rmdir()


def _end_processes_of(hypervisor: Hypervisor, group: Path) -> None:
    if not group.exists():
        return
    everything = [group, *(p for p in group.rglob("*") if p.is_dir())]

    def removed() -> bool:
        for one in everything:
            for pid in (one / "cgroup.procs").read_text().split() if one.exists() else []:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for one in sorted(everything, key=lambda p: len(p.parts), reverse=True):
            with suppress(OSError):
                one.rmdir()
        return not group.exists()

    wait_until(f"the end of all processes of {hypervisor.name}", 20, removed, pause=0.1)
    with suppress(OSError):
        group.parent.rmdir()
