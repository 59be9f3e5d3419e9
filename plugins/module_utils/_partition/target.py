# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of virtiofs_partition holds while it works: the locks on its disks, and the places of its own files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.virtio.fs.plugins.module_utils._block.holders import DOMAIN_STATUS
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab, mount, steps
from ansible_collections.virtio.fs.plugins.module_utils._partition.fstab_lines import Line, Written
from ansible_collections.virtio.fs.plugins.module_utils._system import command

# Another run may be in the middle of a slow mkfs.
_LOCK_SECONDS = 300.0
_SETTLE_SECONDS = 30


@dataclass
class Target(steps.Target):
    """The machine that is changed.

    Each whole disk is locked (flock, as https://systemd.io/BLOCK_DEVICE_LOCKING asks) from before it is read
    until its last write: what was planned is then still true when it is done, two runs are one after the
    other, and udev does not look at a filesystem that is being made.
    """

    fstab: str = ""  # set by the reader
    state_directory: str = "/var/lib/virtiofs"
    unit_directory: str = "/etc/systemd/system"
    domain_status: Sequence[str] = DOMAIN_STATUS
    lock_seconds: float = _LOCK_SECONDS
    dumps: dict[str, str] = field(default_factory=dict)  # of the table of each disk, before it was changed
    locks: dict[str, int] = field(default_factory=dict)
    touched: list[str] = field(default_factory=list)  # nodes that udev has to look at again
    written: Written | None = None  # lines of fstab, some of them not mounted yet

    def lock(self, node: str) -> None:
        """:raises VirtiofsError: the device cannot be opened, or somebody holds the lock for too long."""
        try:
            # One that was loosened is still open, and the lock is taken again.
            descriptor = self.locks.get(node) or os.open(node, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            what = "there is no medium in it" if error.errno == errno.ENOMEDIUM else error.strerror
            raise VirtiofsError(f"cannot open {node}: {what}") from error
        self.locks[node] = descriptor
        deadline = time.monotonic() + self.lock_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self.unlock(node)
                    raise VirtiofsError(
                        f"{node} is locked by another program for over {self.lock_seconds:g} seconds"
                    ) from None
                time.sleep(0.1)

    def unlock(self, node: str) -> None:
        if node in self.locks:
            os.close(self.locks.pop(node))

    def loosen(self, node: str) -> None:
        """Let somebody else lock it. It stays open, so that no other device can get its name."""
        if node in self.locks:
            fcntl.flock(self.locks[node], fcntl.LOCK_UN)

    def release(self) -> None:
        """Close all disks, and wait until udev, where it runs, knows what is on them now."""
        for node in list(self.locks):
            self.unlock(node)
        touched, self.touched = list(dict.fromkeys(self.touched)), []
        if touched and os.path.exists("/run/udev/control") and command.find("udevadm"):
            there = [node for node in touched if os.path.exists(node)]
            command.run(["udevadm", "trigger", "--action=change", *there], timeout=_SETTLE_SECONDS)
            # Best effort: the mount itself does not need udev, only the links under /dev/disk do.
            command.run(["udevadm", "settle", f"--timeout={_SETTLE_SECONDS}"], timeout=_SETTLE_SECONDS + 5)

    def lines_written(self, before: str, step: steps.WriteLines) -> None:
        lines = tuple(line for line in step.lines if isinstance(line, Line))
        self.written = Written(before, lines, set(step.waiting))

    @contextlib.contextmanager
    def rollback(self) -> Iterator[None]:
        """When what is done in this block fails, the lines of all that is not mounted yet go from fstab again."""
        try:
            yield
        except VirtiofsError:
            lines, self.written = self.written, None
            # The message of what went wrong first is the one that matters.
            with contextlib.suppress(VirtiofsError):
                if lines is not None and fstab.edit(self.fstab, lines.rollback):
                    mount.reload_units()
            raise

    def mounted(self, mount_point: str) -> None:
        if self.written is not None:
            self.written.waiting.discard(mount_point)

    def unit_path(self, name: str) -> str:
        return os.path.join(self.unit_directory, name)

    def format_marker_path(self, label: str) -> str:
        """Where it is noted that a device without a partition of ours is being formatted."""
        return os.path.join(self.state_directory, "begun", f"{label}.json")

    def new_dump_path(self, node: str) -> str:
        """A place for the dump of a partition table, sfdisk --dump: the module never removes one."""
        directory = os.path.join(self.state_directory, "tables")
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise VirtiofsError(f"cannot make {directory}: {error.strerror}") from error
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = node[len("/dev/") :].replace("/", "!")
        path = os.path.join(directory, f"{name}-{stamp}.sfdisk")
        number = 1
        while os.path.exists(path):
            path = os.path.join(directory, f"{name}-{stamp}-{number}.sfdisk")
            number += 1
        return path
