# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mount, remount, bind and unmount with mount(8) and umount(8), and name who keeps a mount from being unmounted."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import current, on_path
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Stuck, only_one
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, check, run
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import within

# Enough to know whom to ask.
_USERS_NAMED = 5

# What fstab(5) has names of devices of: each has a directory below /dev/disk.
_BY_NAME = ("LABEL", "UUID", "PARTLABEL", "PARTUUID")

_POLL_SECONDS = 0.2

_NO_HELP = " dmesg(1) may have more information after failed mount system call."


def as_given(program: str) -> list[str]:
    """The beginning of a call of ``mount`` or ``umount`` that takes names as they are.

    A source like "data" is not a file name to be completed, and a path that does not answer must not be resolved.
    busybox does neither, and has no option for it.
    """
    return [program] if is_busybox(program) else [program, "-c"]


def is_busybox(program: str) -> bool:
    found = shutil.which(program)
    return found is not None and "busybox" in os.path.basename(os.path.realpath(found))


def alone(argv: list[str], path: str, seconds: float) -> None:
    """Call mount(8) or umount(8) for a path that may not answer, and never beside another process that waits there.

    :raises Stuck: an earlier process still waits for an answer from this path.
    :raises CommandTimeout: it did not end within ``seconds``, and may be left behind; it keeps the path's lock.
    :raises VirtiofsError: with the program's own message, on one line and without a full stop.
    """
    with only_one(path, seconds) as lock:
        done = run(argv, timeout=seconds, keep=[lock])
    if done.returncode != 0:
        raise VirtiofsError(done.message.replace(_NO_HELP, "").rstrip("."))


def mount(source: str, path: str, fstype: str, options: Iterable[str], timeout: float = 30) -> None:
    """Mount, and raise a VirtiofsError with mount's own message when that fails."""
    check([*as_given("mount"), "-t", fstype, "-o", _joined(options), "--", source, path], timeout=timeout)


def remount(path: str, options: Iterable[str], timeout: float = 30) -> None:
    """Give a mount these options and no others, keeping it mounted throughout.

    :raises Stuck: and the others of :func:`alone`.
    :raises VirtiofsError: nothing is mounted there, or mount's own message.
    """
    mounted = on_path(current(), path)
    if mounted is None:
        raise VirtiofsError(f"cannot change the options of {path}: nothing is mounted there")
    try:
        # With source and path both given, mount(8) leaves fstab's options out of it.
        alone([*as_given("mount"), "-o", "remount," + _joined(options), "--", mounted.source, path], path, timeout)
    except (CommandTimeout, Stuck):
        raise
    except VirtiofsError as error:
        raise VirtiofsError(f"cannot change the options of {path}: {error}") from error


def bind(source: str, path: str, readonly: bool, timeout: float = 30) -> None:
    """Show a directory at a second place. Nothing stays mounted when making it read-only fails."""
    check([*as_given("mount"), "--bind", "--", source, path], timeout=timeout)
    if not readonly:
        return
    try:
        # A bind mount takes options only in a second call, mount(8), and keeps none that are not given in it.
        check([*as_given("mount"), "-o", "remount,bind,ro,nosuid,nodev", "--", source, path], timeout=timeout)
    except VirtiofsError:
        run([*as_given("umount"), "--", path], timeout=timeout)
        raise


def unmount(path: str, timeout: float = 30) -> None:
    """Unmount what is topmost on this path, and raise a VirtiofsError with umount's own message."""
    check([*as_given("umount"), "--", path], timeout=timeout)


def users_of(path: str) -> tuple[str, ...]:
    """The processes that have something below this path open, as ``name (pid)``; the first few of them."""
    found: dict[str, None] = {}
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        try:
            links = ["cwd", "root", *(f"fd/{name}" for name in os.listdir(f"/proc/{pid}/fd"))]
            # Only links are read: asking for the file behind one would ask the filesystem.
            if any(within(_target(f"/proc/{pid}/{link}"), path) for link in links):
                found[f"{_name(pid)} ({pid})"] = None
        except OSError:
            # It ended meanwhile.
            continue
        if len(found) == _USERS_NAMED:
            break
    return tuple(found)


def reload_units() -> None:
    """Let systemd, where it runs, make its mount units from the fstab of now."""
    if os.path.isdir("/run/systemd/system"):
        check(["systemctl", "daemon-reload"], timeout=60)


def wait_for_device(spec: str, seconds: float) -> None:
    """Wait until udev, where it and systemd run, has seen everything, and systemd has the device of this fstab line.

    A mount unit is bound to its device (systemd.mount(5), "BindsTo"). A new table makes the kernel take its partitions
    away and add them again. When udev comes to such a "remove" only after the mount, systemd unmounts it, also minutes
    later (seen with systemd 257), and so it does with what was mounted before it knew the device.

    :raises VirtiofsError: that is not so after so many seconds.
    """
    path = _device_path(spec)
    if path is None or not (os.path.isdir("/run/systemd/system") and os.path.exists("/run/udev/control")):
        return
    deadline = time.monotonic() + seconds
    settled = run(["udevadm", "settle", f"--timeout={seconds:.0f}"], timeout=seconds + 5).returncode == 0
    # systemctl(1): a path below /dev stands for its device unit.
    while not (settled and _is_active(path)):
        if not settled or time.monotonic() >= deadline:
            raise VirtiofsError(
                f"udev and systemd are not done with the device {path} after {seconds:g} seconds, and would unmount it "
                "again: see with journalctl --unit systemd-udevd what udev is busy with, then run it again"
            )
        time.sleep(_POLL_SECONDS)


def _is_active(path: str) -> bool:
    return check(["systemctl", "show", "--property=ActiveState", "--value", path]).stdout.strip() == "active"


def _device_path(spec: str) -> str | None:
    """The name below /dev that the first field of fstab stands for: fstab(5)."""
    if spec.startswith("/dev/"):
        return spec
    kind, equals, name = spec.partition("=")
    return f"/dev/disk/by-{kind.lower()}/{name}" if equals and kind in _BY_NAME else None


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        # Closed meanwhile.
        return ""


def _name(pid: str) -> str:
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="surrogateescape") as file:
        return file.read().strip()


def _joined(options: Iterable[str]) -> str:
    return ",".join(options) or "defaults"
