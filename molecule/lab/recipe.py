# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in an image. A change here, in initrd.py or below files/ makes new images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import initrd
import mirror
from machine import run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FILES = Path(__file__).parent / "files"
UNITS = Path(__file__).parent / "units"

HYPERVISOR_BASE = ["systemd-sysv", "dbus", "openssh-server", "python3", "udev", "iproute2", "ca-certificates"]
# What is needed to define guests. virtiofsd, python3-libvirt, python3-lxml and the disk tools are the role's job.
HYPERVISOR_LIBVIRT = ["libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86"]
GUEST = ["systemd-sysv", "dbus", "openssh-server", "python3", "udev", "kmod", "iproute2", "qemu-guest-agent", "fio"]

# fstab mounts are what the collection is about; the other generators find nothing in a guest.
GUEST_GENERATORS = ["systemd-fstab-generator"]
GUEST_UDEV_RULES = ["50-udev-default.rules", "60-block.rules", "60-persistent-storage.rules",
                    "60-qemu-guest-agent.rules", "80-drivers.rules", "99-systemd.rules"]  # fmt: skip
# Kernel modules that stay in a guest image: whole folders, or single modules by name.
GUEST_MODULE_FOLDERS = [
    "fs/fuse", "fs/9p", "net/9p", "fs/nfs", "fs/nfs_common", "fs/lockd", "net/sunrpc", "fs/smb", "fs/netfs", "fs/ext4",
    "fs/jbd2", "fs/overlayfs", "fs/cachefiles", "fs/fscache", "drivers/virtio", "lib", "crypto", "arch/x86/crypto",
]  # fmt: skip
GUEST_MODULES = [
    "virtio_blk", "virtio_net", "net_failover", "failover", "virtio_console", "virtio-rng", "virtio_rng", "rng-core",
    "virtio_scsi", "loop", "mbcache", "dns_resolver", "autofs", "autofs4", "grace", "button",
]  # fmt: skip

DPKG_OPTIONS = [
    "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/locale/*", "force-unsafe-io",
]  # fmt: skip


def fingerprint(image: str) -> dict[str, object]:
    """All that decides what an image holds; its hash names the image in the cache."""
    kind = image.split("-", 1)[0]
    here = Path(__file__).parent
    sources = [here / "recipe.py"]
    if kind == "guest":
        sources += [here / "initrd.py", UNITS / "guest.txt", UNITS / "idle.txt"]
        sources += sorted(file for file in (FILES / "guest").rglob("*") if file.is_file())
    return {"image": image, "architecture": os.uname().machine, "sources": [file.read_text() for file in sources]}


def build(image: str, place: Path) -> None:
    """Make an image in an empty folder: `root` for a hypervisor; disk.raw, kernel and initrd for a guest."""
    kind, suite = image.split("-", 1)
    root = place / "root"
    if kind == "guest":
        _bootstrap(suite, root, GUEST)
        _guest(root, place)
    else:
        _bootstrap(suite, root, HYPERVISOR_BASE + (HYPERVISOR_LIBVIRT if kind == "hypervisor" else []))
        _without_identity(root)


def _bootstrap(suite: str, root: Path, packages: list[str]) -> None:
    options = [f"--aptopt={line}" for line in mirror.proxy_options()] + [f"--dpkgopt={line}" for line in DPKG_OPTIONS]
    run(
        # mmdebstrap mounts in there. In a namespace of its own no mount outlives it, however it ends.
        ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
        + ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", f"--keyring={KEYRING}", *options]
        + ["--skip=cleanup/apt/lists", f"--include={','.join(packages)}", suite, str(root), mirror.uri()],
        timeout=1500,
    )


def mask(root: Path, kind: str) -> None:
    """Switch off the units that units/ lists for hypervisors or for guests, whatever package brings them later."""
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    listed = [line for name in (kind, "idle") for line in (UNITS / f"{name}.txt").read_text().splitlines()]
    for unit in [line for line in listed if not line.startswith("#")]:
        link = folder / unit
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _without_identity(root: Path) -> None:
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)


def _guest(root: Path, place: Path) -> None:
    kernel = _kernel(root, place)
    _without_identity(root)
    shutil.rmtree(root / "var/lib/apt/lists")
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    mask(root, "guest")
    shutil.copytree(FILES / "guest", root, dirs_exist_ok=True)
    _keep_only(root / "usr/lib/systemd/system-generators", GUEST_GENERATORS)
    _keep_only(root / "usr/lib/udev/rules.d", GUEST_UDEV_RULES)
    (root / "usr/lib/udev/hwdb.bin").unlink(missing_ok=True)
    initrd.base(root, kernel, place / "initrd")
    raw = place / "disk.raw"
    run(["truncate", "-s", "4G", str(raw)])
    run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", str(root), str(raw)], timeout=300)
    shutil.rmtree(root)


def _kernel(root: Path, place: Path) -> str:
    """Unpack Debian's kernel, without its package scripts, and keep only the modules a guest here can use."""
    inside = ["chroot", str(root)]
    depends = run([*inside, "apt-cache", "depends", "linux-image-amd64"]).splitlines()
    package = next(word for line in depends for word in line.split() if word.startswith("linux-image-"))
    if package == "linux-image-amd64":
        package = next(line.split()[1] for line in depends if line.strip().startswith("Depends:"))
    folder = root / "var/cache/apt/lab"
    folder.mkdir(parents=True)
    download = f"cd /var/cache/apt/lab && apt-get download -qq -o APT::Sandbox::User=root {package} busybox-static"
    run([*inside, "sh", "-c", download], timeout=600)
    unpacked = place / "unpacked"
    for deb in folder.glob("*.deb"):
        run(["dpkg-deb", "-x", str(deb), str(unpacked)], timeout=300)
    image = next((unpacked / "boot").glob("vmlinuz-*"))
    version = image.name[len("vmlinuz-") :]
    initrd.unpack_kernel(image, place / "kernel")
    next(unpacked.glob("**/bin/busybox")).rename(place / "busybox")
    modules = next(path for path in unpacked.glob(f"**/lib/modules/{version}"))
    _prune(modules)
    target = root / "usr/lib/modules" / version
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(modules), str(target))
    shutil.rmtree(unpacked)
    run([*inside, "depmod", version], timeout=120)
    return version


def _keep_only(folder: Path, names: list[str]) -> None:
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()


def _prune(modules: Path) -> None:
    kernel = modules / "kernel"
    for file in kernel.rglob("*.ko*"):
        place = str(file.parent.relative_to(kernel))
        kept = file.name.split(".")[0] in GUEST_MODULES
        if not kept and not any(place == f or place.startswith(f + "/") for f in GUEST_MODULE_FOLDERS):
            file.unlink()
