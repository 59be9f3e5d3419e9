#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtiofs_domain
short_description: Give host directories to libvirt domains through virtiofs
version_added: 1.0.0
description:
  - Sets which libvirt domains expose which host directories, in the persistent definition and in the running machine.
  - Only the managed C(<filesystem>) elements, C(<memoryBacking>) and, where needed, the sharing of NUMA cells change;
    everything else in the domain's XML is kept.
  - All items are checked before the first change.
  - What a running domain cannot be given live goes to its definition, and is reported in RV(restart_required) on
    every run until the domain was shut down and started. A reboot inside the guest is not enough.
  - A domain of C(qemu:///session) can have shares with libvirt 10.0 or newer. Then the module needs no root, but
    virtiofsd needs C(newuidmap), which Debian has in the package uidmap.
author:
  - the virtio.fs authors (@virtio-fs)
extends_documentation_fragment:
  - virtio.fs._attributes
  - virtio.fs._libvirt
options:
  shares:
    description: The shares. The order does not matter.
    type: list
    elements: dict
    required: true
    suboptions:
      domain:
        description: Name or UUID of the domain.
        type: str
        required: true
      tag:
        description:
          - Name of the share in the guest, and its identity inside the domain.
          - 1 to 36 bytes of printable characters.
        type: str
        required: true
      source:
        description:
          - Absolute path of a directory on the hypervisor. It must exist.
          - Required when O(shares[].state=present).
        type: str
      readonly:
        description:
          - Whether the guest can only read.
          - libvirt 11.0 with virtiofsd 1.13 enforces it by itself. With older ones the share is a read-only bind mount
            of the source below C(/var/lib/virtiofs/ro), kept in O(fstab).
          - Left out, it stays as it is; a new share is writable.
        type: bool
      cache:
        description:
          - What the guest may cache. V(auto) is right when the host changes files too, V(always) assumes that it never
            does. V(metadata) caches names and attributes, and no data. The guest then does not see what the host
            makes or removes, so it is for a directory that only the guest changes, and a second proof fails. virtiofsd
            itself is told, as libvirt has no word for it.
          - Left out, it stays as it is; a new share has the daemon's default, which is V(auto).
        type: str
        choices: [auto, none, metadata, always]
      queue:
        description: Size of the request queue, a power of two up to 1024. QEMU's default is 128.
        type: int
      xattr:
        description: Whether extended attributes work on the share.
        type: bool
      sandbox:
        description: How the daemon confines itself. Needs libvirt 7.2.
        type: str
        choices: [namespace, chroot]
      lock_posix:
        description: Whether POSIX record locks are shared with the host. Only the C virtiofsd and Rust before 1.11.1.
        type: bool
      lock_flock:
        description: Whether BSD locks are shared with the host. Only the C virtiofsd and Rust before 1.11.1.
        type: bool
      thread_pool:
        description: Number of the daemon's worker threads; 0 is none. Needs libvirt 8.5.
        type: int
      open_files:
        description: How many files the daemon may have open. Needs libvirt 10.6 and the Rust virtiofsd.
        type: int
      binary:
        description: Absolute path of the virtiofsd to use. Left out, libvirt chooses.
        type: str
      idmap:
        description:
          - How users and groups of the guest appear on the host. Needs libvirt 10.0 and the Rust virtiofsd.
          - Only for C(qemu:///session). A virtiofsd that runs as root refuses it and the domain would not start, so it
            is refused before; O(shares[].map_users) does it there.
        type: dict
        suboptions:
          uid:
            description: Ranges of user ids.
            type: list
            elements: dict
            suboptions: &range
              start:
                description: First id in the guest.
                type: int
                required: true
              target:
                description: First id on the host.
                type: int
                required: true
              count:
                description: How many ids.
                type: int
                required: true
          gid:
            description: Ranges of group ids.
            type: list
            elements: dict
            suboptions: *range
      map_users:
        description:
          - Which user of the guest is which user of the hypervisor, in both directions. Needs virtiofsd 1.13 and a
            libvirt that runs as root.
          - Root of the guest makes files as the first user of the list, unless the list has the number 0. Every other
            user of the guest is forbidden to own anything (virtiofsd says EIO), every other user of the hypervisor is
            shown as 65534, nobody.
          - It says who owns what is made, and hides nothing. Root of the guest still reads and changes every file of a
            share that is not read-only.
          - An empty list takes the map away.
        type: list
        elements: dict
        suboptions: &pair
          guest:
            description: The number in the guest. Names of a guest that may be off cannot be looked up.
            type: int
            required: true
          host:
            description: The name or the number on the hypervisor. Never root.
            type: raw
            required: true
      map_groups:
        description: The same for groups. Left out, the primary group of each user, with the user's number in the guest.
        type: list
        elements: dict
        suboptions: *pair
      posix_acl:
        description:
          - Access control lists. V(auto) leaves it to the guest whether it takes part, and needs virtiofsd 1.14.
            Brings O(shares[].xattr).
          - With V(always), guests before Linux 5.14 and Windows cannot use the share.
          - Not beside O(shares[].map_users), whose users an ACL would not follow.
        type: str
        choices: [auto, always, never]
      security_label:
        description:
          - Security labels, as of SELinux in the guest. V(auto) needs virtiofsd 1.14. Brings O(shares[].xattr).
        type: str
        choices: [auto, always, never]
      xattr_map:
        description:
          - How names of extended attributes of the guest are named on the hypervisor, in the words of virtiofsd, as
            V(:map::user.virtiofs.:). Brings O(shares[].xattr).
          - An empty string takes it away.
        type: str
      inode_file_handles:
        description:
          - Whether the daemon remembers files by a handle instead of keeping each open. V(prefer) ends "Too many open
            files" and "Stale file handle" after many files, where the filesystem has handles (ext4, xfs, btrfs).
          - V(mandatory) fails where it has none. The default is V(never) up to virtiofsd 1.13.2, then V(prefer).
        type: str
        choices: [never, prefer, mandatory]
      announce_submounts:
        description: Whether the guest is told what is another filesystem below O(shares[].source). The default is true.
        type: bool
      readdirplus:
        description: Whether a listing brings the attributes of each file with it. The default is true.
        type: bool
      direct_io:
        description: Whether C(O_DIRECT) of the guest goes through to the hypervisor, past its cache.
        type: bool
      allow_mmap:
        description:
          - Whether files can be mapped shared with O(shares[].cache=none) and O(shares[].cache=metadata); with the
            others they can anyway. Needs O(shares[].sole_writer).
        type: bool
      writeback:
        description:
          - Whether the guest keeps what it has written to itself for a while. Faster for small writes; what another one
            writes meanwhile is lost. Needs O(shares[].sole_writer).
        type: bool
      preserve_noatime:
        description: Whether C(O_NOATIME) of the guest is kept, which needs the daemon to own the files.
        type: bool
      log_level:
        description: What the daemon logs, to C(/var/log/libvirt/qemu). The default is V(info).
        type: str
        choices: [error, warn, info, debug, trace, 'off']
      migration_mode:
        description:
          - How open files are found again after a migration or a start from a saved state. V(find-paths) takes their
            paths, V(file-handles) the same inodes, which is right also where a file was replaced meanwhile, and loses a
            file that is open and deleted. The default is V(find-paths). Needs virtiofsd 1.12.
          - V(file-handles) with virtiofsd before 1.14 needs O(shares[].inode_file_handles=prefer).
        type: str
        choices: [find-paths, file-handles]
      migration_on_error:
        description:
          - What happens then to a file that is not found. With V(abort), the daemon's default, the domain does not
            start from its saved state at all. With V(guest-error) it does, and only that file gives an error.
          - A share with any option that only virtiofsd itself can be told has V(guest-error) unless said otherwise.
        type: str
        choices: [abort, guest-error]
      sole_writer:
        description:
          - You have seen that nobody but this guest writes to O(shares[].source). O(shares[].writeback) and
            O(shares[].allow_mmap) need it.
        type: bool
        default: false
      require_mountpoint:
        description: Refuse when O(shares[].source) is not a mount point, as the guest would fill the host's root.
        type: bool
        default: false
      allow_unsafe_source:
        description:
          - Allow a source that is a system directory, above or below one, behind a symlink, the place of disk images,
            or above the source of another share.
        type: bool
        default: false
      unlisted:
        description:
          - With V(absent), it goes only because a list has it no more. So it stays, with a warning, where the domain
            stands on it, as with O(exclusive). O(exclusive_system) takes it away as well.
        type: bool
        default: false
      guest_unmounted:
        description: You have seen that the guest does not have the share mounted; it is not asked.
        type: bool
        default: false
      state:
        description: Whether the domain has the share.
        type: str
        choices: [present, absent]
        default: present
  memory:
    description:
      - How the memory of a domain becomes shared that has no shared memory yet.
      - A domain whose memory is shared already is left as it is.
    type: str
    choices: [memfd, file, hugepages]
    default: memfd
  numa_cell:
    description:
      - V(auto) adds a NUMA cell only where libvirt needs one (before 6.9).
      - V(always) gives a domain without cells one that holds all its CPUs and memory. Existing cells keep their layout.
    type: str
    choices: [auto, always]
    default: auto
  apply:
    description:
      - V(config) changes the definition only, for the next start.
      - V(live) also hot-plugs into running domains. What cannot be had live goes to the definition only and to
        RV(restart_required). A hot-plug that was tried and failed leaves neither half.
      - V(restart) is like V(live), and domains for which something waits are shut down gracefully and started.
      - A domain that is off stays off.
    type: str
    choices: [config, live, restart]
    default: live
  keep_running:
    description:
      - Domains, by name or UUID, that O(apply=restart) does not restart in this run, as with V(live). The playbooks
        name those whose guests could not mount what they would get.
      - A domain with a dead virtiofsd is restarted all the same.
    type: list
    elements: str
    default: []
  restart_parallel:
    description: How many domains are restarted at a time, at least 1.
    type: int
    default: 1
  shutdown_timeout:
    description:
      - Seconds for a graceful shutdown, at least 1.
      - After that the module fails and nothing is destroyed, unless O(force_off).
    type: int
    default: 120
  force_off:
    description:
      - Destroy a domain that did not shut down within O(shutdown_timeout). The guest loses what it had not written.
    type: bool
    default: false
  force_detach:
    description: Detach a share from a running guest that has it mounted, or may have.
    type: bool
    default: false
  remove_managed_save:
    description: Drop a managed save image of a domain that is to change. The saved state of the guest is lost.
    type: bool
    default: false
  repair_managed_save:
    description:
      - Have the saved images of the domains start again. A domain that was saved while its guest had a file of a share
        open that is deleted does not start from that image. With this its shares get
        O(shares[].migration_on_error=guest-error) in the image, so it starts, and only that file gives an error.
        Nothing of the saved memory is lost, the definition stays as it is, and no domain is started.
      - The domains are those of O(shares). Needs virtiofsd 1.11 and libvirt 3.7.
    type: bool
    default: false
  allow_pending:
    description: Restart a domain although that also activates edits of its definition that others made.
    type: bool
    default: false
  allow_foreign:
    description: Change domains that OpenStack, oVirt or another manager owns, as their metadata says.
    type: bool
    default: false
  spare_ports:
    description:
      - How many PCI Express ports the definition has free for later hot-plugs. They are there after the next start.
      - A default q35 domain has one.
    type: int
    default: 0
  exclusive:
    description:
      - Remove virtiofs shares that O(shares) does not have from the domains that it names and from O(domains).
      - Filesystems of other types are never touched. A share that the domain stands on stays, with a warning that
        says why. That is one with a boot order, one that C(root=) of its kernel's command line names, and one that a
        daemon of others serves through a socket.
    type: bool
    default: false
  confirm_empty:
    description: Allow O(exclusive) with an empty list of shares.
    type: bool
    default: false
  exclusive_system:
    description: Let O(exclusive) also take a share that the domain stands on. It may not start again.
    type: bool
    default: false
  domains:
    description: Domains that O(exclusive) covers although no item names them.
    type: list
    elements: str
    default: []
  fstab:
    description: Where the bind mounts of read-only shares are kept.
    type: path
    default: /etc/fstab
  script_directory:
    description:
      - Where the scripts are that tell virtiofsd what libvirt has no element for (O(shares[].map_users) to
        O(shares[].migration_on_error), and O(shares[].cache=metadata)). A share with such an option has one as its
        binary; one that no domain names any more, as defined, running, saved or in a snapshot, is removed.
      - The name of a script is a checksum of what is asked for, in these words, so it is the same on every hypervisor.
      - AppArmor's profile of libvirt in Debian and Ubuntu allows programs in C(/usr/bin) and C(/usr/sbin), and nothing
        below C(/usr/local) or C(/var).
    type: path
    default: /usr/sbin
seealso:
  - module: virtio.fs.virtiofs_guest_mount
  - module: virtio.fs.virtiofs_info
"""

EXAMPLES = r"""
- name: Share two directories with two domains
  virtio.fs.virtiofs_domain:
    shares:
      - {domain: vm1, tag: data, source: /shared/data}
      - {domain: vm1, tag: media, source: /srv/media, readonly: true}
      - {domain: vm2, tag: media, source: /srv/media, readonly: true}

- name: The same, and restart the domains that need it, two at a time
  virtio.fs.virtiofs_domain:
    shares:
      - {domain: vm1, tag: data, source: /shared/data}
      - {domain: vm2, tag: data, source: /shared/data}
    apply: restart
    restart_parallel: 2

- name: Take a share away
  virtio.fs.virtiofs_domain:
    shares:
      - {domain: vm1, tag: data, state: absent}

- name: This share and no other, with ports for four hot-plugs after the next start
  virtio.fs.virtiofs_domain:
    shares:
      - {domain: vm1, tag: data, source: /shared/data}
    exclusive: true
    spare_ports: 4

- name: In the guest, user 1000 is alice and user 1001 is bob
  virtio.fs.virtiofs_domain:
    shares:
      - domain: vm1
        tag: homes
        source: /srv/homes
        map_users:
          - {guest: 1000, host: alice}
          - {guest: 1001, host: bob}

- name: Access control lists, and no file kept open for each that the guest has seen
  virtio.fs.virtiofs_domain:
    shares:
      - {domain: vm1, tag: data, source: /shared/data, posix_acl: always, inode_file_handles: prefer}

- name: Share a directory of your own with a machine of your own
  virtio.fs.virtiofs_domain:
    uri: qemu:///session
    shares:
      - {domain: mine, tag: data, source: /srv/alice}
  become: false
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: ["define vm1: with share data, with shared memory", "restart vm1 (shut down, start)"]
domains:
  description: The domains that the list covers, as they are after the run.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: Name of the domain.
      type: str
    uuid:
      description: UUID of the domain.
      type: str
    running:
      description: Whether it runs.
      type: bool
    config:
      description: Tags for which the persistent definition is as wanted.
      type: list
      elements: str
    live:
      description: Tags for which the running machine is as wanted.
      type: list
      elements: str
    waiting:
      description: Tags for which the running machine waits for a restart.
      type: list
      elements: str
    kept:
      description: Tags that would have gone because no list has them, and stay because the domain stands on them.
      type: list
      elements: str
  sample:
    - domain: vm1
      uuid: 4a3c2d0e-8c1b-4b57-9d0c-6f2f6e1f2a10
      running: true
      config: [data, media]
      live: [media]
      waiting: [data]
      kept: []
restart_required:
  description: Domains that must be shut down and started, one entry for each domain and reason.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: Name of the domain.
      type: str
    reason:
      description:
        - V(no_shared_memory), V(no_free_port), V(libvirt_too_old), V(not_supported), V(daemon_dead), V(mounted),
          V(mount_unknown) or V(apply_config).
      type: str
    tags:
      description: The shares that wait.
      type: list
      elements: str
    options:
      description: The options that a running share has otherwise, by its tag; a share that is not running has none.
      type: dict
    message:
      description: The same as a sentence.
      type: str
  sample:
    - domain: vm1
      reason: no_shared_memory
      tags: [data]
      options: {}
      message: "domain vm1 must be shut down and started for data: its running memory is not shared"
diff:
  description: The persistent definition of each domain that changes, before and after, without secrets.
  returned: in diff mode
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import DIRECTORY
from ansible_collections.virtio.fs.plugins.module_utils._domain.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.read import read
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import SHARE_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import system_python
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


def main() -> None:
    share = {
        "domain": {"type": "str", "required": True},
        "tag": {"type": "str", "required": True},
        "source": {"type": "str"},
        **{option.name: option.spec for option in SHARE_OPTIONS},
        "require_mountpoint": {"type": "bool", "default": False},
        "allow_unsafe_source": {"type": "bool", "default": False},
        "guest_unmounted": {"type": "bool", "default": False},
        "unlisted": {"type": "bool", "default": False},
        "sole_writer": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    module = AnsibleModule(
        argument_spec={
            "uri": {"type": "str"},
            "shares": {"type": "list", "elements": "dict", "required": True, "options": share},
            "memory": {"type": "str", "choices": ["memfd", "file", "hugepages"], "default": "memfd"},
            "numa_cell": {"type": "str", "choices": ["auto", "always"], "default": "auto"},
            "apply": {"type": "str", "choices": ["config", "live", "restart"], "default": "live"},
            "keep_running": {"type": "list", "elements": "str", "default": []},
            "restart_parallel": {"type": "int", "default": 1},
            "shutdown_timeout": {"type": "int", "default": 120},
            "force_off": {"type": "bool", "default": False},
            "force_detach": {"type": "bool", "default": False},
            "remove_managed_save": {"type": "bool", "default": False},
            "repair_managed_save": {"type": "bool", "default": False},
            "allow_pending": {"type": "bool", "default": False},
            "allow_foreign": {"type": "bool", "default": False},
            "spare_ports": {"type": "int", "default": 0},
            "exclusive": {"type": "bool", "default": False},
            "confirm_empty": {"type": "bool", "default": False},
            "exclusive_system": {"type": "bool", "default": False},
            "domains": {"type": "list", "elements": "str", "default": []},
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "script_directory": {"type": "path", "default": DIRECTORY},
        },
        supports_check_mode=True,
    )
    system_python.use_one_with_libvirt()
    hypervisor = Hypervisor(module.params["uri"] or "qemu:///system")
    reconcile(
        module,
        lambda: wanted(module.params),
        lambda checked: read(checked, hypervisor, public=module._diff),
        plan,
        hypervisor,
    )


if __name__ == "__main__":
    main()
