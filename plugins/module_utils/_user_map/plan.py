# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maps as they are wanted and scripts as they are -> a plan. Pure."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Change, Plan
from ansible_collections.virtio.fs.plugins.module_utils._user_map.script import scripts
from ansible_collections.virtio.fs.plugins.module_utils._user_map.state import State
from ansible_collections.virtio.fs.plugins.module_utils._user_map.steps import WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import Wanted


def plan(wanted: Wanted, state: State) -> Plan:
    """The scripts that are missing, or not as they would be written."""
    all_scripts = scripts(state.daemon.path, wanted)
    missing = {where: text for where, text in all_scripts.values() if state.texts.get(where) != text}
    return Plan(
        steps=tuple(WriteScript(where, text) for where, text in missing.items()),
        changes=tuple(Change(where, state.texts.get(where, ""), text) for where, text in all_scripts.values()),
        # Without users the daemon itself: a share that had a map loses it.
        result={
            "binaries": {each.name: all_scripts.get(each.name, (state.daemon.path, ""))[0] for each in wanted.maps}
        },
    )
