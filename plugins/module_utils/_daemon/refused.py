# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why virtiofsd cannot be told an option. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


class Refused(VirtiofsError):
    """An option that cannot be had here; the sentence does not name it."""

    def __init__(self, option: str, sentence: str) -> None:
        super().__init__(sentence)
        self.option = option
