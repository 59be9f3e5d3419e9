# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of its own that holds a libvirt driver and runs the module against it.

The state of ``test:///`` and ``qemu:///embed`` belongs to a process, and the embedded QEMU driver wants a user and
a group called libvirt-qemu. So this runs in a mount namespace of its own (see ``libvirt_lab.py``), takes one JSON
object a line on stdin and answers with one on stdout.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import threading
import time
from typing import Any

import libvirt
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import hypervisor as libvirt_hypervisor

_answers = os.fdopen(os.dup(1), "w", encoding="utf-8")


class Worker:
    def __init__(self, uri: str) -> None:
        libvirt.registerErrorHandler(lambda context, error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._turn, daemon=True).start()
        self._uri = uri
        self._connection = libvirt.open(uri)
        # Each open registers the embedded driver anew, and libvirt has room for a dozen.
        really_open = libvirt.open
        libvirt.open = lambda other: self._connection if other == uri else really_open(other)

    def module(self, name: str, arguments: dict[str, Any], check: bool, diff: bool) -> dict[str, Any]:
        """Run a module's main() and return what it printed."""
        module = importlib.import_module(f"ansible_collections.virtio.fs.plugins.modules.{name}")
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
        if "uri" not in given:
            given["uri"] = self._uri
        out = io.StringIO()
        with patch_module_args(given), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            module.main()
        said = json.loads(out.getvalue().strip().splitlines()[-1])
        # They are typed objects in the output, and in a process that goes on they pile up.
        said["warnings"] = list(warnings.get_warning_messages())
        warnings._global_warnings.clear()
        return said

    def set(self, room: str, name: str, value: Any) -> None:
        """Another value for a constant of a room: a time limit, a directory."""
        setattr(importlib.import_module(f"ansible_collections.virtio.fs.plugins.module_utils.{room}"), name, value)

    def define_over(self, domain: str, xml: str, expected: str) -> None:
        """What the module does with a definition that it read as ``expected``."""
        hypervisor = libvirt_hypervisor.Hypervisor(self._uri)
        hypervisor.define(self._connection.lookupByName(domain).UUIDString(), xml, Document(expected))

    def define(self, xml: str) -> str:
        return self._connection.defineXML(xml).UUIDString()

    def start(self, domain: str) -> None:
        self._connection.lookupByName(domain).create()

    def destroy(self, domain: str) -> None:
        found = self._connection.lookupByName(domain)
        if found.isActive():
            found.destroy()

    def xml(self, domain: str, flags: int) -> str:
        return self._connection.lookupByName(domain).XMLDesc(flags)

    def is_active(self, domain: str) -> bool:
        return bool(self._connection.lookupByName(domain).isActive())

    def number(self, domain: str) -> int:
        return self._connection.lookupByName(domain).ID()

    def clear(self) -> None:
        for domain in self._connection.listAllDomains():
            if domain.isActive():
                domain.destroy()
            with contextlib.suppress(libvirt.libvirtError):
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Any method of the connection that takes and returns plain values."""
        return getattr(self._connection, name)(*arguments)

    def call_domain(self, domain: str, name: str, arguments: list[Any]) -> Any:
        value = getattr(self._connection.lookupByName(domain), name)(*arguments)
        return value if isinstance(value, (str, int, list, type(None))) else None

    @staticmethod
    def _turn() -> None:
        while True:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                time.sleep(0.1)


def main() -> None:
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"value": getattr(worker, asked["method"])(**asked["arguments"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        _answers.write(json.dumps(answer) + "\n")
        _answers.flush()
    with contextlib.suppress(libvirt.libvirtError):
        worker.clear()


if __name__ == "__main__":
    main()
