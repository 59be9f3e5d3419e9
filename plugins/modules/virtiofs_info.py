#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtiofs_info
short_description: Tell what a hypervisor shares with its domains, and what is wrong with it
version_added: 1.0.0
description:
  - Reads the domains, their shares and daemons, the shared directories and, where the guest agent answers, what the
    guests have mounted. Nothing is changed.
  - All domains are read in one call over one connection.
  - A user who may not manage the domains gets what libvirt shows everybody, over a read-only connection. What only
    root can see is then V(unknown) or null, and never taken for a problem.
  - Can also print the list for C(virtiofs_host_shares) that describes a hypervisor that was set up by hand.
author:
  - the virtio.fs authors (@virtio-fs)
extends_documentation_fragment:
  - virtio.fs._attributes.read_only
  - virtio.fs._libvirt
options:
  domains:
    description:
      - Tell about these domains only, by name or UUID.
      - Left out, it is all of them.
    type: list
    elements: str
    default: []
  as_shares:
    description:
      - Also return RV(as_shares).
      - What the list cannot describe is told in warnings.
    type: bool
    default: false
seealso:
  - module: virtio.fs.virtiofs_domain
  - module: virtio.fs.virtiofs_partition
"""

EXAMPLES = r"""
- name: Look
  virtio.fs.virtiofs_info:
  register: info

- name: Stop when something is wrong
  ansible.builtin.assert:
    that: info.problems | length == 0
    fail_msg: "{{ info.problems }}"

- name: Only two domains of a session
  virtio.fs.virtiofs_info:
    uri: qemu:///session
    domains: [mine, other]
  become: false

- name: Take over what was set up by hand
  virtio.fs.virtiofs_info:
    as_shares: true
  register: info

- name: Print the list for host_vars
  ansible.builtin.debug:
    msg: "{{ {'virtiofs_host_shares': info.as_shares} | to_nice_yaml(indent=2) }}"
"""

RETURN = r"""
actions:
  description: Always empty, as nothing is done.
  returned: always
  type: list
  elements: str
  sample: []
connection:
  description: How libvirt was asked.
  returned: success
  type: dict
  contains:
    uri:
      description: The connection.
      type: str
    driver:
      description: libvirt's name of the driver, V(QEMU) as a rule.
      type: str
    readonly:
      description: Whether this user may only look. Guests can then not be asked.
      type: bool
  sample: {uri: "qemu:///system", driver: QEMU, readonly: false}
libvirt:
  description: Version of libvirt.
  returned: success
  type: str
  sample: 11.3.0
qemu:
  description: Version of QEMU, V(0.0.0) where there is none.
  returned: success
  type: str
  sample: 10.0.2
virtiofsd:
  description: The daemon that libvirt takes when a domain names none; null where there is none.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is.
      type: str
    flavour:
      description: V(c) (part of QEMU until 7.2) or V(rust).
      type: str
    version:
      description: Its version; QEMU's for V(c).
      type: str
    features:
      description: What it says it can do.
      type: list
      elements: str
  sample: {path: /usr/libexec/virtiofsd, flavour: rust, version: 1.13.2, features: [migrate-precopy, separate-options]}
