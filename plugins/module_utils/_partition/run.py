# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_partition from its options to its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ansible_collections.virtio.fs.plugins.module_utils import _reconcile
from ansible_collections.virtio.fs.plugins.module_utils._partition.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._partition.read import read
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile


class Module(_reconcile.Module, Protocol):
    params: Mapping[str, Any]


def run(module: Module, target: Target) -> None:
    reconcile(module, lambda: wanted(module.params), lambda checked: read(target, checked), plan, target)
