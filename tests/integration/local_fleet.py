# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet without machines: hypervisors with libvirt's own test driver, all of them this one, and the real playbooks.

The driver's state ends with its process, so each task meets the domains as they are in ``node.xml``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

_CALLBACK = Path(__file__).parents[2] / "molecule/proof/callback"

_DOMAIN = (
    "<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>1048576</memory>"
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>2</vcpu>"
    "<os><type arch='x86_64'>hvm</type></os><devices>{shares}</devices></domain>"
)
_SHARE = (
    "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/><source dir='{source}'/>"
    "<target dir='{tag}'/></filesystem>"
)
HERE = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    # Whoever runs this is root already.
    "ansible_become": False,
}
# Nobody listens there.
NOWHERE = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 9,
    "ansible_ssh_common_args": "-F /dev/null -o ConnectTimeout=5 -o BatchMode=yes",
}


def node(folder: Path, name: str, domains: Mapping[str, Mapping[str, str]]) -> str:
    """The address of a test driver with these domains; each has its tags with their directories."""
    path = folder / f"{name}.xml"
    texts = [
        _DOMAIN.format(
            name=domain,
            uuid=uuid5(NAMESPACE_OID, domain),
            shares="".join(_SHARE.format(tag=tag, source=source) for tag, source in of.items()),
        )
        for domain, of in domains.items()
    ]
    path.write_text(f"<node>{''.join(texts)}</node>")
    return f"test://{path}"


def hypervisor(uri: str, shares: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    own = {"virtiofs_host_uri": uri, "virtiofs_host_shares": list(shares), "virtiofs_host_manage_packages": False}
    # They are all this machine, and it is to keep nothing of them.
    return {**HERE, **own, "virtiofs_host_record": "", **more}


@dataclass(frozen=True)
class Played:
    returncode: int
    output: str
    results: tuple[Mapping[str, Any], ...] = field(repr=False)

    def failed(self) -> set[str]:
        """Who failed for good: not what a playbook goes on after."""
        recap = self.output.partition("PLAY RECAP")[2].splitlines()
        return {line.split()[0] for line in recap if " failed=" in line and " failed=0 " not in line}

    def said(self, host: str) -> str:
        """All messages of a host."""
        return "\n".join(str(one["returned"].get("msg", "")) for one in self.results if one["host"] == host)

    def of(self, module: str, host: str) -> list[Mapping[str, Any]]:
        """What a module of the collection returned; skipped tasks are left out."""
        return [
            one["returned"]
            for one in self.results
            if (one["host"], one["action"]) == (host, f"virtio.fs.{module}") and one["status"] != "skipped"
        ]


def play(
    folder: Path,
    playbook: str,
    hypervisors: Mapping[str, Mapping[str, Any]],
    guests: Mapping[str, Mapping[str, Any]],
    *options: str,
    extra: Mapping[str, Any] | None = None,
    timeout: float = 240,
) -> Played:
    """Run a playbook of the collection on such a fleet. Nothing in the inventory is a template."""
    groups = {"hypervisors": {"hosts": hypervisors}, "guests": {"hosts": guests}}
    inventory, results, output = folder / "inventory.json", folder / "results", folder / "output"
    inventory.write_text(json.dumps({"all": {"children": _plain(groups)}}))
    results.write_text("")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACK),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "PROOF_RESULTS": str(results),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_COLLECTIONS_PATH": _collections(),
    }
    more = ["--extra-vars", json.dumps(extra)] if extra else []
    with output.open("w") as file:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), *options, *more, playbook],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    found = tuple(json.loads(line) for line in results.read_text().splitlines())
    return Played(done.returncode, output.read_text(), found)


def _plain(value: Any) -> Any:
    """Text with braces as Ansible reads it without a template in it."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return {"__ansible_unsafe": value} if isinstance(value, str) and ("{{" in value or "{%" in value) else value


def _collections() -> str:
    return next(path for path in sys.path if (Path(path) / "ansible_collections/virtio/fs/galaxy.yml").exists())
