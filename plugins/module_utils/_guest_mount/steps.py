# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be done to the mounts of a guest, one effect each."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import kernel
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mount, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import for_mount, for_remount, meaning
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Stuck, only_one, touch
from ansible_collections.virtio.fs.plugins.module_utils._system.command import CommandTimeout, check, run

REMEDY = (
    "its virtiofsd on the hypervisor is probably dead (virtio.fs.virtiofs_info tells): "
    "stop and start the domain, a reboot of the guest is not enough "
    "(virtiofs_host_apply: restart does it, with virtiofs_host_force_off: true when the guest cannot shut down)"
)

_UNKNOWN_OPTION = re.compile(r"virtio-?fs: Unknown parameter '(.*)'")
_NO_HELP = " dmesg(1) may have more information after failed mount system call."


@dataclass(frozen=True)
class Guest:
    """Where the steps work. ``wait`` is in seconds."""

    fstab: str
    wait: float


@dataclass(frozen=True)
class LoadModule:
    summary: str = "load the kernel module virtiofs"

    def apply(self, guest: Guest) -> None:
        kernel.load(guest.wait)


@dataclass(frozen=True)
class LoadModuleAtBoot:
    summary: str = "have the kernel module virtiofs loaded at boot"

    def apply(self, guest: Guest) -> None:
        if os.path.isdir(os.path.dirname(kernel.boot_file)):
            files.edit(kernel.boot_file, lambda _text: kernel.boot_file_text)
        else:
            files.edit("/etc/modules", _with_module)


@dataclass(frozen=True)
class ForgetModuleAtBoot:
    summary: str = "no longer have the kernel module virtiofs loaded at boot"

    def apply(self, guest: Guest) -> None:
        files.remove(kernel.boot_file)


@dataclass(frozen=True)
class MakeDirectory:
    path: str

    @property
    def summary(self) -> str:
        return f"make the directory {self.path}"

    def apply(self, guest: Guest) -> None:
        _make((self.path,))


@dataclass(frozen=True)
class MountShare:
    """``missing`` are the directories to make for it, the parent first, removed again when it fails."""

    tag: str
    path: str
    options: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"mount {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        deadline = time.monotonic() + guest.wait
        try:
            _make(self.missing)
            while not self._tried(guest, deadline):
                time.sleep(0.5)
        except VirtiofsError:
            _remove(self.missing)
            raise
        answer(self.tag, self.path, guest.wait)

    def _tried(self, guest: Guest, deadline: float) -> bool:
        with kernel.kernel_log() as said:
            try:
                options = ",".join(for_mount(self.options, mount.is_busybox("mount")))
                argv = [*mount.as_given("mount"), "-t", "virtiofs", "-o", options, "--", self.tag, self.path]
                _alone(argv, self.path, guest.wait)
            except (CommandTimeout, Stuck) as error:
                raise VirtiofsError(f"cannot mount {self.tag} on {self.path}: {error}; {REMEDY}") from error
            except VirtiofsError as error:
                log = said()
                if _mounted_meanwhile(self.tag, self.path):
                    return True
                # A share that was plugged in a moment ago shows up a moment later.
                if _tag_missing(self.tag, log) and time.monotonic() < deadline:
                    return False
                raise VirtiofsError(_why_not_mounted(self.tag, self.path, str(error), log)) from error
        return True


@dataclass(frozen=True)
class ChangeOptions:
    tag: str
    path: str
    options: tuple[str, ...]

    @property
    def summary(self) -> str:
        return f"change the options of {self.path} to {','.join(for_remount(meaning(self.options)))}"

    def apply(self, guest: Guest) -> None:
        options = "remount," + ",".join(for_remount(meaning(self.options)))
        try:
            # With source and path both given, mount(8) leaves fstab's options out of it.
            argv = [*mount.as_given("mount"), "-o", options, "--", self.tag, self.path]
            _alone(argv, self.path, guest.wait)
        except (CommandTimeout, Stuck) as error:
            raise VirtiofsError(f"cannot change the options of {self.path}: {error}; {REMEDY}") from error
        except VirtiofsError as error:
            raise VirtiofsError(f"cannot change the options of {self.path}: {error}") from error


@dataclass(frozen=True)
class Unmount:
    tag: str
    path: str

    @property
    def summary(self) -> str:
        return f"unmount {self.tag} from {self.path}"

    def apply(self, guest: Guest) -> None:
        try:
            _alone([*mount.as_given("umount"), "--", self.path], self.path, guest.wait)
        except (CommandTimeout, Stuck) as error:
            raise VirtiofsError(f"cannot unmount {self.path}: {error}; {REMEDY}") from error
        except VirtiofsError as error:
            users = mount.users_of(self.path)
            by = f"; in use by {', '.join(users)}" if users else ""
            raise VirtiofsError(f"cannot unmount {self.path}: {error}{by}") from error


@dataclass(frozen=True)
class WriteLine:
    entry: mounts_fstab.Entry
    fstab: str

    @property
    def summary(self) -> str:
        return f"write the line of {self.entry.spec} on {self.entry.path} to {self.fstab}"

    def apply(self, guest: Guest) -> None:
        mounts_fstab.edit(guest.fstab, self._written)

    def _written(self, text: str) -> str:
        for other in mounts_fstab.entries(text):
            if other.mount_point == self.entry.mount_point and (other.spec, other.fstype) != (
                self.entry.spec,
                self.entry.fstype,
            ):
                # It was not there when this was planned.
                raise VirtiofsError(
                    f"{self.fstab} meanwhile has a line for {other.spec} ({other.fstype}) on {other.mount_point}"
                )
        return mounts_fstab.with_entry(text, self.entry)


