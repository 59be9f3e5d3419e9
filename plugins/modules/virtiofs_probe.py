#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtiofs_probe
short_description: Prove that data goes through a share, in both directions
version_added: 1.0.0
author:
  - the virtio.fs authors (@virtio-fs)
description:
  - One side writes a token, the other reads it and compares every byte. Run it on the hypervisor and in the
    guest, three calls for any number of shares, as the examples show.
  - The content of a token follows from its nonce, so what is read was written by this run, and every byte of
    it went through.
  - All probes are tried before the module fails, and the results are returned also when it fails.
  - Root of the guest can plant anything in a share. No symbolic link is followed, nothing but a regular file
    is opened, and nothing can take longer than O(timeout).
  - A share whose daemon is dead costs an error within O(timeout), never a hang.
extends_documentation_fragment:
  - virtio.fs._attributes.read_only
options:
  probes:
    description:
      - What to probe. The probes of one path are done in their order, different paths at the same time.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The shared directory on the hypervisor, or where it is mounted in the guest.
        type: str
        required: true
      action:
        description:
          - V(write) writes a token into the directory C(.virtiofs-probe) of the share, with fsync.
          - V(check) reads a token and compares it.
          - V(clean) removes the tokens of O(probes[].nonce), and those whose nonce begins with it and a dot. The
            directory is removed with the last of them. What is left of runs that were cut off is removed when it
            is an hour old, here and by V(write).
          - V(measure) tells how fast sequential and small-file access is, with fsync. Nothing is left behind.
          - V(inspect) tells owner, mode, space, whether the share can be written to, and what works on it.
            Nothing is left behind.
          - In check mode only V(inspect) is done, without the part that writes.
        type: str
        required: true
        choices: [write, check, clean, measure, inspect]
      nonce:
        description:
          - The name of the token, different for each run and each side. Letters, digits, dots, hyphens and
            underscores, at most 128.
          - Required with V(write) and V(check).
        type: str
      size:
        description:
          - How much to write, for example V(64KiB). Units are binary.
          - Left out, V(write) takes 64 KiB and V(measure) 64 MiB.
          - With V(check), what the token must have; left out, any size is right.
        type: str
      readonly:
        description:
          - With V(write), prove that the share is read-only. Failing with EROFS is the proof, and anything else
            a failure, also a time-out or a dead daemon.
        type: bool
        default: false
      tag:
        description:
          - In the guest, the tag of the share that must be mounted on exactly O(probes[].path).
          - Where it is not, the probe fails, and nothing is written to the directory under it.
        type: str
      label:
        description: What an error calls this probe, for example V(media from hv1 to vm1).
        type: str
  timeout:
    description: Seconds that the probes of one path may take together, at least 1.
    type: int
    default: 60
notes:
  - Where a guest has mounted a share read-only itself, EROFS proves nothing about the hypervisor. V(inspect)
    tells with RV(probes[].mounted_readonly).
seealso:
  - module: virtio.fs.virtiofs_guest_mount
"""

EXAMPLES = r"""
# The proof, for one share. The nonce is the same word in all three calls.
- name: The hypervisor writes
  virtio.fs.virtiofs_probe:
    probes:
      - {path: /shared/vm1, action: write, nonce: run42.hv1}

- name: The guest reads that, and writes
  virtio.fs.virtiofs_probe:
    probes:
      - {path: /mnt, tag: vm1, action: check, nonce: run42.hv1, label: vm1 from hypervisor to guest}
      - {path: /mnt, tag: vm1, action: write, nonce: run42.vm1, label: vm1 from guest to hypervisor}

- name: The hypervisor reads that, and cleans up
  virtio.fs.virtiofs_probe:
    probes:
      - {path: /shared/vm1, action: check, nonce: run42.vm1, label: vm1 from guest to hypervisor}
      - {path: /shared/vm1, action: clean, nonce: run42}

- name: A share is read-only in the guest
  virtio.fs.virtiofs_probe:
    probes:
      - {path: /srv/media, tag: media, action: write, nonce: run42.vm1, readonly: true}

- name: How fast it is, and what works on it
  virtio.fs.virtiofs_probe:
    probes:
      - {path: /mnt, action: measure, size: 256MiB}
      - {path: /mnt, action: inspect}
    timeout: 120
