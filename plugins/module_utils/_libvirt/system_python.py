# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libvirt's Python binding is a distribution package: it is there for the distribution's own Python only."""

from __future__ import annotations

from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import document
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import hypervisor

_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/bin/python")


def use_one_with_libvirt() -> None:
    """Start the module again under a Python that has libvirt and lxml, when this one lacks one of them.

    Does not return then. Where no Python has them the module goes on, and connecting says what is missing.
    """
    if (hypervisor.available() and document.available()) or has_respawned():
        return
    missing = "lxml.etree" if hypervisor.available() else "libvirt"
    interpreter = probe_interpreters_for_module(_INTERPRETERS, missing)
    if interpreter:
        respawn_module(interpreter)
