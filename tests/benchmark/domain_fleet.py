# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run without changes takes on a large hypervisor, against the cost of reading its domains' XML.

    python tests/benchmark/domain_fleet.py [DOMAINS …]

Uses libvirt's own test driver, so it needs no daemon. Prints one line for each number of domains.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import libvirt
from ansible.module_utils.testing import patch_module_args

from ansible_collections.virtio.fs.plugins.module_utils import _domain_job
from ansible_collections.virtio.fs.plugins.module_utils._wanted import Options
from ansible_collections.virtio.fs.plugins.modules import virtiofs_domain

_open = libvirt.open

_SHARES = 3

_DISKS = "".join(
    f"<disk type='file'><source file='/srv/vm/{{0}}-{letter}.raw'/><target dev='vd{letter}' bus='virtio'/></disk>"
    for letter in "abc"
)

_DOMAIN = (
    "<domain type='test'><name>vm{0}</name><memory unit='KiB'>1048576</memory>"
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>2</vcpu>"
    "<os><type arch='x86_64'>hvm</type></os><devices>" + _DISKS + "{1}"
    "<interface type='network'><source network='default'/></interface></devices></domain>"
)

_SHARE = (
    "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/><source dir='{0}'/>"
    "<target dir='{1}'/></filesystem>"
)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for count in [int(argument) for argument in sys.argv[1:]] or [250, 500, 1000]:
            print(_measure(count, Path(directory)))


def _measure(count: int, directory: Path) -> str:
    sources = [directory / f"share{number}" for number in range(_SHARES)]
    for source in sources:
        source.mkdir(exist_ok=True)
    shares = "".join(_SHARE.format(source, source.name) for source in sources)
    node = "<node>" + "".join(_DOMAIN.format(number, shares) for number in range(count)) + "</node>"
    (directory / "node.xml").write_text(node)
    connection = _open(f"test://{directory}/node.xml")
    # The driver's state belongs to a connection: the module is given this one.
    libvirt.open = lambda uri: connection
    atexit.register(connection.close)
    wanted = [
        {"domain": f"vm{number}", "tag": source.name, "source": str(source)}
        for number in range(count)
        for source in sources
    ]
    results: list[dict[str, Any]] = []
    reading = min(_seconds(lambda: _read_all(connection)) for dummy in range(3))
    whole = min(_seconds(lambda: results.append(_run(wanted))) for dummy in range(3))
    job = min(_seconds(lambda: results.append(_run_job(wanted))) for dummy in range(3))
    assert all(not result["changed"] and len(result["domains"]) == count for result in results), results[0]
    return (
        f"{count} domains with {_SHARES} shares: {whole:.2f} s, of which reading and planning {job:.2f} s "
        f"({1000 * job / count:.2f} ms a domain); their XML alone {reading:.2f} s ({1000 * reading / count:.2f} ms)"
    )


def _run_job(shares: list[dict[str, Any]]) -> dict[str, Any]:
    """Without what AnsibleModule does to arguments and results."""
    module = _Module(shares)
    _domain_job.run(module)
    return module.result


class _Module:
    check_mode = False
    _diff = False

    def __init__(self, shares: list[dict[str, Any]]) -> None:
        fields = (*_domain_job.OPTIONS, "source", "readonly", "idmap")
        defaults = dict.fromkeys(("require_mountpoint", "allow_unsafe_source", "guest_unmounted"), False)
        self.result: dict[str, Any] = {}
        options = {field.name: field.default for field in dataclasses.fields(Options)}
        self.params = {
            **options,
            "uri": "test:///fleet",
            "confirm_empty": False,
            "shares": [{**dict.fromkeys(fields), **defaults, "state": "present", **share} for share in shares],
        }

    def warn(self, warning: str) -> None:
        raise AssertionError(warning)

    def exit_json(self, **result: Any) -> None:
        self.result = result

    def fail_json(self, msg: str, **result: Any) -> None:
        raise AssertionError(msg)


def _read_all(connection: Any) -> None:
    """What any program must do that looks at every domain: both definitions, one by one."""
    for domain in connection.listAllDomains():
        domain.XMLDesc(0)
        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)


def _run(shares: list[dict[str, Any]]) -> dict[str, Any]:
    out = io.StringIO()
    arguments = {"uri": "test:///fleet", "shares": shares}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        virtiofs_domain.main()
    return dict(json.loads(out.getvalue()))


def _seconds(action: Any) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


if __name__ == "__main__":
    main()
