# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands at the shared paths of this host, read without asking a filesystem that may not answer."""

from __future__ import annotations

import glob
import os
import posixpath
import re
import time
from collections.abc import Iterable, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, MemoryDirectory, Source
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._system import paths

QEMU_CONF = "/etc/libvirt/qemu.conf"

# libvirt's qemu.conf: what it is when the file does not say.
_MEMORY_DIRECTORY = "/var/lib/libvirt/qemu/ram"

_MEMORY_SETTING = re.compile(r'^\s*memory_backing_dir\s*=\s*"([^"]+)"', re.MULTILINE)

# Where libvirt puts what managedsave saves: qemu_conf.c, saveDir.
_SAVES = {"qemu:///system": "/var/lib/libvirt/qemu/save"}

_GROUP_SEARCH, _OTHER_SEARCH = 0o010, 0o001

# The names of a disk that survive a reboot, the best first.
_LINKS = ("/dev/disk/by-partuuid", "/dev/mapper", "/dev/disk/by-uuid", "/dev/disk/by-id")


def read_source(path: str, mounts: Sequence[Mount], fstab: Sequence[Entry]) -> Source:
    """One shared path as it is now. ``mounts`` as this process sees them."""
    plain = paths.normalized(path)
    mount = mountinfo.holding(mounts, plain)
    unmounted = missing_mount(plain, mounts, fstab)
    if mount is not None and mountinfo.is_remote(mount.fstype):
        return Source(plain, mount=mount, unmounted=unmounted)
    size, free = _room(plain)
    return Source(
        plain,
        exists=_exists(plain),
        mount=mount,
        unmounted=unmounted,
        sheltered=_sheltered(plain, mounts),
        size=size,
        free=free,
    )


def missing_mount(path: str, mounts: Sequence[Mount], fstab: Iterable[Entry]) -> str | None:
    """The deepest mount point at or above ``path`` that fstab names and that nothing is mounted on. Pure."""
    named = [entry.mount_point for entry in fstab if entry.mount_point != "/" and entry.path.startswith("/")]
    above = sorted((point for point in named if paths.within(path, point)), key=len, reverse=True)
    for point in above:
        if mountinfo.on_path(mounts, point) is None:
            return point
    return None


def read_daemon(tag: str, pid: int | None, binary: str | None, mounts: Sequence[Mount]) -> Daemon:
    """What the kernel tells of one virtiofsd. ``mounts`` as this process sees them."""
    if pid is None:
        return Daemon(tag, binary=binary)
    return Daemon(
        tag,
        pid=pid,
        binary=binary,
        files_limit=_files_limit(_text(f"/proc/{pid}/limits")),
        files_open=_files_open(pid),
        serves=_serves(pid, mountinfo.on_path(mounts, "/")),
        starts_again=_starts_again(_text(f"/proc/{pid}/cmdline")),
    )


def read_saved(uri: str, name: str) -> str | None:
    """When libvirt saved the memory of a domain (qemu_driver.c, qemuDomainManagedSavePath), to the minute in UTC."""
    directory = _SAVES.get(uri)
    if directory is None:
        return None
    try:
        when = os.stat(os.path.join(directory, f"{name}.save")).st_mtime
    except OSError:
        return None
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))


def _starts_again(cmdline: str | None) -> bool | None:
    return None if not cmdline else "--migration-on-error=guest-error" in cmdline.split("\0")


def read_memory_directory(configuration: str | None = None) -> MemoryDirectory | None:
    """Where libvirt puts memory files, and how much room there is. None where this user cannot see it.

    ``configuration`` is the path of qemu.conf.
    """
    text = _text(configuration or QEMU_CONF)
    if text is None and os.path.exists(configuration or QEMU_CONF):
        return None
    path = memory_setting(text or "")
    room = _room(_deepest_existing(path))[1]
    if room is None:
        return None
    return MemoryDirectory(path, room + _allocated(path))


def memory_setting(text: str) -> str:
    """``memory_backing_dir`` of a qemu.conf. Pure."""
    found = _MEMORY_SETTING.findall(text)
    return str(found[-1]) if found else _MEMORY_DIRECTORY


def read_block_links(mounts: Sequence[Mount]) -> dict[str, str]:
    """For each mounted block device, as the mounts name it, the name of it that best survives a reboot."""
    names: dict[str, str] = {}
    for directory in _LINKS:
        for link in sorted(glob.glob(f"{directory}/*")):
            names.setdefault(os.path.realpath(link), link)
    devices = {mount.source for mount in mounts if mount.source.startswith("/dev/")}
    return {device: names[os.path.realpath(device)] for device in devices if os.path.realpath(device) in names}


def _exists(path: str) -> bool | None:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return True


def _sheltered(path: str, mounts: Sequence[Mount]) -> bool | None:
    """Of the directory itself nothing is asked: whoever is root in a guest can open it up."""
    above = posixpath.dirname(path)
    while True:
        mount = mountinfo.holding(mounts, above)
        if mount is not None and mountinfo.is_remote(mount.fstype):
            return None
        try:
            status = os.stat(above)
        except FileNotFoundError:
            status = None
        except OSError:
            return None
        if status is not None:
            by_group = status.st_mode & _GROUP_SEARCH and status.st_gid != 0
            if status.st_uid == 0 and not status.st_mode & _OTHER_SEARCH and not by_group:
                return True
        if above == "/":
            return False
        above = posixpath.dirname(above)


def _room(path: str) -> tuple[int | None, int | None]:
    try:
        status = os.statvfs(path)
    except OSError:
        return None, None
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize


def _deepest_existing(path: str) -> str:
    while path != "/" and _exists(path) is False:
        path = posixpath.dirname(path)
    return path


def _allocated(directory: str) -> int:
    total = 0
    for parent, _directories, names in os.walk(directory):
        for name in names:
            try:
                # Memory files are sparse: blocks of 512 bytes say what they take, stat(2).
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _files_limit(limits: str | None) -> int | None:
    found = re.search(r"^Max open files\s+(\d+)", limits or "", re.MULTILINE)
    return int(found[1]) if found else None


def _files_open(pid: int) -> int | None:
    # The process that libvirt knows may be the parent that waits, while its child serves the guest.
    counts = []
    for each in (pid, *_children(pid)):
        try:
            counts.append(len(os.listdir(f"/proc/{each}/fd")))
        except OSError:
            continue
    return max(counts, default=None)


def _children(pid: int) -> list[int]:
    text = _text(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in (text or "").split()]


def _serves(pid: int, host: Mount | None) -> tuple[str, str] | None:
    """The mount that the daemon has as its root; None where that is the host's root (no sandbox of its own)."""
    for each in (pid, *_children(pid)):
        try:
            mounts = mountinfo.current(each)
        except VirtiofsError:
            continue
        root = mountinfo.on_path(mounts, "/")
        if root is not None and (host is None or (root.device, root.root) != (host.device, host.root)):
            return root.device, root.root
    return None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None
