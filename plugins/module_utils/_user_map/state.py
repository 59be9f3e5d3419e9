# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read of the daemon and its scripts, as values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd


@dataclass(frozen=True)
class State:
    """``texts`` of the scripts that are there and that root alone can write to, by path."""

    daemon: Virtiofsd
    texts: Mapping[str, str]
