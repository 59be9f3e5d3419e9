# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which filters are for users, and which say that they are not."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.virtio.fs.tests.unit.source_code import PLUGINS

# What turns the list of a hypervisor into the items of the four modules that set shares up.
PUBLIC = {"partitions", "directories", "domain_shares", "guest_mounts"}

PAGES = {page.stem: page for page in (PLUGINS / "filter").glob("*.yml")}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_filter_is_public_or_says_that_it_is_internal(name: str) -> None:
    documented = yaml.safe_load(PAGES[name].read_text())["DOCUMENTATION"]
    first = documented["description"][0]
    assert first.startswith("B(Internal)") == (name not in PUBLIC)


def test_the_public_ones_are_there() -> None:
    assert PAGES.keys() >= PUBLIC
