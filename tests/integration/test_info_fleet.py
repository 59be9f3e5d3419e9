# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_info and the report on many domains and many hypervisors, on libvirt's own test driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.virtio.fs.plugins.filter.report import report_html, report_markdown

SHARES = 3

# The test driver parses its machine with libxml2 in the same process: it is opened before lxml is used, and once.
_TELL = """
import json, sys, time
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import hypervisor
from ansible_collections.virtio.fs.plugins.module_utils._info import read
from ansible_collections.virtio.fs.plugins.module_utils._info import plan as result
from ansible_collections.virtio.fs.plugins.module_utils._info.wanted import wanted
opened, seconds = [], []
really_open = hypervisor.libvirt.open
def timed(uri):
    start = time.monotonic()
    opened.append(really_open(uri))
    seconds.append(time.monotonic() - start)
    return opened[-1]
hypervisor.libvirt.open = timed
start = time.monotonic()
asked = wanted({"uri": sys.argv[1], "domains": [], "as_shares": True})
plan = result.plan(asked, read.read(asked))
# The driver's own work on its file is not ours.
took = time.monotonic() - start - sum(seconds)
print(json.dumps({"result": plan.result, "connections": len(opened), "seconds": took}))
"""


def told(directory: Path, domains: int) -> dict[str, Any]:
    """What a hypervisor with so many running domains tells, and how long it took."""
    described = []
    for number in range(domains):
        shares = "".join(
            "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
            f"<source dir='/shared/vm{number}-{share}'/><target dir='share{share}'/></filesystem>"
            for share in range(SHARES)
        )
        described.append(
            f"<domain type='test'><name>vm{number}</name><memory unit='KiB'>65536</memory>"
            "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
            f"<vcpu>1</vcpu><os><type>hvm</type></os><devices>{shares}</devices></domain>"
        )
    node = directory / f"node{domains}.xml"
    node.write_text(f"<node>{''.join(described)}</node>")
    answer = subprocess.run(
        [sys.executable, "-c", _TELL, f"test://{node}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return dict(json.loads(answer.stdout))


def test_one_connection_whatever_the_number_of_domains(tmp_path: Path) -> None:
    answer = told(tmp_path, 20)
    result = answer["result"]
    assert answer["connections"] == 1
    assert [len(domain["config"]) for domain in result["domains"]] == [SHARES] * 20
    assert len(result["sources"]) == 20 * SHARES
    assert {problem["what"] for problem in result["problems"]} == {"source_missing"}
    assert len(result["as_shares"]) == 20 * SHARES


def test_the_time_grows_with_the_domains_and_not_faster(tmp_path: Path) -> None:
    few, many = (told(tmp_path, domains)["seconds"] for domains in (100, 800))
    # Eight times as many; twice that is room for a busy machine, and a square would be 64.
    assert many < 16 * few + 1, (few, many)


def test_a_report_of_a_hundred_hypervisors(tmp_path: Path) -> None:
    info = told(tmp_path, 20)["result"]
    variables = {f"hv{number}": {"virtiofs_report_info": info} for number in range(100)}
    start = time.monotonic()
    page = report_html(variables, list(variables), [], "now")
    table = report_markdown(variables, list(variables), [], "now")
    seconds = time.monotonic() - start
    assert page.count("<tr>") == 100 * (1 + 20 * SHARES)
    assert "100 of 100 hypervisors answered" in table
    assert seconds < 60
