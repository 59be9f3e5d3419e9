#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtiofs_partition
short_description: Keep a dedicated, hardened filesystem for each share on the hypervisor
version_added: 1.0.0
description:
  - "Makes a dedicated filesystem for each share and keeps it: GPT partition, filesystem, label, line of fstab, mount."
  - A disk must be blank, or have a GPT with enough free space. Whatever else is on a disk, in a partition or in the
    free space is refused and named, unless O(partitions[].overwrite) allows to lose it. What is in use is always
    refused.
  - An item is recognised by its label, which is the label of the filesystem and the name of the partition. Names of
    devices can change, the label cannot be on two devices.
  - What an interrupted run has begun is completed by the next one. While a partition is being formatted, it has a
    partition type of its own.
  - All items are checked before the first change.
author:
  - the virtio.fs authors (@virtio-fs)
extends_documentation_fragment:
  - virtio.fs._attributes
options:
  partitions:
    description: The filesystems. New partitions are placed in the order of the list.
    type: list
    elements: dict
    required: true
    suboptions:
      label:
        description:
          - Label of the filesystem, name of the partition, and the identity of the item.
          - "Letters, digits and C(. _ : @ + -). At most 16 bytes for ext4, 12 for xfs and 36 for btrfs."
        type: str
        required: true
      disk:
        description:
          - The disk to make a partition on, best as a link below C(/dev/disk/by-id).
          - A blank disk gets a GPT. A GPT keeps every entry it has. Any other content is refused.
        type: path
      device:
        description:
          - Instead of O(partitions[].disk), an existing block device to use whole, such as a logical volume, a
            multipath device or a disk. It is never partitioned.
        type: path
      image:
        description:
          - Instead of O(partitions[].disk), a file that backs a loop device. It is made sparse, and a systemd unit
            attaches it at boot.
        type: path
      size:
        description:
          - Required with O(partitions[].disk) and O(partitions[].image) when O(partitions[].state=present).
          - Binary units, C(100GiB) and C(100G) are the same. On a disk also a share of it, as C(25%), or V(rest) for
            the last item of the disk. Rounded up to whole mebibytes.
        type: str
      path:
        description:
          - Mount point. Left out, it is the label below O(root).
        type: path
      fstype:
        description:
          - Kind of filesystem. Left out, a new one is ext4, and one that is there is taken as it is.
        type: str
        choices: [ext4, xfs, btrfs]
      reserved_percent:
        description:
          - Percentage of an ext4 filesystem that only root can fill.
          - Left out, it stays as it is; a new filesystem has 1.
        type: int
      mkfs_options:
        description:
          - More arguments for the command that makes the filesystem. Used at that time only.
          - Those that set the label or the UUID, or that name another device, are refused.
        type: list
        elements: str
      mount_options:
        description:
          - Options of the mount, live and in fstab. What is given replaces the list, and C(nosuid) and C(nodev) are
            added back unless O(partitions[].allow_suid) and O(partitions[].allow_dev).
          - Left out, those in fstab stay. A new line has C(rw), C(noatime), C(nosuid), C(nodev), C(nofail),
            C(x-systemd.device-timeout=30s), and C(x-systemd.before=) for libvirt's daemons, so that this machine boots
            when the disk is gone, and no guest starts before the mount.
          - What would mount something else is refused, as C(loop) and C(bind), and so is C(x-systemd.automount).
        type: list
        elements: str
      allow_suid:
        description: Let set-uid programs that a guest writes work on this machine.
        type: bool
        default: false
      allow_dev:
        description: Let device nodes that a guest writes work on this machine.
        type: bool
        default: false
      passno:
        description:
          - Order of the check at boot, the sixth field of fstab.
          - Left out, it stays as it is; a new line has 2.
        type: int
      owner:
        description: Owner of the mounted root directory, a name or a number. Left out, it stays.
        type: str
      group:
        description: Group of the mounted root directory, a name or a number. Left out, it stays.
        type: str
      mode:
        description: Mode of the mounted root directory, in octal and in quotes. Left out, it stays.
        type: raw
      grow:
        description:
          - Enlarge partition and filesystem to O(partitions[].size), while they are in use.
          - Without it, another size is a warning. Nothing is ever made smaller.
        type: bool
        default: false
      overwrite:
        description:
          - Format over what is there. Everything on it is lost.
          - What is in use is refused all the same, and a filesystem that is as it should be is left alone.
          - On a disk without a GPT all new items of the disk must say so, and the whole disk is overwritten.
          - A damaged GPT that has a partition of the item's name is refused all the same.
        type: bool
        default: false
      state:
        description:
          - V(present) is there and mounted, now and at boot.
          - V(unmounted) is not mounted now, and fstab stays.
          - V(absent) is neither mounted nor in fstab. Partition and data stay.
          - V(wiped) is V(absent), and the partition is deleted with its signatures, or the signatures of the device, or
            the image.
          - All but V(present) are refused while another process or a running domain holds the filesystem.
        type: str
        choices: [present, unmounted, absent, wiped]
        default: present
  root:
    description:
      - Parent of the mount points. Made when missing, and kept with owner root and O(root_mode).
      - Left out, it is C(/shared).
    type: path
  root_mode:
    description:
      - Mode of O(root), in octal and in quotes.
      - Left out, it is C(0700), so that nobody on this machine reaches what guests write.
    type: raw
  fstab:
    description:
      - The file that lists what is mounted at boot.
      - Left out, it is C(/etc/fstab).
    type: path
