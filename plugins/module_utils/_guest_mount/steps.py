# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be done to the mounts of a guest, one effect each. What a hypervisor does too is in ``_mounts.steps``."""

from __future__ import annotations

import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import REMEDY, is_share, no_such_tag
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mount, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount
from ansible_collections.virtio.fs.plugins.module_utils._mounts.steps import MakeDirectory, Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Stuck, touch
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, check, run
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import symlink_in

_PAUSE_SECONDS = 0.5

# A step that comes when the time of the run is over gets this long: what works, answers at once.
_LEAST_SECONDS = 1

# To undo what failed is no part of the run's time.
_UNDO_SECONDS = 10

_UNKNOWN_OPTION = re.compile(r"virtio-?fs: Unknown parameter '(.*)'")


class Guest(Target):
    """Where the steps work, for one run. Its time begins when this is made and is ``wait_seconds`` long."""

    remedy = REMEDY

    def __init__(self, fstab_path: str, wait_seconds: float) -> None:
        self.fstab = fstab_path
        self._deadline = time.monotonic() + wait_seconds

    def seconds(self) -> int:
        """What is left of the run's time: whole seconds, rounded up, and at least one."""
        return max(math.ceil(self._deadline - time.monotonic()), _LEAST_SECONDS)

    def is_over(self) -> bool:
        return time.monotonic() >= self._deadline


@dataclass(frozen=True)
class LoadModule:
    summary: str = "load the kernel module virtiofs"

    def apply(self, guest: Guest) -> None:
        kernel.load(guest.seconds())


@dataclass(frozen=True)
class LoadModuleAtBoot:
    summary: str = "have the kernel module virtiofs loaded at boot"

    def apply(self, guest: Guest) -> None:
        if os.path.isdir(os.path.dirname(kernel.BOOT_FILE)):
            files.edit(kernel.BOOT_FILE, lambda _text: kernel.BOOT_FILE_TEXT)
        else:
            files.edit("/etc/modules", _with_module)


@dataclass(frozen=True)
class ForgetModuleAtBoot:
    summary: str = "no longer have the kernel module virtiofs loaded at boot"

    def apply(self, guest: Guest) -> None:
        files.remove(kernel.BOOT_FILE)


@dataclass(frozen=True)
class Mount:
    """Mount a share. ``missing`` are the directories to make for it, the parent first, removed when it fails."""

    tag: str
    path: str
    options: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"mount {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        # What was mounted above it when this was planned may have had the directory, and may be gone.
        missing = self.missing or _missing(self.tag, self.path)
        try:
            for path in missing:
                MakeDirectory(path).apply(guest)
            while not self._tried(guest):
                time.sleep(_PAUSE_SECONDS)
        except VirtiofsError:
            _remove(missing)
            raise
        answer(self.tag, self.path, guest.seconds())

    def _tried(self, guest: Guest) -> bool:
        with kernel.kernel_log() as messages:
            try:
                options = ",".join(for_mount(self.options, mount.is_busybox("mount")))
                argv = [*mount.as_given("mount"), "-t", "virtiofs", "-o", options, "--", self.tag, self.path]
                mount.alone(argv, self.path, guest.seconds())
            except (CommandTimeout, Stuck) as error:
                raise VirtiofsError(f"cannot mount {self.tag} on {self.path}: {error}; {REMEDY}") from error
            except VirtiofsError as error:
                log = messages()
                if _is_mounted(self.tag, self.path):
                    return True
                # A share that was plugged in a moment ago shows up a moment later.
                if _tag_missing(self.tag, log) and not guest.is_over():
                    return False
                raise VirtiofsError(why_not_mounted(self.tag, self.path, str(error), log)) from error
        return True


@dataclass(frozen=True)
class Unmount:
    tag: str
    path: str

    @property
    def summary(self) -> str:
        return f"unmount {self.tag} from {self.path}"

    def apply(self, guest: Guest) -> None:
        try:
            mount.alone([*mount.as_given("umount"), "--", self.path], self.path, guest.seconds())
        except (CommandTimeout, Stuck) as error:
            raise VirtiofsError(f"cannot unmount {self.path}: {error}; {REMEDY}") from error
        except VirtiofsError as error:
            users = mount.users_of(self.path)
            by = f"; in use by {', '.join(users)}" if users else ""
            raise VirtiofsError(f"cannot unmount {self.path}: {error}{by}") from error


