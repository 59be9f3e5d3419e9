#!/usr/bin/python
# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: virtiofs_directory
short_description: Plain directories to share, all in one call
version_added: 1.0.0
description:
  - Makes directories that are missing, with their parents.
  - What is there keeps its owner, group and mode where they are not given.
  - Nothing is ever removed, and what is no directory is refused.
author:
  - the virtio.fs authors (@virtio-fs)
extends_documentation_fragment:
  - virtio.fs._attributes
options:
  directories:
    description: The directories.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The absolute path.
        type: str
        required: true
      owner:
        description: The owner, by name or number. A new directory belongs to who runs the module, root as a rule.
        type: str
      group:
        description: The group, by name or number.
        type: str
      mode:
        description:
          - The permissions in octal, as a string.
          - Left out, one that is there keeps its own.
        type: raw
      new_mode:
        description:
          - The permissions of a directory that has to be made, where O(directories[].mode) is not given. V(0755) by
            default.
          - Missing parents get V(0755).
        type: raw
seealso:
  - module: virtio.fs.virtiofs_partition
    description: A filesystem of its own for a share, so that guests cannot fill the hypervisor's.
"""

EXAMPLES = r"""
- name: Have the directories to share
  virtio.fs.virtiofs_directory:
    directories:
      - path: /srv/media
      - path: /srv/backup
        owner: backup
        mode: "0750"

- name: A directory that the members of a group share
  virtio.fs.virtiofs_directory:
    directories:
      - path: /srv/projects
        owner: root
        group: projects
        mode: "2775"
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: str
  sample: [make the directory /srv/media]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtio.fs.plugins.module_utils._directory import plan, read, wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "raw"},
                    "new_mode": {"type": "raw"},
                },
            },
        },
        supports_check_mode=True,
    )
    reconcile(module, lambda: wanted(module.params["directories"]), read, plan, None)


if __name__ == "__main__":
    main()
