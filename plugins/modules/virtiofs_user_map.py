#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: virtiofs_user_map
short_description: Users of a guest as users of the hypervisor
version_added: 1.0.0
description:
  - Writes, for each map, a small script that starts virtiofsd with it, and returns its path. A share takes it as its
    C(binary), see M(virtio.fs.virtiofs_domain). The role virtio.fs.virtiofs_host does both, for shares with
    C(map_users).
  - A user of the guest who is in the map is a user of the hypervisor, and is shown as such in both directions.
  - Root of the guest makes files as the first user of the map, unless the map has the id 0.
  - Every other id of the guest is forbidden. It can own no new file, and nothing can be given to it (virtiofsd says
    EIO). Every other id of the hypervisor is shown to the guest as 65534, nobody.
  - A map says who owns what is made, it does not hide anything. Root of the guest still reads and changes every file
    of a share that is not read-only.
  - Written for hypervisors whose libvirt runs as root. A virtiofsd that runs as root refuses what libvirt has for
    this, C(<idmap>). In C(qemu:///session) take C(idmap) of M(virtio.fs.virtiofs_domain) instead.
  - The name of a script is a checksum of its content. Another map is another script, and a domain that runs keeps its
    own until the share is changed in it. Scripts that nobody uses any more are left.
author:
  - the virtio.fs authors (@virtio-fs)
extends_documentation_fragment:
  - virtio.fs._attributes
requirements:
  - virtiofsd 1.13 or newer, as in Debian 13
options:
  maps:
    description: The maps.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name in RV(binaries), such as that of the share.
        type: str
        required: true
      users:
        description: The users. An empty list is no map, RV(binaries) then has the daemon itself.
        type: list
        elements: dict
        required: true
        suboptions:
          guest:
            description: The number in the guest. Names of a guest that may be off cannot be looked up.
            type: int
            required: true
          host:
            description: The name or the number on the hypervisor. Never root.
            type: raw
            required: true
      groups:
        description:
          - The groups.
          - Left out, the primary group of each user, with the number that the user has in the guest.
        type: list
        elements: dict
        suboptions:
          guest:
            description: The number in the guest.
            type: int
            required: true
          host:
            description: The name or the number on the hypervisor. Never root.
            type: raw
            required: true
  virtiofsd:
    description: The daemon to start, 1.13 or newer. Left out, the one that libvirt would take.
    type: path
  directory:
    description:
      - Where the scripts are. AppArmor's profile of libvirt in Debian and Ubuntu allows programs in C(/usr/bin) and
        C(/usr/sbin), and nothing below C(/usr/local) or C(/var).
    type: path
    default: /usr/sbin
seealso:
  - module: virtio.fs.virtiofs_domain
"""

EXAMPLES = r"""
- name: In the guest, user 1000 is alice and user 1001 is bob
  virtio.fs.virtiofs_user_map:
    maps:
      - name: homes
        users:
          - {guest: 1000, host: alice}
          - {guest: 1001, host: bob}
      - name: projects
        users:
          - {guest: 1000, host: alice}
        groups:
          - {guest: 1000, host: projects}
  register: map

- name: Share with that
  virtio.fs.virtiofs_domain:
    shares:
      - domain: vm1
        tag: homes
        source: /srv/homes
        binary: "{{ map.binaries.homes }}"
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: ["write /usr/sbin/virtiofsd-map-0123456789abcdef, which starts virtiofsd with a map of users"]
binaries:
  description: The program that a share takes as its C(binary), by the name of the map.
  returned: success, where there is a virtiofsd
  type: dict
  sample: {homes: /usr/sbin/virtiofsd-map-0123456789abcdef}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile
from ansible_collections.virtio.fs.plugins.module_utils._user_map.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._user_map.read import ACCOUNTS, read
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import wanted


def main() -> None:
    pairs: dict[str, Any] = {
        "type": "list",
        "elements": "dict",
        "options": {"guest": {"type": "int", "required": True}, "host": {"type": "raw", "required": True}},
    }
    module = AnsibleModule(
        argument_spec={
            "maps": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "users": {**pairs, "required": True},
                    "groups": pairs,
                },
            },
            "virtiofsd": {"type": "path"},
            "directory": {"type": "path", "default": "/usr/sbin"},
        },
        supports_check_mode=True,
    )
    reconcile(module, lambda: wanted(module.params, ACCOUNTS), read, plan, None)


if __name__ == "__main__":
    main()