requirements:
  - sfdisk, partx, blkid, wipefs, losetup and mount of util-linux
  - mkfs of the filesystem, and for growing resize2fs, xfs_growfs or btrfs
notes:
  - The mount point itself is made immutable where its filesystem can do that. When the disk is not there, nobody can
    fill the bare directory.
  - A disk that is gone at boot stops nothing, C(nofail) sees to that. Guests that start then find an empty directory
    that nobody can write to. A disk that comes later is mounted by C(mount) or the next run, since systemd gave up
    waiting for it, and a guest that runs sees it when its share is attached again.
  - fstab mounts by label, and who can write to another device of this machine can give that the same label, such as a
    guest to a logical volume of its own. The next run refuses the duplicate and names it. At boot nobody looks, so
    give such guests image files, or volumes whose content udev does not read.
  - What a program has open for writing, as QEMU has the disk of a guest, is neither mounted nor formatted nor wiped.
  - Lines of fstab that mount the filesystem on other paths stay, with a warning unless they have C(noauto).
  - Before a partition table is changed, a dump of it (C(sfdisk --dump)) is kept below C(/var/lib/virtiofs/tables).
  - Works with and without udev, and with and without systemd. Only systemd attaches images at boot.
seealso:
  - module: virtio.fs.virtiofs_domain
"""

EXAMPLES = r"""
- name: Give two shares a partition each
  virtio.fs.virtiofs_partition:
    partitions:
      - label: shared_vm1
        disk: /dev/disk/by-id/ata-X
        size: 100GiB
      - label: shared_vm2
        disk: /dev/disk/by-id/ata-X
        size: rest
        fstype: xfs

- name: Use a logical volume as it is, and an image of 20 GiB
  virtio.fs.virtiofs_partition:
    partitions:
      - label: media
        device: /dev/vg0/media
        mode: "0750"
      - label: scratch
        image: /var/lib/scratch.img
        size: 20GiB

- name: Grow a share, while its guests use it
  virtio.fs.virtiofs_partition:
    partitions:
      - label: shared_vm1
        disk: /dev/disk/by-id/ata-X
        size: 200GiB
        grow: true

- name: Owned by the user who writes to it in the guest
  virtio.fs.virtiofs_partition:
    partitions:
      - label: homes
        disk: /dev/disk/by-id/ata-X
        size: 50GiB
        owner: alice
        group: alice
        mode: "2770"

- name: Take a share out of use and keep its data
  virtio.fs.virtiofs_partition:
    partitions:
      - label: media
        state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: ["write the fstab line of LABEL=media on /shared/media", "mount media on /shared/media"]
partitions:
  description: What there is now, by label.
  returned: success
  type: dict
  contains:
    path:
      description: Mount point.
      type: str
    mounted:
      description: Whether something is mounted there.
      type: bool
    device:
      description: Device of the filesystem, C(null) when it is not there yet.
      type: str
    fstype:
      description: Kind of filesystem.
      type: str
    uuid:
      description: UUID of the filesystem.
      type: str
    partuuid:
      description: UUID of the partition, C(null) when the filesystem is not on one.
      type: str
    size:
      description: Size of the device in bytes.
      type: int
    table_dump:
      description: Where the dump of the partition table is that was taken before this run changed it, or C(null).
      type: str
  sample:
    media:
      path: /shared/media
      mounted: true
      device: /dev/sdb1
      fstype: ext4
      uuid: 0a4ac2f7-4d6a-5cc0-9d19-b0b8d0d6a3b1
      partuuid: c020991a-1dcd-554d-8861-94fce428c90d
      size: 107374182400
      table_dump: null
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._partition.run import run
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target

ITEM = {
    "label": {"type": "str", "required": True},
    "disk": {"type": "path"},
    "device": {"type": "path"},
    "image": {"type": "path"},
    "size": {"type": "str"},
    "path": {"type": "path"},
    "fstype": {"type": "str", "choices": ["ext4", "xfs", "btrfs"]},
    "reserved_percent": {"type": "int"},
    "mkfs_options": {"type": "list", "elements": "str"},
    "mount_options": {"type": "list", "elements": "str"},
    "allow_suid": {"type": "bool", "default": False},
    "allow_dev": {"type": "bool", "default": False},
    "passno": {"type": "int", "no_log": False},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "grow": {"type": "bool", "default": False},
    "overwrite": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "unmounted", "absent", "wiped"], "default": "present"},
}


ARGUMENTS = {
    "partitions": {"type": "list", "elements": "dict", "required": True, "options": ITEM},
    "root": {"type": "path"},
    "root_mode": {"type": "raw"},
    "fstab": {"type": "path"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), Target())


if __name__ == "__main__":
    main()
