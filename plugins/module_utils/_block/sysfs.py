# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Block devices as sysfs knows them: their nodes, their numbers, and who in the kernel holds them."""

from __future__ import annotations

import contextlib
import os
import stat

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at


def node_of(path: str, label: str, option: str) -> str:
    """The kernel's node of a block device that the user named.

    :raises VirtiofsError: it is missing or no block device.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise VirtiofsError(f"{at(label, option)}there is no device {path}") from None
    except OSError as error:
        raise VirtiofsError(f"{at(label, option)}cannot look at {path}: {error.strerror}") from error
    if not stat.S_ISBLK(status.st_mode):
        kinds = (
            (stat.S_ISDIR, "a directory"),
            (stat.S_ISCHR, "a character device"),
            (stat.S_ISREG, "a regular file (see the option image)"),
        )
        kind = next((name for test, name in kinds if test(status.st_mode)), "no device")
        raise VirtiofsError(f"{at(label, option)}{path} is {kind}, not a block device")
    node = node_at(os.path.realpath(_sys(status.st_rdev)))
    # Everything later goes by the node, and where nobody keeps /dev it can be that of another device.
    if not is_node_of(node, _devnum(status.st_rdev)):
        raise VirtiofsError(f"{at(label, option)}{path} is the device that the kernel calls {node}, and {node} is not")
    return node


def is_node_of(node: str, devnum: str) -> bool:
    """Whether the node opens the block device with this major:minor."""
    with contextlib.suppress(OSError):
        status = os.stat(node)
        return stat.S_ISBLK(status.st_mode) and _devnum(status.st_rdev) == devnum
    return False


def devnum_of(path: str) -> str | None:
    """major:minor of a device node, or None where there is no such node."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _devnum(status.st_rdev) if status.st_rdev else None


def is_partition(node: str) -> bool:
    return os.path.exists(os.path.join(sysfs_of(node), "partition"))


def can_have_partitions(node: str) -> bool:
    """Not a device of the device mapper: its partitions would be other devices of the mapper."""
    return not os.path.exists(os.path.join(sysfs_of(node), "dm"))


def whole_disk(node: str) -> str:
    """The disk that a partition is on; the device itself when it is no partition."""
    place = os.path.realpath(sysfs_of(node))
    return node_at(os.path.dirname(place)) if os.path.exists(os.path.join(place, "partition")) else node


def kernel_uses(place: str, devnum: str) -> list[str]:
    uses = [f"held by {name}" for name in holders(place)]
    with contextlib.suppress(OSError), open("/proc/swaps", encoding="utf-8", errors="surrogateescape") as swaps:
        for line in list(swaps)[1:]:
            with contextlib.suppress(OSError):
                if _devnum(os.stat(line.split()[0]).st_rdev) == devnum:
                    uses.append("used as swap")
    for name in os.listdir("/sys/class/block"):
        backing = attribute(os.path.join("/sys/class/block", name), "loop/backing_file")
        if backing.startswith("/dev/"):
            with contextlib.suppress(OSError):
                if _devnum(os.stat(backing).st_rdev) == devnum:
                    uses.append(f"held by {name}")
    return uses


def holders(place: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(os.path.join(place, "holders")))
    return []


def is_open_exclusively(node: str) -> bool:
    try:
        os.close(os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError:
        return True
    return False


def identity(place: str, devnum: str, size: int) -> str:
    """What tells this device from another one that gets its name later."""
    disk, part = place, ""
    if attribute(place, "partition"):
        disk, part = os.path.dirname(os.path.realpath(place)), f" from {attribute(place, 'start')} on"
    for name in ("dm/uuid", "wwid", "device/wwid", "loop/backing_file", "serial", "device/serial"):
        value = attribute(disk, name)
        if value:
            return f"{value} {size}{part}"
    # Numbers belong to nobody: after a boot, or when it is plugged in again, another disk can have this one.
    boot = attribute("/proc/sys/kernel/random", "boot_id")
    return f"{devnum} {size}{part} of boot {boot} {attribute(disk, 'diskseq')}".rstrip()


def _sys(device: int) -> str:
    return f"/sys/dev/block/{_devnum(device)}"


def sysfs_of(node: str) -> str:
    try:
        return _sys(os.stat(node).st_rdev)
    except OSError as error:
        raise VirtiofsError(f"cannot look at {node}: {error.strerror}") from error


def _devnum(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def node_at(place: str) -> str:
    for line in attribute(place, "uevent").splitlines():
        if line.startswith("DEVNAME="):
            return "/dev/" + line[len("DEVNAME=") :]
    return "/dev/" + os.path.basename(place).replace("!", "/")


def attribute(place: str, name: str) -> str:
    try:
        with open(os.path.join(place, name), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
