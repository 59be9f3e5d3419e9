# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which domains are asked about."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import Wanted, wanted


def test_what_is_left_out_means_all_domains_of_the_system() -> None:
    assert wanted({"uri": None, "domains": [], "as_shares": False}) == Wanted("qemu:///system", (), False)


def test_what_is_given_is_kept() -> None:
    given = {"uri": "qemu:///session", "domains": ["vm1", "vm2"], "as_shares": True}
    assert wanted(given) == Wanted("qemu:///session", ("vm1", "vm2"), True)