domains:
  description: The domains, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the domain.
      type: str
    uuid:
      description: UUID of the domain.
      type: str
    state:
      description: V(running), V(paused) or V(off).
      type: str
    persistent:
      description: Whether it has a definition that outlives it.
      type: bool
    managed_save:
      description: Whether it is off with a managed save image.
      type: bool
    memory:
      description:
        - The memory in effect; that of the definition while the domain is off.
        - C(shared), C(backing) (V(memfd), V(file), V(hugepages), V(anonymous)) and C(shared_at_next_start).
      type: dict
    config:
      description: The virtiofs shares of the definition, with the options that it says.
      type: list
      elements: dict
    live:
      description: The virtiofs shares of the running machine.
      type: list
      elements: dict
    drift:
      description:
        - Where the running machine is not what the definition says.
        - C(tag), C(kind) (V(config_only), V(live_only), V(options)) and the C(options) that differ.
      type: list
      elements: dict
    restart_required:
      description: What waits for a shutdown and start, as M(virtio.fs.virtiofs_domain) returns it.
      type: list
      elements: dict
    guest_mounts:
      description:
        - What the guest has mounted, a list of C(tag), C(path) and C(options).
        - V(unknown) where its agent does not tell.
      type: raw
  sample:
    - name: vm1
      uuid: 4a3c2d0e-8c1b-4b57-9d0c-6f2f6e1f2a10
      state: running
      persistent: true
      managed_save: false
      memory: {shared: true, backing: memfd, shared_at_next_start: true}
      config: [{tag: media, source: /srv/media, readonly: true}]
      live: [{tag: media, source: /srv/media, readonly: true}]
      drift: []
      restart_required: []
      guest_mounts: [{tag: media, path: /srv/media, options: [ro]}]
daemons:
  description: The virtiofsd of each running share.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: Name of the domain.
      type: str
    tag:
      description: The share.
      type: str
    pid:
      description: Process id; null where it is dead or cannot be seen.
      type: int
    binary:
      description: The program.
      type: str
    dead:
      description: Whether it has ended while the domain runs.
      type: bool
    stale:
      description: Whether it serves another directory than the one on the path now.
      type: bool
    files_open:
      description: How many files it has open; null where only root can tell.
      type: int
    files_limit:
      description: How many it may have open.
      type: int
  sample:
    - domain: vm1
      tag: media
      pid: 4711
      binary: /usr/libexec/virtiofsd
      dead: false
      stale: false
      files_open: 212
      files_limit: 1000000
sources:
  description: The shared directories.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
    exists:
      description: Whether it is there; null where it was not asked, as on a network filesystem that may not answer.
      type: bool
    mount:
      description: The mount point that the path leads into.
      type: str
    device:
      description: What is mounted there.
      type: str
    fstype:
      description: Type of that filesystem.
      type: str
    options:
      description: Its mount options.
      type: list
      elements: str
    size:
      description: Its size in bytes.
      type: int
    free:
      description: What is free of it, in bytes.
      type: int
  sample:
    - path: /srv/media
      exists: true
      mount: /srv
      device: /dev/sda3
      fstype: ext4
      options: [rw, nosuid, nodev]
      size: 107374182400
      free: 53687091200
problems:
  description:
    - What is wrong, the worst first.
    - C(what) is one of V(daemon_dead), V(stale_mount), V(source_unmounted), V(source_missing), V(daemon_missing),
      V(hypervisor_too_old), V(memory_not_shared), V(memory_directory_small), V(drift), V(saved_with_shares),
      V(not_mounted_in_guest), V(left_mounted_in_guest), V(open_files_low), V(mount_not_hardened), V(parent_open),
      V(migration_blocked), V(save_may_not_start).
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: A code for a program.
      type: str
    where:
      description: What it is about.
      type: str
    message:
      description: What is wrong, in words.
      type: str
    remedy:
      description: What to do about it.
      type: str
  sample:
    - what: daemon_dead
      where: domain vm1, share data
      message: "its virtiofsd has ended: whatever touches the share in the guest hangs"
      remedy: "shut vm1 down (by force when it hangs) and start it"
as_shares:
  description: The list for C(virtiofs_host_shares) that describes what the definitions have.
  returned: when O(as_shares=true)
  type: list
  elements: dict
  sample:
    - name: data
      path: /shared/data
      storage: {device: /dev/disk/by-partuuid/6f0a, label: data, fstype: ext4}
      domains: [vm1]
      mount: /mnt
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._info.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._info.read import read
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import system_python
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "uri": {"type": "str"},
            "domains": {"type": "list", "elements": "str", "default": []},
            "as_shares": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    system_python.use_one_with_libvirt()
    reconcile(module, lambda: wanted(module.params), read, plan, None)


if __name__ == "__main__":
    main()
