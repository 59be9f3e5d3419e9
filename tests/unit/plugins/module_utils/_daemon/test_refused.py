# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An option that virtiofsd cannot be told is an error like every other one, and knows which option."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._daemon.refused import Refused
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


def test_it_has_the_option_beside_its_sentence() -> None:
    error = Refused("posix_acl", "it cannot be had")
    assert isinstance(error, VirtiofsError)
    assert (error.option, str(error)) == ("posix_acl", "it cannot be had")