@dataclass(frozen=True)
class StartAutomount:
    """``before`` is the line of fstab that was there, put back when it does not work."""

    tag: str
    path: str
    before: Entry | None
    missing: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"start the automount of {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        try:
            check(["systemctl", "start", automount_unit(self.path)], timeout=guest.seconds())
            # The first touch mounts it; only then is it known to work.
            answer(self.tag, self.path, guest.seconds())
        except VirtiofsError:
            # The message of what went wrong first is the one that matters, and fstab is put back whatever comes.
            with suppress(VirtiofsError):
                run(["systemctl", "stop", automount_unit(self.path)], timeout=_UNDO_SECONDS)
            fstab.edit(guest.fstab, self._without)
            with suppress(VirtiofsError):
                mount.reload_units()
            _remove(self.missing)
            raise

    def _without(self, text: str) -> str:
        if self.before is not None:
            return fstab.with_entry(text, self.before)
        return fstab.without_entries(
            text, lambda entry: (entry.spec, entry.mount_point, entry.fstype) == (self.tag, self.path, "virtiofs")
        )


@dataclass(frozen=True)
class StopAutomount:
    tag: str
    path: str

    @property
    def summary(self) -> str:
        return f"stop the automount of {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        check(["systemctl", "stop", automount_unit(self.path)], timeout=guest.seconds())


def answer(tag: str, path: str, seconds: float) -> None:
    """Ask the share for something that only its daemon knows.

    :raises VirtiofsError: it does not answer within ``seconds``, or answers with an error.
    """
    try:
        # Attributes may come from the guest's cache, statfs never does.
        touch(path, lambda: [os.statvfs(path).f_bsize], seconds)
    except Stuck as error:
        raise VirtiofsError(f"the share {tag} is mounted, but {error}: {REMEDY}") from error
    except VirtiofsError as error:
        raise VirtiofsError(f"the share {tag} on {path} does not work: {error}") from error


def automount_unit(path: str) -> str:
    """The name of the unit, systemd.unit(5) "String escaping for inclusion in unit names"."""
    return check(["systemd-escape", "--path", "--suffix=automount", path], timeout=10).stdout.strip()


def why_not_mounted(tag: str, path: str, message: str, log: list[str]) -> str:
    """The sentence for a mount that failed, from the messages of mount(8) and of the kernel."""
    if _tag_missing(tag, log):
        return no_such_tag(tag, kernel.read_tags())
    for line in (message, *log):
        unknown = _UNKNOWN_OPTION.search(line)
        if unknown:
            return f"cannot mount {tag} on {path}: the kernel does not know the option {unknown.group(1)!r}"
    if "unknown filesystem type" in message:
        return f"cannot mount {tag} on {path}: {kernel.read_kernel().why_unsupported}"
    return f"cannot mount {tag} on {path}: {message}"


def _is_mounted(tag: str, path: str) -> bool:
    """Whether another run was faster."""
    there = mountinfo.on_path(mountinfo.current(), path)
    return there is not None and is_share(there, tag)


def _tag_missing(tag: str, log: list[str]) -> bool:
    tags = kernel.read_tags()
    return f"virtio-fs: tag <{tag}> not found" in log or (tags is not None and tag not in tags)


def _with_module(text: str) -> str:
    return text + ("" if text.endswith("\n") or not text else "\n") + "virtiofs\n"


def _missing(tag: str, path: str) -> tuple[str, ...]:
    symlink = symlink_in(path)
    if symlink is not None:
        raise VirtiofsError(at(f"share {tag}", "path") + f"{symlink} is a symbolic link, give the path that it means")
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return tuple(missing)


def _remove(directories: tuple[str, ...]) -> None:
    for path in reversed(directories):
        # Somebody uses it meanwhile: then it stays.
        with suppress(OSError):
            os.rmdir(path)