"""

RETURN = r"""
probes:
  description: One result for each item of O(probes), in the same order. Also returned when the module fails.
  type: list
  elements: dict
  returned: always, but for wrong options
  contains:
    path:
      description: The path that was probed.
      type: str
    action:
      description: What was done.
      type: str
    nonce:
      description: The nonce, where one was given.
      type: str
    ok:
      description: Whether it is as it has to be.
      type: bool
    error:
      description: If not, why.
      type: str
    errno:
      description: The name of the system's error, as V(EROFS). V(ETIMEDOUT) means that there was no answer in time.
      type: str
    skipped:
      description: Whether it was left out, because of check mode.
      type: bool
    sha256:
      description: The checksum of the token's content. With V(write) and V(check).
      type: str
    bytes:
      description: How much was written or read.
      type: int
    seconds:
      description: How long it took. With V(write) and V(check).
      type: float
    uid:
      description:
        - The owner of the token, or with V(inspect) of the directory, as it is seen from here. C(gid) and C(mode)
          go with it. What one side writes and the other checks tells how users are mapped.
      type: int
    gid:
      description: The group.
      type: int
    mode:
      description: The permissions, in octal.
      type: str
    removed:
      description: How many tokens V(clean) removed.
      type: int
    owner:
      description: With V(inspect), the name of the owner here, C(group) that of the group. Null where there is none.
      type: str
    group:
      description: The name of the group.
      type: str
    fstype:
      description: With V(inspect), what is mounted there; C(source) is the tag in a guest, C(mount_point) where.
      type: str
    source:
      description: What is mounted.
      type: str
    mount_point:
      description: Where it is mounted.
      type: str
    mounted_readonly:
      description: With V(inspect), whether this side has mounted it read-only.
      type: bool
    writable:
      description: With V(inspect), whether a file could be made. C(errno) says why not.
      type: bool
    new_file_uid:
      description: With V(inspect), the owner of a new file, C(new_file_gid) its group.
      type: int
    new_file_gid:
      description: The group of a new file.
      type: int
    works:
      description:
        - With V(inspect), for C(xattr), C(flock), C(posix_lock), C(mmap_private), C(mmap_shared), C(hard_link) and
          C(direct_io) true, or the name of the error. A lock that works is not necessarily seen by the other side.
      type: dict
    bytes_total:
      description: With V(inspect), the size of the filesystem; C(bytes_available), C(inodes_total) and
        C(inodes_available) go with it.
      type: int
    bytes_available:
      description: How much can be written.
      type: int
    inodes_total:
      description: How many files there can be. 0 where there is no such limit.
      type: int
    inodes_available:
      description: How many more.
      type: int
    write_mib_per_second:
      description: With V(measure), one big file, including fsync.
      type: float
    read_mib_per_second:
      description: With V(measure), the same file. What the other side has cached counts.
      type: float
    files:
      description: With V(measure), how many small files were made.
      type: int
    create_files_per_second:
      description: With V(measure), files of 4 KiB, each with fsync.
      type: float
    read_files_per_second:
      description: With V(measure), the same files.
      type: float
    remove_files_per_second:
      description: With V(measure), the same files.
      type: float
  sample:
    - path: /mnt
      action: check
      nonce: run42.hv1
      ok: true
      sha256: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
      bytes: 65536
      seconds: 0.004
      uid: 0
      gid: 0
      mode: "0600"
    - path: /srv/media
      action: write
      nonce: run42.vm1
      ok: true
      errno: EROFS
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._probe.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._probe.read import read_probes
from ansible_collections.virtio.fs.plugins.module_utils._probe.wanted import ACTIONS, wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "probes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "action": {"type": "str", "required": True, "choices": list(ACTIONS)},
                    "nonce": {"type": "str"},
                    "size": {"type": "str"},
                    "readonly": {"type": "bool", "default": False},
                    "tag": {"type": "str"},
                    "label": {"type": "str"},
                },
            },
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    given = module.params

    reconcile(
        module,
        lambda: wanted(given),
        # A token is no change of the machine: it is gone after the proof. Check mode writes none.
        lambda probes: read_probes(probes, given["timeout"], writing=not module.check_mode),
        plan,
        None,
    )


if __name__ == "__main__":
    main()
