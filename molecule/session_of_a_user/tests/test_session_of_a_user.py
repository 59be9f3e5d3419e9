# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user without rights shares her own directories with her own machine, through a libvirt of her own."""

from __future__ import annotations

import re

import pytest

VIRSH = "runuser -u carol -- env HOME=/srv/carol/home XDG_RUNTIME_DIR=/run/carol virsh --connect qemu:///session"


@pytest.fixture(scope="session")
def said(hv1):
    return hv1.read(
        {
            "definition": f"{VIRSH} dumpxml --inactive carols",
            "machine": f"{VIRSH} dumpxml carols",
            "daemons": "ps -C virtiofsd -o user=,args=",
            "system": "virsh --connect qemu:///system list --all --name",
        }
    )


@pytest.mark.parametrize("kept", ["definition", "machine"])
def test_her_definition_and_her_running_machine_have_both_shares(said, kept):
    assert re.findall(r"<target dir='(\w+)'/>", said[kept]) == ["one", "two"]
    assert said[kept].count("<readonly/>") == 1


def test_her_daemons_run_without_rights(said):
    served = {line.split()[0] for line in said["daemons"].splitlines() if "/srv/carol/" in line}
    assert served == {"carol"}


def test_the_libvirt_of_the_system_knows_nothing_of_it(said):
    assert "carols" not in said["system"]
