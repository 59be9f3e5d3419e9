# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mark of a list on its lines of fstab, by which what it made is known. Pure.

It is a ``comment=``, and no ``x-`` option, which mount(8) of util-linux and systemd would ignore as well: busybox hands
an ``x-`` option to the kernel (seen with 1.35), which refuses it, and a guest would boot without the share.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry

_PREFIX = "comment=virtio.fs:"


def mark(list_name: str, tag: str, path: str) -> str:
    """The option that says that the line of this share on this path is of this list.

    Its last part is made of all three, so that it says nothing on a line that somebody copied or gave another path.
    """
    check = hashlib.sha256("\0".join((list_name, tag, path)).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{_PREFIX}{quote(list_name, safe='', errors='surrogateescape')}:{check[:8]}"


def is_mark(option: str) -> bool:
    """Whether the option is a mark, of whatever list and line."""
    return option.startswith(_PREFIX)


def bears_mark(entry: Entry, list_name: str | None) -> bool:
    """Whether this list made the line, as it is now."""
    return list_name is not None and mark(list_name, entry.spec, entry.mount_point) in entry.options
