# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what a guest has mounted, and whether it answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.kernel import read_kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.state import (
    GOING,
    REMEDY,
    Directory,
    GuestState,
    is_share,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.unlisted import unlisted
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import Wanted, WantedMount
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mount import users_of
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Work, touch_all
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import symlink_in

# What a mount says whose device was unplugged, or whose automount finds no share.
_DISCONNECTED = (errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.EIO)


def read(wanted: Wanted, fstab_path: str, seconds: float) -> GuestState:
    """Read everything that a plan for these mounts needs. Mounts are only asked in bounded children.

    :raises VirtiofsError: a share that is to stay mounted does not answer within ``seconds``.
    """
    mounts = mountinfo.current()
    asked = [item for item in wanted.mounts if item.state == "mounted" and _is_asked(mounts, item)]
    systemd = os.path.isdir("/run/systemd/system")
    text = fstab.read(fstab_path)
    others = others_in_fstab(mounts, text, wanted, asked) if systemd else {}
    disconnected, unresponsive = _ask(asked, others, seconds)
    # To ask an automount mounts it.
    mounts = mountinfo.current() if asked else mounts
    sorted_out = unlisted(text, mounts, wanted)
    going = wanted.prune or bool(sorted_out.leaving) or any(item.state in GOING for item in wanted.mounts)
    moving = [path for path in sorted_out.moves if _has_share(mounts, path)]
    return GuestState(
        kernel=read_kernel(),
        mounts=mounts,
        fstab=text,
        fstab_path=fstab_path,
        systemd=systemd,
        directories={item.path: read_directory(item.path) for item in wanted.mounts if _is_bare(mounts, item)},
        disconnected=disconnected,
        unresponsive=unresponsive,
        everywhere=mountinfo.in_every_namespace() if going else (),
        users={path: users_of(path) for path in moving},
    )


def _is_asked(mounts: Sequence[Mount], item: WantedMount) -> bool:
    mount = on_path(mounts, item.path)
    return mount is not None and (mount.fstype == "autofs" or (mount.fstype == "virtiofs" and mount.source == item.tag))


def _has_share(mounts: Sequence[Mount], path: str) -> bool:
    mount = on_path(mounts, path)
    return mount is not None and mount.fstype == "virtiofs"


def _is_bare(mounts: Sequence[Mount], item: WantedMount) -> bool:
    holder = holding(mounts, item.path)
    # Neither over a mount, nor inside a share that may not answer.
    return item.state in ("mounted", "present") and (
        holder is None or (holder.path != item.path and holder.fstype not in ("virtiofs", "autofs"))
    )


def others_in_fstab(mounts: Sequence[Mount], text: str, wanted: Wanted, asked: Sequence[WantedMount]) -> dict[str, str]:
    """Shares that stay and that nobody asks about, by path, which systemd looks at whenever it reads fstab. Pure.

    What goes is unmounted before that. A question to it that gets stuck would keep it from being unmounted.
    """
    lines = fstab.entries(text)
    holders = [holding(mounts, entry.mount_point) for entry in lines]
    known = {item.path for item in asked}
    going = {(item.tag, item.path) for item in wanted.mounts if item.state in GOING}
    going.update((entry.spec, entry.mount_point) for entry in unlisted(text, mounts, wanted).leaving)
    return {
        mount.path: mount.source
        for mount in holders
        if mount is not None
        and mount.fstype == "virtiofs"
        and mount.path not in known
        and not ((mount.source, mount.path) in going and is_share(mount, mount.source))
    }


def _ask(
    asked: Sequence[WantedMount], others: Mapping[str, str], seconds: float
) -> tuple[dict[str, str], dict[str, str]]:
    works: dict[str, Work] = {path: _question(path) for path in (*(item.path for item in asked), *others)}
    outcomes = touch_all(works, seconds)
    disconnected: dict[str, str] = {}
    stuck = []
    for item in asked:
        outcome = outcomes[item.path]
        if outcome.stuck is not None:
            stuck.append(f"the share {item.tag} is mounted, but {outcome.stuck}")
        elif outcome.error is not None:
            raise VirtiofsError(f"the share {item} does not work: {outcome.error}")
        elif outcome.values[0] != 0:
            disconnected[item.path] = os.strerror(outcome.values[0])
    if stuck:
        raise VirtiofsError(f"{'; '.join(stuck)}: {REMEDY}")
    return disconnected, {path: tag for path, tag in others.items() if outcomes[path].stuck is not None}


def _question(path: str) -> Work:
    def work() -> list[int]:
        try:
            # Attributes may come from the guest's cache, statfs never does.
            os.statvfs(path)
        except OSError as error:
            if error.errno not in _DISCONNECTED:
                raise
            return [error.errno]
        return [0]

    return work


def read_directory(path: str) -> Directory:
    """What is under a mount point that nothing is mounted on.

    :raises VirtiofsError: a component cannot be read.
    """
    symlink = symlink_in(path)
    if symlink is not None:
        return Directory(symlink=symlink)
    missing: list[str] = []
    above = path
    while above != "/" and not os.path.lexists(above):
        missing.insert(0, above)
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        return Directory(is_directory=False)
    if missing:
        return Directory(missing=tuple(missing))
    with os.scandir(path) as inside:
        return Directory(empty=next(inside, None) is None)
