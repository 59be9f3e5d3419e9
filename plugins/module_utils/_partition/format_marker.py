# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The note that a device without a partition of ours is being formatted or erased: its content is not to be kept."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import files


def read(target: Target, label: str) -> Mapping[str, str]:
    """What a run that was killed has left: the identity of the device, and the UUID that its filesystem was to have."""
    text = files.read(target.format_marker_path(label))
    with contextlib.suppress(ValueError):
        record = json.loads(text)
        if isinstance(record, dict):
            return record
    return {}


def write(target: Target, label: str, identity: str, filesystem: str) -> None:
    """From now on the content of the device is ours to write over, until it is whole or erased."""
    path = target.format_marker_path(label)
    record = json.dumps({"device": identity, "filesystem": filesystem}, sort_keys=True) + "\n"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError as error:
        raise VirtiofsError(f"cannot make {os.path.dirname(path)}: {error.strerror}") from error
    files.edit(path, lambda _old: record)


def remove(target: Target, label: str) -> None:
    files.remove(target.format_marker_path(label))
