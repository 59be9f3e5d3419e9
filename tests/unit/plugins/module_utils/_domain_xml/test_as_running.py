# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to go back to when a restart fails."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.as_running import as_running
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, canonical
from ansible_collections.virtio.fs.tests.unit.domain_documents import DOCUMENTS
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    NEW_ITEMS,
    edited_by,
)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("cell", ["auto", "always"])
def test_going_back_to_what_runs_gives_the_old_definition(name: str, cell: str) -> None:
    before = Document(DOCUMENTS[name])
    after = Document(edited_by(DOCUMENTS[name], *NEW_ITEMS, numa_cell=cell))
    assert after != before
    assert _without_devices_made(as_running(after, before)) == before.canonical


def _without_devices_made(document: Document) -> str:
    root = document.copy()
    devices = root.find("devices")
    if devices is not None and not len(devices) and not devices.attrib:
        root.remove(devices)
    return canonical(root)
