# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run without changes takes on a large hypervisor, against the cost of reading its domains' XML.

    python tests/benchmark/domain_fleet.py [DOMAINS …]

Uses libvirt's own test driver, so it needs no daemon: a dump costs next to nothing there, which is the hardest
measure for what the module does by itself. All domains run, so there are two documents of each. Prints, for each
number of domains and for documents as libvirt 11.3 writes them and as small as they can be, the processor time of

- the run: reading, planning and answering, without what AnsibleModule does to arguments and results,
- the reading: dump both documents of each domain and parse them with lxml, and nothing else,
- the whole call, which AnsibleModule's check of each item adds to.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import gc
import io
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import libvirt
from ansible.module_utils.testing import patch_module_args
from lxml import etree

from ansible_collections.virtio.fs.plugins.module_utils._domain.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.read import read
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Options, wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.hypervisor import Hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import reconcile
from ansible_collections.virtio.fs.plugins.modules import virtiofs_domain

_open = libvirt.open

_SHARES = 3

_DISKS = "".join(
    f"<disk type='file'><source file='/srv/vm/{{0}}-{letter}.raw'/><target dev='vd{letter}' bus='virtio'/></disk>"
    for letter in "abc"
)

_SMALL = (
    "<domain type='test'><name>vm{0}</name><memory unit='KiB'>1048576</memory>"
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>2</vcpu>"
    "<os><type arch='x86_64'>hvm</type></os><devices>" + _DISKS + "{1}"
    "<interface type='network'><source network='default'/></interface></devices></domain>"
)

_SHARE = (
    "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/><source dir='{0}'/>"
    "<target dir='{1}'/></filesystem>"
)


_CAPTURED = Path(__file__).parent.parent / "fixtures" / "domains" / "libvirt_11.3_q35_with_a_share-live.xml"

_TIMES = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for count in [int(argument) for argument in sys.argv[1:]] or [250, 500, 1000]:
            for words, document in (("captured", _captured()), ("small", _SMALL)):
                print(_measure(count, words, document, Path(directory)))


def _captured() -> str:
    """A document of a running domain, with places for its number and its shares."""
    text = _CAPTURED.read_text().replace("{", "{{").replace("}", "}}")
    text = re.sub(r"^<!--.*-->\n", "", text)
    text = re.sub(r"<uuid>.*?</uuid>|<filesystem.*?</filesystem>", "", text, flags=re.S)
    # What only libvirts know that are newer than the oldest.
    text = re.sub(r"<watchdog.*?</watchdog>|<watchdog[^>]*/>", "", text, flags=re.S)
    text = re.sub(r"<domain type='\w+' id='\d+'", "<domain type='test'", text, count=1)
    text = re.sub(r"<name>.*?</name>", "<name>vm{0}</name>", text, count=1)
    return text.replace("</devices>", "{1}</devices>")


def _measure(count: int, words: str, document: str, directory: Path) -> str:
    sources = [directory / f"share{number}" for number in range(_SHARES)]
    for source in sources:
        source.mkdir(exist_ok=True)
    shares = "".join(_SHARE.format(source, source.name) for source in sources)
    node = "<node>" + "".join(document.format(number, shares) for number in range(count)) + "</node>"
    (directory / "node.xml").write_text(node)
    connection = _open(f"test://{directory}/node.xml")
    # The driver's state belongs to a connection: the module is given this one.
    libvirt.open = lambda uri: connection
    atexit.register(connection.close)
    shares = [
        {"domain": f"vm{number}", "tag": source.name, "source": str(source)}
        for number in range(count)
        for source in sources
    ]
    results: list[dict[str, Any]] = []
    reading, run, whole = (
        min(_seconds(action) for dummy in range(_TIMES))
        for action in (
            lambda: _read_all(connection),
            lambda: results.append(_run_job(shares)),
            lambda: results.append(_run(shares)),
        )
    )
    assert all(not result["changed"] and len(result["domains"]) == count for result in results), results[0]
    return (
        f"{count} domains, {_SHARES} shares each, {words} documents ({_size(connection)} bytes): "
        f"run {run:.3f} s, reading {reading:.3f} s, ratio {run / reading:.2f}; whole call {whole:.3f} s"
    )


def _size(connection: Any) -> int:
    return len(connection.lookupByName("vm0").XMLDesc(0))


def _run_job(shares: list[dict[str, Any]]) -> dict[str, Any]:
    """Without what AnsibleModule does to arguments and results."""
    module = _Module(shares)
    hypervisor = Hypervisor(module.params["uri"])
    reconcile(
        module,
        lambda: wanted(module.params),
        lambda checked: read(checked, hypervisor, public=False),
        plan,
        hypervisor,
    )
    return module.result


class _Module:
    check_mode = False
    _diff = False

    def __init__(self, shares: list[dict[str, Any]]) -> None:
        fields = ("source", *BY_NAME)
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
    """What any program must do that looks at every domain: both documents, one by one, into trees."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    trees = []
    for domain in connection.listAllDomains():
        for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE):
            trees.append(etree.fromstring(domain.XMLDesc(flags), parser))


def _run(shares: list[dict[str, Any]]) -> dict[str, Any]:
    out = io.StringIO()
    arguments = {"uri": "test:///fleet", "shares": shares}
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        virtiofs_domain.main()
    return dict(json.loads(out.getvalue()))


def _seconds(action: Any) -> float:
    gc.collect()
    began = time.process_time()
    action()
    return time.process_time() - began


if __name__ == "__main__":
    main()
