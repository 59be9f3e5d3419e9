# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of others that wait for the next start."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.pending_edits import pending_edits
from ansible_collections.virtio.fs.tests.unit.domain_documents import DOCUMENTS
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    NEW_ITEMS,
    edited_by,
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_our_own_edits_are_no_pending_edits_of_others(name: str) -> None:
    after = Document(edited_by(DOCUMENTS[name], *NEW_ITEMS, numa_cell="always"))
    assert pending_edits(Document(DOCUMENTS[name]), after) == ()


def _captured_pairs() -> list[str]:
    return [name[: -len("-live")] for name in DOCUMENTS if name.startswith("captured: ") and name.endswith("-live")]


@pytest.mark.parametrize("name", _captured_pairs())
def test_a_running_machine_has_no_pending_edits_until_somebody_makes_one(name: str) -> None:
    live, config = DOCUMENTS[f"{name}-live"], DOCUMENTS[f"{name}-definition"]
    assert pending_edits(Document(live), Document(config)) == ()
    for before, after in (
        ("<vcpu placement='static'>", "<vcpu placement='static'>1"),
        ("<on_crash>destroy", "<on_crash>restart"),
        ("<devices>", "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"),
        ("<audio id='1' type='none'/>", ""),
        ("<clock offset='utc'/>", "<clock offset='utc'><timer name='hpet' present='no'/></clock>"),
    ):
        assert before in config
        assert pending_edits(Document(live), Document(config.replace(before, after))) != ()
