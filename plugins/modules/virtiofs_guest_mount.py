#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtiofs_guest_mount
short_description: Mount virtio-fs shares in a guest, now and at boot
version_added: 1.0.0
author:
  - the virtio.fs authors (@virtio-fs)
description:
  - Mounts the shares that the hypervisor gives to this guest, and keeps their lines in fstab.
  - What is mounted is read from the kernel, what is to be mounted at boot from fstab, and both are compared
    as values. An option that is written in another order or spelling is no difference.
  - A share whose daemon on the hypervisor is dead costs an error within O(wait) seconds, never a hang.
    At most one process per mount is left behind, because the kernel lets nobody end it.
  - The kernel module is loaded where it is needed, and also at boot where it is not built in.
  - Needs nothing in the guest but Python 3.9 or newer and mount(8).
extends_documentation_fragment:
  - virtio.fs._attributes
options:
  mounts:
    description:
      - The shares to mount or to unmount.
      - All are checked before the first change. All unmounting is done before all mounting, so a path can pass from a
        share that is absent to another one in one call.
    type: list
    elements: dict
    required: true
    suboptions:
      tag:
        description:
          - The tag of the share, as the domain has it. It is never expanded.
        type: str
        required: true
      path:
        description:
          - Where it is mounted. Made with mode 0755 if it is missing, its parents too.
          - Refused when it is a system directory, a symbolic link, inside another share, or when something
            else is mounted there or has a line for it in fstab. A directory that is not empty is a warning.
        type: str
        required: true
      options:
        description:
          - The mount options. What is given replaces the list; V(nosuid) and V(nodev) are added back unless
            O(mounts[].allow_suid) or O(mounts[].allow_dev).
          - At creation it is V(rw,_netdev,nosuid,nodev,nofail). Left out later, the options of the line in
            fstab stay.
          - V(nofail) lets the guest boot when the share is missing. Systemd has no device to wait for behind a
            virtio-fs mount, so the boot is not delayed either, and no time-out needs to be set.
          - V(_netdev) has it mounted with the remote filesystems, after the guest's own.
          - A mount whose options differ is remounted; where the kernel cannot change one on a remount (as
            V(dax)), it is unmounted and mounted again.
        type: list
        elements: str
      automount:
        description:
          - Mount at the first touch, through C(x-systemd.automount). Needs systemd.
          - At creation it is false. Left out later, what the line in fstab says stays.
        type: bool
      allow_suid:
        description: Allow a mount on which set-uid and set-gid bits work.
        type: bool
        default: false
      allow_dev:
        description: Allow a mount on which device nodes work.
        type: bool
        default: false
      state:
        description:
          - V(mounted) is mounted now and at boot.
          - V(present) is at boot only. It needs neither kernel support nor the tag.
          - V(unmounted) is not mounted now; fstab stays as it is.
          - V(absent) is neither. The directory stays.
        type: str
        choices: [mounted, present, unmounted, absent]
        default: mounted
  fstab:
    description: The file that is read at boot.
    type: path
    default: /etc/fstab
  wait:
    description:
      - Seconds that the whole run may wait, however many shares there are. For tags that were just plugged in to
        appear, for C(mount) and C(umount), and for mounts to answer. At least 1.
      - When they are over, each step that is left still gets one second, so that a share that answers at once is
        mounted. Undoing an automount that failed may take 10 seconds more.
    type: int
    default: 30
  exclusive:
    description:
      - Also remove the virtio-fs lines of O(fstab) that O(mounts) does not name, and unmount them.
        Other filesystem types are never touched.
      - A share that the guest itself stands on stays, with a warning that says why. That is one on a system directory
        or a store of programs (as C(/nix) and C(/ostree)), one that the initramfs mounts, and one that another mount
        needs, because it is below it, or a bind mount, a loop device or an overlay of it.
    type: bool
    default: false
  confirm_empty:
    description: Allow O(exclusive) and O(prune) with an empty list, which unmounts every share.
    type: bool
    default: false
  exclusive_system:
    description:
      - Let O(exclusive) and O(prune) also take a share that the guest itself stands on. The guest may not boot again.
    type: bool
    default: false
  list_name:
    description:
      - A name for O(mounts), such as that of the hypervisor. With it, what this list made is known as such.
        The lines in O(fstab) of all items get a mark, C(comment=virtio.fs:NAME:CHECK), which mount, systemd and the
        kernel ignore. A line that is there already gets it too, which is a change, once.
      - A marked line whose tag is listed with another path moves. The share is mounted on the new path, and answers,
        before the old one is unmounted and its line removed. Where one path is inside the other, or another share
        wants it, the old one goes first. Refused before anything is changed while a process uses the old path.
      - A marked line whose tag is not listed any more is returned in RV(unlisted), and taken away by O(prune).
      - The mark counts only for the list, the tag and the path that it was made for. A line that was copied, or got
        another path by hand, is not known as made by the list, and stays.
      - Left out, no line gets a mark, and one that is there stays.
    type: str
  prune:
    description:
      - Unmount and remove the lines with the mark of O(list_name) whose tag O(mounts) does not name. What has no mark
        is never touched by it, and as with O(exclusive), what the guest stands on stays.
      - An empty list needs O(confirm_empty).
    type: bool
    default: false
  preflight:
    description:
      - Only fail where O(mounts) could not be had, because of the kernel, a path or a line of O(fstab), and change
        nothing. That a share is not there yet is no failure. For asking a guest before its domain is restarted.
    type: bool
    default: false
