# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the guest's kernel about virtiofs: the driver, the devices, their tags, its messages. And load the driver."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import Kernel
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check

# VIRTIO_ID_FS, include/uapi/linux/virtio_ids.h.
_FS_DEVICE = 26

# modules-load.d(5)
_MODULES_LOAD = (
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
)

BOOT_FILE = "/etc/modules-load.d/virtiofs.conf"
BOOT_FILE_TEXT = "# Written by the Ansible collection virtio.fs, for the virtiofs lines of fstab.\nvirtiofs\n"


def read_kernel(root: str = "") -> Kernel:
    """Ask /proc, /sys and /lib/modules; nothing is loaded."""
    release = os.uname().release
    modules = f"{root}/lib/modules/{release}"
    loaded = "virtiofs" in _text(f"{root}/proc/filesystems").split()
    built_in = "/virtiofs.ko" in _text(f"{modules}/modules.builtin")
    is_module = "/virtiofs.ko" in _text(f"{modules}/modules.dep")
    return Kernel(
        release=release,
        loaded=loaded or built_in,
        loadable=is_module,
        modules_installed=os.path.isdir(modules),
        # Registered though no module of that name is there: it can only be built in.
        at_boot=built_in or (loaded and not is_module) or _loaded_at_boot(root),
        own_boot_file=_text(root + BOOT_FILE) == BOOT_FILE_TEXT,
        devices=_devices(f"{root}/sys/bus/virtio/devices"),
        tags=read_tags(root),
    )


def read_tags(root: str = "") -> frozenset[str] | None:
    """The tags that are there, or None where the kernel does not name them: /sys/fs/virtiofs, Linux 6.9."""
    directory = f"{root}/sys/fs/virtiofs"
    if not os.path.isdir(directory):
        return None
    found = (_text(f"{directory}/{name}/tag") for name in os.listdir(directory))
    return frozenset(text[:-1] if text.endswith("\n") else text for text in found if text)


def load(timeout: float) -> None:
    """Load the module, and its filesystem with it."""
    check(["modprobe", "virtiofs"], timeout=timeout)


@contextmanager
def kernel_log() -> Iterator[Callable[[], list[str]]]:
    """Yields a function that returns the messages of the kernel since the block began."""
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # A container, or somebody who may not read it: the message of mount(8) has to do.
        yield list
        return
    try:
        os.lseek(log, 0, os.SEEK_END)
        yield lambda: list(_records(log))
    finally:
        os.close(log)


def _records(log: int) -> Iterator[str]:
    while True:
        try:
            record = os.read(log, 8192)
        except BrokenPipeError:
            # Overwritten before we read it; the next read goes on with what is there.
            continue
        except OSError:
            return
        text = record.decode("utf-8", "replace").partition(";")[2]
        yield text.split("\n", 1)[0]


def _loaded_at_boot(root: str) -> bool:
    files = [f"{root}/etc/modules"]
    for directory in _MODULES_LOAD:
        if os.path.isdir(root + directory):
            files += [f"{root}{directory}/{name}" for name in os.listdir(root + directory) if name.endswith(".conf")]
    return any(line.split()[:1] == ["virtiofs"] for file in files for line in _text(file).splitlines())


def _devices(directory: str) -> int:
    if not os.path.isdir(directory):
        return 0
    kinds = [_text(f"{directory}/{name}/device").strip() for name in os.listdir(directory)]
    return sum(1 for kind in kinds if kind and int(kind, 16) == _FS_DEVICE)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError:
        # Not there, or unplugged meanwhile.
        return ""
