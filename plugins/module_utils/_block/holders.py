# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read who may hold a filesystem or a block device: mounts and open files of every process, running domains."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree

from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import devnum_of
from ansible_collections.virtio.fs.plugins.module_utils._block.views import View, Views, is_of_no_device
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized, within

# Where the QEMU driver keeps the state of each running domain. Reading it needs neither libvirt's Python nor
# an answer from its daemon, and finds a domain whose virtiofsd has died, which no mountinfo shows any more.
DOMAIN_STATUS = ("/run/libvirt/qemu",)

_PEERS = re.compile(r"(shared|master):([0-9]+)")


def read_views(files: Iterable[str] = ()) -> Views:
    """Read the mountinfo of every process, once for each namespace, and what each has open for writing.

    Of files only the given ones are looked for, of block devices all.
    """
    ours = _view("self")
    if ours is None:
        raise VirtiofsError("cannot read /proc/self/mountinfo")
    seen = {_place("self")}
    others = []
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        place = _place(pid)
        if place is None or place in seen:
            continue
        view = _view(pid)
        if view is not None:
            seen.add(place)
            others.append(view)
    mounts = [mount for view in (ours, *others) for mount in view.mounts]
    devices = {mount.mount_id: mount.device for mount in mounts}
    return Views(ours, tuple(others), _writers(frozenset(files), devices), devnums_of_sources(mounts))


def devnums_of_sources(mounts: Iterable[Mount]) -> dict[str, str]:
    """The device numbers of the nodes that mounts name as their source, where a mount has not that number itself."""
    sources = {mount.source for mount in mounts if is_of_no_device(mount) and mount.source.startswith("/dev/")}
    found = ((source, devnum_of(source)) for source in sources)
    return {source: devnum for source, devnum in found if devnum is not None}


def read_sharing_domains(
    paths: Iterable[str], directories: Sequence[str] = DOMAIN_STATUS
) -> dict[str, tuple[str, ...]]:
    """For each path, the running domains whose XML shares it, something in it, or something that contains it.

    :raises VirtiofsError: the state of a running domain cannot be read, so nobody can tell.
    """
    shared: list[tuple[str, str]] = []
    for directory in directories:
        for file in sorted(glob.glob(os.path.join(glob.escape(directory), "*.xml"))):
            try:
                shared += [(os.path.basename(file)[:-4], source) for source in _sources(file)]
            except FileNotFoundError:
                continue
            except (OSError, ElementTree.ParseError) as error:
                raise VirtiofsError(f"cannot read the state of a running domain, {file}: {error}") from error
    return {
        path: tuple(dict.fromkeys(name for name, source in shared if within(source, path) or within(path, source)))
        for path in paths
    }


def _sources(file: str) -> list[str]:
    root = ElementTree.parse(file).getroot()
    return [
        normalized(source.get("dir", ""))
        for filesystem in root.iter("filesystem")
        for source in filesystem.findall("source")
        if source.get("dir")
    ]


def _place(pid: str) -> tuple[str, str] | None:
    try:
        # Two processes of one namespace with different roots see different parts of it.
        return os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink(f"/proc/{pid}/root")
    except OSError:
        return None


def _view(pid: str) -> View | None:
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            text = file.read()
    except OSError:
        # It ended meanwhile, or is a zombie: it sees no mount any more.
        return None
    peers = tuple(
        frozenset(number for _kind, number in _PEERS.findall(line.partition(" - ")[0]))
        for line in text.split("\n")
        if line
    )
    return View(f"{_name(pid)} (process {pid})", mountinfo.parse(text), peers)


def _writers(files: frozenset[str], devices: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    inodes = {inode: file for file in files for inode in [_inode_at(file, devices)] if inode is not None}
    found: dict[str, dict[str, None]] = {}
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        if pid == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    what = _open_for_writing(pid, number, files)
                    if what is None and inodes:
                        what = _another_name(pid, number, inodes, devices)
                    if what is not None:
                        found.setdefault(what, {})[f"{_name(pid)} (process {pid})"] = None
    return {what: tuple(who) for what, who in found.items()}


def _open_for_writing(pid: str, number: str, files: frozenset[str]) -> str | None:
    link = f"/proc/{pid}/fd/{number}"
    # The link's own mode tells how it was opened. Only what is in /dev is asked for more: the filesystem of
    # anything else may not answer.
    if not os.lstat(link).st_mode & stat.S_IWUSR:
        return None
    target = os.readlink(link)
    if target in files:
        return target
    if not target.startswith("/dev/"):
        return None
    status = os.stat(link)
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if stat.S_ISBLK(status.st_mode) else None


def _another_name(
    pid: str, number: str, inodes: Mapping[tuple[str, str], str], devices: Mapping[int, str]
) -> str | None:
    """The file that it has open for writing by another name: a hard link, or below a bind mount."""
    link = f"/proc/{pid}/fd/{number}"
    if not os.lstat(link).st_mode & stat.S_IWUSR or not os.readlink(link).startswith("/"):
        return None
    file = inodes.get(_inode(f"/proc/{pid}/fdinfo/{number}", devices) or ("", ""))
    # Subvolumes of btrfs share their numbers. Only now is a filesystem asked, and that of the file answers.
    return file if file is not None and os.path.samestat(os.stat(link), os.stat(file)) else None


def _inode_at(path: str, devices: Mapping[int, str]) -> tuple[str, str] | None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            return _inode(f"/proc/self/fdinfo/{descriptor}", devices)
        finally:
            os.close(descriptor)
    return None


def _inode(fdinfo: str, devices: Mapping[int, str]) -> tuple[str, str] | None:
    """The device (major:minor) and the inode of an open file, without asking its filesystem; since Linux 5.14."""
    with open(fdinfo, encoding="ascii", errors="replace") as file:
        values = dict(line.split(":", 1) for line in file if line.startswith(("mnt_id:", "ino:")))
    if len(values) != 2:
        return None
    return devices.get(int(values["mnt_id"]), ""), values["ino"].strip()


def _name(pid: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return "?"