@dataclass(frozen=True)
class RemoveLine:
    tag: str
    path: str
    fstab: str

    @property
    def summary(self) -> str:
        return f"remove the line of {self.tag} on {self.path} from {self.fstab}"

    def apply(self, guest: Guest) -> None:
        mounts_fstab.edit(guest.fstab, lambda text: mounts_fstab.without_entries(text, self._is_it))

    def _is_it(self, entry: mounts_fstab.Entry) -> bool:
        return (entry.spec, entry.mount_point, entry.fstype) == (self.tag, self.path, "virtiofs")


@dataclass(frozen=True)
class ReadUnitsAgain:
    summary: str = "have systemd read fstab again"

    def apply(self, guest: Guest) -> None:
        mount.reload_units()


@dataclass(frozen=True)
class StartAutomount:
    """``before`` is the line of fstab that was there, put back when it does not work."""

    tag: str
    path: str
    before: mounts_fstab.Entry | None
    missing: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return f"start the automount of {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        try:
            check(["systemctl", "start", automount_unit(self.path)], timeout=guest.wait)
            # The first touch mounts it; only then is it known to work.
            answer(self.tag, self.path, guest.wait)
        except VirtiofsError:
            run(["systemctl", "stop", automount_unit(self.path)], timeout=guest.wait)
            before = self.before
            if before is not None:
                mounts_fstab.edit(guest.fstab, lambda text: mounts_fstab.with_entry(text, before))
            else:
                RemoveLine(self.tag, self.path, guest.fstab).apply(guest)
            with suppress(VirtiofsError):
                mount.reload_units()
            _remove(self.missing)
            raise


@dataclass(frozen=True)
class StopAutomount:
    tag: str
    path: str

    @property
    def summary(self) -> str:
        return f"stop the automount of {self.tag} on {self.path}"

    def apply(self, guest: Guest) -> None:
        check(["systemctl", "stop", automount_unit(self.path)], timeout=guest.wait)


def answer(tag: str, path: str, wait: float) -> None:
    """Ask the share for something that only its daemon knows.

    :raises VirtiofsError: it does not answer within ``wait`` seconds, or says that it is gone.
    """
    try:
        # Attributes may come from the guest's cache, statfs never does.
        touch(path, lambda: [os.statvfs(path).f_bsize], wait)
    except Stuck as error:
        raise VirtiofsError(f"the share {tag} is mounted, but {error}: {REMEDY}") from error
    except VirtiofsError as error:
        raise VirtiofsError(f"the share {tag} on {path} does not work: {error}") from error


def automount_unit(path: str) -> str:
    """The name of the unit, systemd.unit(5) "String escaping for inclusion in unit names"."""
    return check(["systemd-escape", "--path", "--suffix=automount", path], timeout=10).stdout.strip()


def _alone(argv: list[str], path: str, seconds: float) -> None:
    with only_one(path, seconds) as lock:
        done = run(argv, timeout=seconds, keep=[lock])
    if done.returncode != 0:
        raise VirtiofsError(done.message.replace(_NO_HELP, "").rstrip("."))


def _mounted_meanwhile(tag: str, path: str) -> bool:
    """Whether another run was faster."""
    there = mountinfo.on_path(mountinfo.current(), path)
    return there is not None and (there.fstype, there.source, there.root) == ("virtiofs", tag, "/")


def _tag_missing(tag: str, log: list[str]) -> bool:
    there = kernel.tags()
    return f"virtio-fs: tag <{tag}> not found" in log or (there is not None and tag not in there)


def _why_not_mounted(tag: str, path: str, said: str, log: list[str]) -> str:
    if _tag_missing(tag, log):
        return no_such_tag(tag, kernel.tags())
    for line in (said, *log):
        unknown = _UNKNOWN_OPTION.search(line)
        if unknown:
            return f"cannot mount {tag} on {path}: the kernel does not know the option {unknown.group(1)!r}"
    if "unknown filesystem type" in said:
        return f"cannot mount {tag} on {path}: {kernel.read().why_unsupported}"
    return f"cannot mount {tag} on {path}: {said}"


def no_such_tag(tag: str, there: frozenset[str] | None) -> str:
    """The sentence for a tag that no virtiofs device of this guest has."""
    advice = "add the share to the domain, or restart the domain if it waits for that"
    if there is None:
        return f"there is no share with the tag {tag} in this guest (its kernel does not tell the others): {advice}"
    if not there:
        return f"there is no share with the tag {tag} in this guest, nor any other: {advice}"
    return f"there is no share with the tag {tag} in this guest, only {', '.join(sorted(there))}: {advice}"


def _with_module(text: str) -> str:
    return text + ("" if text.endswith("\n") or not text else "\n") + "virtiofs\n"


def _make(directories: tuple[str, ...]) -> None:
    for path in directories:
        try:
            try:
                os.mkdir(path, 0o755)
            except FileExistsError:
                # A run beside this one was faster, or it is no directory and the mount will say so.
                continue
            # Whatever umask this run has: a mount point is for everybody to pass.
            os.chmod(path, 0o755)
        except OSError as error:
            raise VirtiofsError(f"cannot make the directory {path}: {error.strerror}") from error


def _remove(directories: tuple[str, ...]) -> None:
    for path in reversed(directories):
        # Somebody uses it meanwhile: then it stays.
        with suppress(OSError):
            os.rmdir(path)
