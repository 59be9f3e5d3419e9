# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what a guest has mounted, and whether it answers."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount import kernel
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan import (
    GOING,
    Directory,
    GuestState,
    is_share,
    lines_of_no_item,
)
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import REMEDY
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import WantedMount
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._mounts.mountinfo import Mount, holding, on_path
from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import Work, touch_all
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized, symlink_in

# What a mount says whose device was unplugged, or whose automount finds no share.
_GONE = (errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN, errno.EIO)


def read(fstab: str, wanted: Sequence[WantedMount], exclusive: bool, wait: float) -> GuestState:
    """Read everything that a plan for these mounts needs. Mounts are only asked in bounded children.

    :raises VirtiofsError: a share that is to stay mounted does not answer within ``wait`` seconds.
    """
    mounts = mountinfo.current()
    asked = [want for want in wanted if want.state == "mounted" and _to_be_asked(mounts, want)]
    systemd = os.path.isdir("/run/systemd/system")
    text = mounts_fstab.read(fstab)
    others = others_in_fstab(mounts, text, wanted, asked, exclusive) if systemd else {}
    gone, silent = _ask(asked, others, wait)
    # To ask an automount mounts it.
    mounts = mountinfo.current() if asked else mounts
    going = any(want.state in GOING for want in wanted)
    return GuestState(
        kernel=kernel.read(),
        mounts=mounts,
        fstab=text,
        fstab_path=fstab,
        systemd=systemd,
        directories={want.path: _directory(want.path) for want in wanted if _to_be_looked_at(mounts, want)},
        gone=gone,
        silent=silent,
        everywhere=mountinfo.in_every_namespace() if going else (),
    )


def _to_be_asked(mounts: Sequence[Mount], want: WantedMount) -> bool:
    mount = on_path(mounts, want.path)
    return mount is not None and (
        mount.fstype == "autofs" or (mount.fstype == "virtiofs" and mount.source == want.tag)
    )


def _to_be_looked_at(mounts: Sequence[Mount], want: WantedMount) -> bool:
    holder = holding(mounts, want.path)
    # Neither over a mount, nor inside a share that may not answer.
    return want.state in ("mounted", "present") and (
        holder is None or (holder.path != want.path and holder.fstype not in ("virtiofs", "autofs"))
    )


def others_in_fstab(
    mounts: Sequence[Mount], text: str, wanted: Sequence[WantedMount], asked: Sequence[WantedMount], exclusive: bool
) -> dict[str, str]:
    """Shares that stay and that nobody asks about, by path, which systemd looks at whenever it reads fstab. Pure.

    What goes is unmounted before that. A question to it that gets stuck would keep it from being unmounted.
    """
    lines = mounts_fstab.entries(text)
    holders = [holding(mounts, normalized(entry.path)) for entry in lines]
    known = {want.path for want in asked}
    going = {(want.tag, want.path) for want in wanted if want.state in GOING}
    if exclusive:
        shares = [entry for entry in lines if entry.fstype == "virtiofs"]
        going.update((entry.spec, entry.mount_point) for entry in lines_of_no_item(shares, wanted))
    return {
        mount.path: mount.source
        for mount in holders
        if mount is not None
        and mount.fstype == "virtiofs"
        and mount.path not in known
        and not ((mount.source, mount.path) in going and is_share(mount, mount.source))
    }


def _ask(
    asked: Sequence[WantedMount], others: Mapping[str, str], wait: float
) -> tuple[dict[str, str], dict[str, str]]:
    works: dict[str, Work] = {path: _question(path) for path in (*(want.path for want in asked), *others)}
    outcomes = touch_all(works, wait)
    gone: dict[str, str] = {}
    silent = []
    for want in asked:
        outcome = outcomes[want.path]
        if outcome.stuck is not None:
            silent.append(f"the share {want.tag} is mounted, but {outcome.stuck}")
        elif outcome.error is not None:
            raise VirtiofsError(f"the share {want} does not work: {outcome.error}")
        elif outcome.values[0] != 0:
            gone[want.path] = os.strerror(outcome.values[0])
    if silent:
        raise VirtiofsError(f"{'; '.join(silent)}: {REMEDY}")
    return gone, {path: tag for path, tag in others.items() if outcomes[path].stuck is not None}


def _question(path: str) -> Work:
    def work() -> list[int]:
        try:
            # Attributes may come from the guest's cache, statfs never does.
            os.statvfs(path)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return [error.errno]
        return [0]

    return work


def _directory(path: str) -> Directory:
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
