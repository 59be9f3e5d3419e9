# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which manager wrote a domain, by its metadata. Such a manager overwrites what others change. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element

_NAMESPACES = {
    "http://openstack.org/xmlns/libvirt/nova": "OpenStack",
    "http://ovirt.org/vm": "oVirt",
    "http://kubevirt.io": "KubeVirt",
    "http://opennebula.org/xmlns/libvirt": "OpenNebula",
}


def manager_of(root: Element) -> str | None:
    """The name of the manager, or None."""
    metadata = root.find("metadata")
    for element in metadata if metadata is not None else ():
        for namespace, name in _NAMESPACES.items():
            if str(element.tag).startswith("{" + namespace):
                return name
    return None
