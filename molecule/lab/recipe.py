# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in an image. A change here, in initrd.py or below files/ makes new images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, List

import initrd
import mirror
from machine import run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FILES = Path(__file__).parent / "files"

HYPERVISOR_BASE = ["systemd-sysv", "dbus", "openssh-server", "python3", "udev", "iproute2", "ca-certificates"]
# What is needed to define guests. virtiofsd, python3-libvirt, python3-lxml and the disk tools are the role's job.
HYPERVISOR_LIBVIRT = ["libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86"]
GUEST = ["systemd-sysv", "dbus", "openssh-server", "python3", "udev", "kmod", "iproute2", "qemu-guest-agent", "fio"]

IDLE_UNITS = [
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "man-db.timer", "motd-news.timer", "systemd-tmpfiles-clean.timer", "logrotate.timer",
]  # fmt: skip
# Without KVM every process that a boot starts costs a third of a second, so a guest starts few: its initial RAM disk has
# done the network and the root disk, and nobody logs in but over ssh.
GUEST_MASKED = [
    "console-setup.service", "dbus.service", "dbus-org.freedesktop.login1.service", "dev-hugepages.mount", "dev-mqueue.mount",
    "getty.target", "getty@tty1.service", "keyboard-setup.service", "kmod-static-nodes.service", "ldconfig.service",
    "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
    "modprobe@fuse.service", "networking.service", "proc-sys-fs-binfmt_misc.automount", "run-lock.mount",
    "serial-getty@ttyS0.service", "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path", "systemd-ask-password-wall.path", "systemd-binfmt.service", "systemd-creds.socket",
    "systemd-firstboot.service", "systemd-hwdb-update.service", "systemd-initctl.socket",
    "systemd-journal-catalog-update.service", "systemd-journal-flush.service", "systemd-logind.service",
    "systemd-machine-id-commit.service", "systemd-modules-load.service", "systemd-pcrextend.socket",
    "systemd-pcrlock.socket", "systemd-pstore.service", "systemd-random-seed.service", "systemd-remount-fs.service",
    "systemd-sysctl.service", "systemd-sysext.socket", "systemd-sysusers.service", "systemd-tmpfiles-setup-dev-early.service",
    "systemd-udev-load-credentials.service", "systemd-update-done.service", "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service", "systemd-user-sessions.service", "tmp.mount",
]  # fmt: skip
# fstab mounts are what the collection is about; the other generators find nothing in a guest.
GUEST_GENERATORS = ["systemd-fstab-generator"]
GUEST_UDEV_RULES = ["50-udev-default.rules", "60-block.rules", "60-persistent-storage.rules", "60-qemu-guest-agent.rules",
                    "80-drivers.rules", "99-systemd.rules"]  # fmt: skip
# Kernel modules that stay in a guest image: whole folders, or single modules by name.
GUEST_MODULE_FOLDERS = [
    "fs/fuse", "fs/9p", "net/9p", "fs/nfs", "fs/nfs_common", "fs/lockd", "net/sunrpc", "fs/smb", "fs/netfs", "fs/ext4",
    "fs/jbd2", "fs/overlayfs", "fs/cachefiles", "fs/fscache", "drivers/virtio", "lib", "crypto", "arch/x86/crypto",
]  # fmt: skip
GUEST_MODULES = ["virtio_blk", "virtio_net", "net_failover", "failover", "virtio_console", "virtio-rng", "rng-core", "virtio_rng", "loop",
                 "mbcache", "dns_resolver", "autofs4", "grace", "virtio_scsi", "button", "autofs"]  # fmt: skip

NO_DOCS = ["path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*",
           "path-exclude=/usr/share/locale/*", "path-include=/usr/share/doc/*/copyright", "force-unsafe-io"]  # fmt: skip


def fingerprint(image: str) -> Dict[str, object]:
    """All that decides what an image holds; its hash names the image in the cache."""
    kind = image.split("-", 1)[0]
    here = Path(__file__).parent
    sources = [here / "recipe.py"]
    if kind == "guest":
        sources += [here / "initrd.py", *sorted(file for file in (FILES / "guest").rglob("*") if file.is_file())]
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


def _bootstrap(suite: str, root: Path, packages: List[str]) -> None:
    options = [f"--aptopt={line}" for line in mirror.proxy_options()] + [f"--dpkgopt={line}" for line in NO_DOCS]
    run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", f"--keyring={KEYRING}", *options]
        + ["--skip=cleanup/apt/lists", f"--include={','.join(packages)}", suite, str(root), mirror.uri()],
        timeout=1500,
    )


def mask(root: Path, units: List[str]) -> None:
    """Switch units off for good, whatever package brings them later."""
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    for unit in units:
        link = folder / unit
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
    mask(root, GUEST_MASKED + IDLE_UNITS)
    shutil.copytree(FILES / "guest", root, dirs_exist_ok=True)
    _keep_only(root / "usr/lib/systemd/system-generators", GUEST_GENERATORS)
    _keep_only(root / "usr/lib/udev/rules.d", GUEST_UDEV_RULES)
    (root / "usr/lib/udev/hwdb.bin").unlink(missing_ok=True)
    initrd.base(root, kernel, place / "initrd")
    raw = place / "disk.raw"
    run(["truncate", "-s", "4G", str(raw)])
    run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", "lazy_itable_init=1", "-d", str(root), str(raw)], timeout=300)
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
    for name in (package, "busybox-static"):
        run([*inside, "sh", "-c", f"cd /var/cache/apt/lab && apt-get download -qq -o APT::Sandbox::User=root {name}"], timeout=600)
    unpacked = place / "unpacked"
    for deb in folder.glob("*.deb"):
        run(["dpkg-deb", "-x", str(deb), str(unpacked)], timeout=300)
    image = next((unpacked / "boot").glob("vmlinuz-*"))
    version = image.name[len("vmlinuz-") :]
    initrd.unpack_kernel(image, place / "kernel")
    busybox = unpacked / "usr/bin/busybox"
    (busybox if busybox.exists() else unpacked / "bin/busybox").rename(place / "busybox")
    modules = next(p for p in (unpacked / "usr/lib/modules" / version, unpacked / "lib/modules" / version) if p.exists())
    _prune(modules)
    target = root / "usr/lib/modules" / version
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(str(modules), str(target))
    shutil.rmtree(unpacked)
    run([*inside, "depmod", version], timeout=120)
    return version


def _keep_only(folder: Path, names: List[str]) -> None:
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


