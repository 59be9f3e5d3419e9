# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_info for somebody without rights: libvirt lets everybody look, and what cannot be seen is not a problem."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_lab import Daemon
from domain_machine import SHARED_MEMORY, machine, share

_AS_NOBODY = """
import importlib, os, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.argv[1].encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.virtio.fs.plugins.modules.virtiofs_info").main()
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    try:
        daemon.wait_until_it_answers()
        yield daemon
    finally:
        daemon.close()


def _told(daemon: Daemon) -> dict[str, Any]:
    options = {"uri": daemon.uri, "_ansible_remote_tmp": "/tmp"}
    return dict(json.loads(daemon.run(_AS_NOBODY, json.dumps({"ANSIBLE_MODULE_ARGS": options}))))


def test_somebody_without_rights_is_told_what_libvirt_lets_everybody_see(
    daemon: Daemon, source: str, tmp_path: Path
) -> None:
    (tmp_path / "vm1.xml").write_text(machine(memory=SHARED_MEMORY))
    daemon.virsh("define", str(tmp_path / "vm1.xml"))
    assert daemon.module(shares=[share(source)])["changed"]
    daemon.virsh("start", "vm1")
    try:
        result = _told(daemon)
    finally:
        daemon.virsh("destroy", "vm1")
        daemon.virsh("undefine", "vm1")
    assert not result.get("failed"), result
    assert result["connection"]["readonly"]
    (domain,) = result["domains"]
    assert (domain["name"], domain["state"], domain["guest_mounts"]) == ("vm1", "running", "unknown")
    assert [each["tag"] for half in ("config", "live") for each in domain[half]] == ["data", "data"]
    # The directory is below one that only root enters, and the daemon is root's.
    assert [each["exists"] for each in result["sources"]] == [None]
    # The limit of a process is for everybody to see, and how low it is depends on the machine.
    assert {each["what"] for each in result["problems"]} <= {"migration_blocked", "open_files_low"}
    assert "s3cret" not in str(result)
