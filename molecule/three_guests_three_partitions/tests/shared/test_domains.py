# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each domain has its share, running and in its definition, on shared memory."""

from __future__ import annotations

import pytest
from proof.domains import Share


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_domain_has_its_own_share_and_no_other(on_host, name, state):
    domain = getattr(on_host, state)[name]
    assert domain.shares == (Share(name, f"/shared/proof_{name}", readonly=False),)


@pytest.mark.parametrize("state", ["running", "defined"])
def test_the_memory_of_the_domain_is_shared(on_host, name, state):
    domain = getattr(on_host, state)[name]
    assert (domain.memory_source, domain.memory_access) == ("memfd", "shared")


def test_no_numa_cell_is_made_where_this_libvirt_needs_none(on_host, name):
    assert on_host.defined[name].cell_access == ()
