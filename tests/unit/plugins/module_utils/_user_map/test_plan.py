# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scripts are missing."""

from __future__ import annotations

from ansible_collections.virtio.fs.plugins.module_utils._user_map.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._user_map.script import place, script
from ansible_collections.virtio.fs.plugins.module_utils._user_map.state import State
from ansible_collections.virtio.fs.plugins.module_utils._user_map.steps import WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._user_map.wanted import Pair, UserMap, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd

DAEMON = Virtiofsd("/usr/libexec/virtiofsd", "rust", (1, 13, 2))


def test_a_script_is_written_once_and_no_users_are_the_daemon_itself():
    maps = (UserMap("homes", (Pair(1000, 2000),), (Pair(1000, 3000),)), UserMap("plain", (), ()))
    text = script(DAEMON.path, maps[0].users, maps[0].groups)
    where = place("/usr/sbin", text)
    first = plan(Wanted(maps), State(DAEMON, {}))
    assert first.steps == (WriteScript(where, text),)
    assert first.result == {"binaries": {"homes": where, "plain": DAEMON.path}}
    assert plan(Wanted(maps), State(DAEMON, {where: text})).steps == ()
    assert plan(Wanted(maps), State(DAEMON, {where: "exec true\n"})).steps == (WriteScript(where, text),)
