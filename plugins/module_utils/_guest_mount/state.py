# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest has: its mounts, its fstab, its kernel, and the sentences about them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount

# The states of an item that is not to be mounted any more.
GOING = ("unmounted", "absent")

REMEDY = (
    "its virtiofsd on the hypervisor is probably dead (virtio.fs.virtiofs_info shows it): "
    "stop and start the domain, a reboot of the guest is not enough "
    "(virtiofs_host_apply: restart does it, with virtiofs_host_force_off: true when the guest cannot shut down)"
)


@dataclass(frozen=True)
class Kernel:
    """What the guest's kernel has of virtiofs. ``tags`` is None where it does not name them (before Linux 6.9)."""

    release: str
    loaded: bool
    loadable: bool
    modules_installed: bool
    at_boot: bool
    own_boot_file: bool
    devices: int
    tags: frozenset[str] | None

    @property
    def supported(self) -> bool:
        return self.loaded or self.loadable

    @property
    def why_unsupported(self) -> str:
        """A sentence for the case that it is not supported."""
        if not self.modules_installed:
            return (
                f"the running kernel {self.release} has no virtiofs, and its modules are not installed: "
                "reboot if the kernel was upgraded, else install the modules"
            )
        return (
            f"the running kernel {self.release} has no virtiofs: Linux 5.4, or a distribution's backport of it, is "
            "needed, and some distributions keep the module virtiofs in a package of its own"
        )


@dataclass(frozen=True)
class Directory:
    """What is under a mount point. ``missing`` are the directories to make, the parent first."""

    missing: tuple[str, ...] = ()
    symlink: str | None = None
    is_directory: bool = True
    empty: bool = True


@dataclass(frozen=True)
class GuestState:
    """Everything that a plan compares with what is wanted.

    ``directories`` are the mount points that nothing is mounted on, by path. ``disconnected`` are the mounts whose
    share was unplugged, by path, with the kernel's message. ``unresponsive`` are the shares in fstab that no item has
    mounted and that do not answer: the tag by path. ``everywhere`` has the mounts of all processes, and is only read
    where something is to be unmounted. ``users`` has the processes that use a mount which is to move, by its path.
    """

    kernel: Kernel
    mounts: tuple[Mount, ...]
    fstab: str
    fstab_path: str
    systemd: bool
    directories: Mapping[str, Directory] = field(default_factory=dict)
    disconnected: Mapping[str, str] = field(default_factory=dict)
    unresponsive: Mapping[str, str] = field(default_factory=dict)
    everywhere: tuple[Mount, ...] = ()
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def directory(self, path: str) -> Directory:
        """What is under this mount point; one that was not looked at is a good one."""
        return self.directories.get(path, Directory())


def is_share(mount: Mount, tag: str) -> bool:
    """Whether the share itself is mounted here: a bind mount of a directory in it has the same source."""
    return (mount.fstype, mount.source, mount.root) == ("virtiofs", tag, "/")


def no_such_tag(tag: str, tags: frozenset[str] | None) -> str:
    """The sentence for a tag that no virtiofs device of this guest has. ``tags`` are those of its devices."""
    advice = "add the share to the domain, or restart the domain if it waits for that"
    if tags is None:
        return f"there is no share with the tag {tag} in this guest (its kernel does not name the others): {advice}"
    if not tags:
        return f"there is no share with the tag {tag} in this guest, nor any other: {advice}"
    return f"there is no share with the tag {tag} in this guest, only {', '.join(sorted(tags))}: {advice}"
