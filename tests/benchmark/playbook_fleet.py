# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long virtio.fs.share takes on many hypervisors where nothing is to be done, and how many tasks each one gets.

    python tests/benchmark/playbook_fleet.py [--domains N] [--shares N] [--forks N] [HYPERVISORS …]

Every hypervisor is this machine, with libvirt's own test driver and domains of its own: no daemon, no network. So the
time is Ansible's and the modules', on these cores. Prints one line for each number of hypervisors. On a busy machine,
believe the processor time.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from local_fleet import hypervisor, node, play


def main() -> None:
    parser = argparse.ArgumentParser(description="The playbook on a simulated fleet, without changes.")
    parser.add_argument("--domains", type=int, default=20, help="of each hypervisor")
    parser.add_argument("--shares", type=int, default=3, help="that every domain has")
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("hypervisors", type=int, nargs="*", default=[10, 50, 100])
    given = parser.parse_args()
    for count in given.hypervisors:
        with tempfile.TemporaryDirectory() as folder:
            print(measured(count, given, Path(folder)), flush=True)


def measured(count: int, given: argparse.Namespace, folder: Path) -> str:
    tags = [f"share{number}" for number in range(given.shares)]
    domains = [f"vm{number}" for number in range(given.domains)]
    for tag in tags:
        (folder / tag).mkdir()
    listed = [{"name": tag, "path": str(folder / tag), "domains": domains} for tag in tags]
    has = {domain: {tag: str(folder / tag) for tag in tags} for domain in domains}
    # They all read the same document; each task has a driver of its own.
    uri = node(folder, "node", has)
    fleet = {f"hv{number}": hypervisor(uri, listed) for number in range(count)}
    began, used = time.monotonic(), _processor_seconds()
    run = play(folder, "virtio.fs.share", fleet, {}, "--forks", str(given.forks), timeout=3600)
    seconds, processor = time.monotonic() - began, _processor_seconds() - used
    assert run.returncode == 0, run.output[-3000:]
    assert not any(one["returned"].get("changed") for one in run.results)
    done = Counter(one["host"] for one in run.results if one["status"] != "skipped")
    assert len(done) == count
    (tasks,) = set(done.values())
    return (
        f"{count} hypervisors, {given.domains} domains each, {given.shares} shares in every domain: {seconds:.1f} s, "
        f"{processor:.1f} s of processor time ({processor / count:.2f} s a hypervisor), {tasks} tasks on each"
    )


def _processor_seconds() -> float:
    """What all processes of the runs have used so far; a busy machine hardly changes it."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
