# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the GPT of a disk, and have the kernel take the change over, whatever else of the disk is in use."""

from __future__ import annotations

import time

from ansible_collections.virtio.fs.plugins.module_utils._block.device import Partition
from ansible_collections.virtio.fs.plugins.module_utils._block.disk import (
    kernel_agrees,
    kernel_has_table,
    only_kernel_knows,
    partition_named,
)
from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import is_node_of
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.command import check, run

_SFDISK_SECONDS = 120
_NODE_SECONDS = 20.0


def present(disk: str, label: str) -> Partition:
    partition = partition_named(disk, label)
    if partition is None:
        raise VirtiofsError(f"{at(label)}{disk} has no partition of this name")
    return partition


def known(partition: Partition) -> Partition:
    # A node that is left of an older partition opens another one.
    if partition.node is None or not is_node_of(partition.node, partition.devnum):
        raise VirtiofsError(f"{partition.name}: the kernel has no device for this partition")
    return partition


def dump(target: Target, disk: str) -> None:
    """Keep the table as it was before the first change of this run."""
    if disk in target.dumps:
        return
    text = check(["sfdisk", "--dump", disk], timeout=_SFDISK_SECONDS).stdout
    path = target.new_dump_path(disk)
    files.edit(path, lambda _old: text)
    target.dumps[disk] = path


def sfdisk(target: Target, disk: str, *arguments: str, script: str) -> None:
    check(
        # --no-reread and --no-tell-kernel: other partitions may be mounted; partx tells the kernel afterwards.
        ["sfdisk", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never"]
        + [*arguments, disk],
        timeout=_SFDISK_SECONDS,
        stdin=script,
    )
    tell_kernel(target, disk)


def set_type(target: Target, disk: str, number: int, kind: str) -> None:
    check(
        ["sfdisk", "--no-reread", "--no-tell-kernel", "--part-type", disk, str(number), kind],
        timeout=_SFDISK_SECONDS,
    )
    tell_kernel(target, disk)


def delete(target: Target, disk: str, number: int) -> None:
    check(["sfdisk", "--no-reread", "--no-tell-kernel", "--delete", disk, str(number)], timeout=_SFDISK_SECONDS)
    tell_kernel(target, disk)


def tell_kernel(target: Target, disk: str) -> None:
    deadline = time.monotonic() + _NODE_SECONDS
    refused = _inform_kernel(disk)
    while not kernel_agrees(disk):
        if time.monotonic() > deadline:
            why = "no device appears, does anything keep /dev?"
            if refused is not None:
                why = f"{refused}; another program may have it open"
            raise VirtiofsError(f"the kernel does not take over the partitions of {disk}: {why}")
        time.sleep(0.1)
        # The kernel keeps a partition that anybody has open, if only to look at it as blkid does. So ask again.
        if not kernel_has_table(disk):
            refused = _inform_kernel(disk)
    target.touched.append(disk)


def _inform_kernel(disk: str) -> str | None:
    """Tell the kernel what is in the table now; returns what it refused, in words."""
    # Asks the kernel for one partition after the other, so those in use do not matter. An entry that is gone
    # from the table is not always taken from the kernel by --update.
    asked = [["--delete", "--nr", str(number)] for number in only_kernel_knows(disk)] + [["--update"]]
    answers = [run(["partx", *what, disk], timeout=60) for what in asked]
    return next((answer.message for answer in answers if answer.returncode != 0), None)
