# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain that is saved with shares: its saved image is given daemons with which it starts again. Pure.

Seen with virtiofsd 1.13.2 and 1.14: a file that was open and deleted is saved, and cannot be brought back. With
``--migration-on-error=guest-error`` the domain starts all the same, and only that file gives an error. What a saved
domain starts with is the document in the image, not its definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._daemon.arguments import problem
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Script
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, serialised
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at

_OPTION = "migration_on_error"
_STARTS = "guest-error"


@dataclass(frozen=True)
class Repair:
    """What a saved image lacks: the ``scripts`` of its shares by path, and the document that names them."""

    document: Document
    tags: tuple[str, ...]
    scripts: Mapping[str, Script]


def repair(name: str, saved: Document, host: Host, directory: str) -> Repair | None:
    """None where every share of the image has a daemon that starts again.

    :raises VirtiofsError: the daemon that is here cannot.
    """
    root = saved.copy()
    tags: list[str] = []
    scripts: dict[str, Script] = {}
    for tag, share in domain_xml_share.shares_in(root).items():
        script = _script(share, host)
        if script is None:
            continue
        daemon = host.daemon(script.daemon)
        found = None if daemon is None else problem(script.options, daemon)
        if found:
            raise VirtiofsError(at(f"share {tag} of domain {name}", found[0]) + found[1])
        path = script.place(directory)
        domain_xml_share.change(root, Share(tag, binary=path))
        tags.append(tag)
        scripts[path] = script
    return Repair(Document(serialised(root)), tuple(tags), scripts) if tags else None


def _script(share: Share, host: Host) -> Script | None:
    if share.source is None:
        # A daemon that is not libvirt's serves it.
        return None
    found = host.scripts.get(share.binary or "")
    if found is None:
        usual = None if host.virtiofsd is None else host.virtiofsd.path
        return Script({_OPTION: _STARTS}, None if share.binary in (None, usual) else share.binary)
    if found.safe and f"--migration-on-error={_STARTS}" in found.text:
        return None
    return Script({**found.script.options, _OPTION: _STARTS}, found.script.daemon)
