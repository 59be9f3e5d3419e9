# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs virtiofs_domain while something happens to the libvirt daemon, once, at a chosen moment.

``moment``: ``before_define``; ``answer_lost`` (the daemon has defined, and nobody hears of it); ``after_define``;
``while_reading``; ``before_start``; ``start_lost``; ``after_shutdown``.
``signal``: what the daemon gets. ``constants``: other time limits for the connection. ``define_takes``: seconds that go
by before a definition is replaced.
"""

import importlib
import json
import os
import signal
import sys
import time

import libvirt
from ansible.module_utils import basic

from ansible_collections.virtio.fs.plugins.module_utils._libvirt import connection as libvirt_connection

given, fault = json.loads(sys.argv[1]), json.loads(sys.argv[2])
check = given.pop("check", False)
for name, value in fault.get("constants", {}).items():
    setattr(libvirt_connection, name, value)
pending = [fault.get("moment")]


def strike(connection: libvirt.virConnect) -> None:
    number = getattr(signal, fault.get("signal", "SIGKILL"))
    os.kill(fault["pid"], number)
    deadline = time.monotonic() + 10
    while number == signal.SIGKILL and connection.isAlive() == 1 and time.monotonic() < deadline:
        time.sleep(0.01)


def at(owner: type, method: str, before: str, lost: str = "", after: str = "") -> None:
    """Have it happen before the call; after the same call through another connection; or after the call."""
    really = getattr(owner, method)

    def call(self, *arguments):
        connection = self if isinstance(self, libvirt.virConnect) else self.connect()
        moment = pending[0]
        if moment and moment in (before, lost):
            pending[0] = None
            if moment == lost:
                other = libvirt.open(given["uri"])
                target = other if self is connection else other.lookupByUUID(self.UUID())
                really(target, *arguments)
            strike(connection)
        answer = really(self, *arguments)
        if moment and moment == after:
            pending[0] = None
            strike(connection)
        return answer

    setattr(owner, method, call)


really_define = libvirt.virConnect.defineXML


def define_slowly(self, xml):
    time.sleep(fault.get("define_takes", 0))
    return really_define(self, xml)


libvirt.virConnect.defineXML = define_slowly
at(libvirt.virConnect, "defineXML", "before_define", "answer_lost", "after_define")
at(libvirt.virDomain, "XMLDesc", "while_reading")
at(libvirt.virDomain, "create", "before_start", "start_lost")
at(libvirt.virDomain, "shutdownFlags", "", after="after_shutdown")
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {**given, "_ansible_check_mode": check}}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.virtio.fs.plugins.modules.virtiofs_domain").main()