notes:
  - A share that is needed before the root filesystem is mounted (as C(/usr)) also needs the module in the
    initramfs, for example C(virtiofs) in C(/etc/initramfs-tools/modules) or C(add_drivers) of dracut. This
    module does not build an initramfs.
  - Whether a share is read-only is decided on the hypervisor. The guest's mount options then still say
    V(rw), and writing fails.
seealso:
  - module: virtio.fs.virtiofs_domain
  - module: virtio.fs.virtiofs_probe
"""

EXAMPLES = r"""
- name: Two shares, mounted now and at boot
  virtio.fs.virtiofs_guest_mount:
    mounts:
      - tag: vm1
        path: /mnt
      - tag: media
        path: /srv/media
        options: [ro, noatime, nofail]

- name: These and no others
  virtio.fs.virtiofs_guest_mount:
    exclusive: true
    mounts:
      - tag: vm1
        path: /mnt

- name: What was in this list and is no more goes, what others mounted stays
  virtio.fs.virtiofs_guest_mount:
    list_name: hv1
    prune: true
    mounts:
      - tag: vm1
        path: /mnt

- name: Mounted when somebody looks into it
  virtio.fs.virtiofs_guest_mount:
    mounts:
      - tag: archive
        path: /srv/archive
        automount: true

- name: Unmount a share before the hypervisor takes it away
  virtio.fs.virtiofs_guest_mount:
    mounts:
      - tag: media
        path: /srv/media
        state: absent
"""

RETURN = r"""
actions:
  description: What was done, or would be done, in order. Also returned when it failed half way.
  type: list
  elements: str
  returned: always
  sample:
    - mount vm1 on /mnt
    - write the fstab line of vm1 on /mnt
mounts:
  description: The items of O(mounts), as they are now, or would be.
  type: list
  elements: dict
  returned: success
  contains:
    tag:
      description: The tag.
      type: str
    path:
      description: The mount point.
      type: str
    mounted:
      description: Whether it is mounted.
      type: bool
    options:
      description: The mount options, as the kernel reports them.
      type: list
      elements: str
    in_fstab:
      description: Whether fstab has a line for it.
      type: bool
    also_mounted_on:
      description:
        - With O(mounts[].state=absent) and O(mounts[].state=unmounted), the other paths that the share is mounted on,
          also in the mount namespaces of other processes. While there is one, the share is in use.
      type: list
      elements: str
  sample:
    - tag: media
      path: /srv/media
      mounted: true
      options: [ro, noatime]
      in_fstab: true
      also_mounted_on: []
in_use:
  description:
    - The tags of all shares that are mounted somewhere in the guest in the end, also in the mount namespaces of other
      processes. What is not among them can be taken from the domain.
  type: list
  elements: str
  returned: success, with O(prune)
  sample: [vm1]
unlisted:
  description: What bears the mark of O(list_name) and is not in O(mounts) any more.
  type: list
  elements: dict
  returned: success
  contains:
    tag:
      description: The tag.
      type: str
    path:
      description: The mount point.
      type: str
    state:
      description: V(absent) where it was taken away, or would be; V(kept) where it stays.
      type: str
    also_mounted_on:
      description: As in RV(mounts), for what was taken away.
      type: list
      elements: str
  sample:
    - {tag: media, path: /srv/media, state: kept, also_mounted_on: []}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.read import read
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.steps import Guest
from ansible_collections.virtio.fs.plugins.module_utils._guest_mount.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "mounts": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "tag": {"type": "str", "required": True},
                    "path": {"type": "str", "required": True},
                    "options": {"type": "list", "elements": "str"},
                    "automount": {"type": "bool"},
                    "allow_suid": {"type": "bool", "default": False},
                    "allow_dev": {"type": "bool", "default": False},
                    "state": {
                        "type": "str",
                        "choices": ["mounted", "present", "unmounted", "absent"],
                        "default": "mounted",
                    },
                },
            },
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "wait": {"type": "int", "default": 30},
            "exclusive": {"type": "bool", "default": False},
            "confirm_empty": {"type": "bool", "default": False},
            "exclusive_system": {"type": "bool", "default": False},
            "list_name": {"type": "str"},
            "prune": {"type": "bool", "default": False},
            "preflight": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    options = module.params
    guest = Guest(options["fstab"], options["wait"])
    reconcile(
        module,
        lambda: wanted(options),
        lambda checked: read(checked, guest.fstab, guest.seconds()),
        plan,
        guest,
        wait_seconds=options["wait"],
    )


if __name__ == "__main__":
    main()
