# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module that talks to libvirt shares."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt connection to use.
      - Left out, it is C(qemu:///system).
    type: str
attributes:
  action_group:
    support: full
    description: Use C(group/virtio.fs.libvirt) in C(module_defaults) to give O(uri) to all that talk to libvirt.
    membership: [virtio.fs.libvirt]
requirements:
  - python3-libvirt (the distribution's package) on the hypervisor
  - python3-lxml (the distribution's package) on the hypervisor
notes:
  - When the Python that runs the module lacks these two, the module starts again under the system Python.
"""
