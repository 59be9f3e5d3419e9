# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a path may be. Pure, but for :func:`symlink_in`."""

from __future__ import annotations

import errno
import functools
import os
import posixpath

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

# Of the system as a whole: each breaks the machine when it disappears, and what is in it is not for users.
_SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/efi",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
)

# A machine breaks when one of these disappears under a mount.
system_directories = frozenset(
    {
        *_SYSTEM,
        "/",
        "/boot/efi",
        "/tmp",
        "/usr/bin",
        "/usr/lib",
        "/usr/lib64",
        "/usr/libexec",
        "/usr/local",
        "/usr/sbin",
        "/usr/share",
        "/var",
        "/var/lib",
        "/var/log",
        "/var/run",
        "/var/tmp",
    }
)

# Made for mounts and for users' data: good mount points, but they belong to everybody.
public_directories = frozenset({"/home", "/media", "/mnt", "/opt", "/srv"})

# Below these everything belongs to the system. (/var, /var/lib, /tmp and the like are refused themselves, but hold
# people's data too.)
system_trees = (*_SYSTEM, "/var/lib/libvirt", "/var/lib/virtiofs", "/var/log")

# The kernel's own trees: nothing of ours belongs anywhere below them.
_kernel_trees = ("/dev", "/proc", "/sys")


# Few paths are compared with many: sources with domains, mount points with the lines of fstab.
@functools.cache
def normalized(path: str) -> str:
    """One spelling for one path: no doubled or trailing slash, no ``.`` and no ``..`` component.

    The only place that decides this: whatever is compared or used as a key goes through here. ``..`` is resolved as
    text, which is wrong behind a symlink. So :func:`problem_with_path` refuses it in what a user writes, and in what
    is read (a line of fstab, the XML of a domain) it makes two paths the same rather than different: what is taken
    is then refused, where it would else be mounted over.
    """
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)


def within(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or below it. Both normalized."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def problem_with_path(path: str) -> str | None:
    """Why this cannot be an absolute path written by a careful person, or None."""
    if not path:
        return "is empty"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "contains a control character"
    if not path.startswith("/"):
        return "is not an absolute path"
    if ".." in path.split("/"):
        return "contains '..'"
    return None


def problem_with_mount_path(path: str) -> str | None:
    """Why nothing may be mounted here, as the end of a sentence that begins with the path, or None."""
    problem = problem_with_path(path)
    if problem:
        return problem
    plain = normalized(path)
    if plain in system_directories:
        return "is a system directory, a mount there would hide it"
    for tree in _kernel_trees:
        if within(plain, tree):
            return f"is below {tree}, which belongs to the kernel"
    return None


def symlink_in(path: str) -> str | None:
    """The first component of an absolute path that is a symlink, or None. What does not exist is none.

    Asks with readlink(2), which does not ask the filesystem that is mounted on a directory: unlike
    lstat(2) it returns on the mount point of a dead virtiofsd.

    :raises VirtiofsError: a component cannot be read, or is not a directory.
    """
    so_far = ""
    for component in normalized(path).split("/")[1:]:
        so_far += "/" + component
        try:
            os.readlink(so_far)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                continue
            raise VirtiofsError(f"cannot look at {so_far}: {error.strerror}") from error
        return so_far
    return None
