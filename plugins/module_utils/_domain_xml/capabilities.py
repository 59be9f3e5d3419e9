# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What libvirt's domain capabilities tell. Pure.

https://libvirt.org/formatdomaincaps.html#filesystems: virtiofs there means that QEMU has the device, not that there
is a daemon.
"""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse


def has_virtiofs(capabilities: str) -> bool | None:
    """None where this libvirt does not tell."""
    if not capabilities:
        return None
    filesystem = parse(capabilities).find("devices/filesystem")
    if filesystem is None:
        return None
    if filesystem.get("supported") == "no":
        return False
    kinds = [value.text for value in filesystem.iterfind("enum[@name='driverType']/value")]
    return "virtiofs" in kinds if kinds else None
