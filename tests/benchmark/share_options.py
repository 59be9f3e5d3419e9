# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an option of a share is worth: the same work on shares that differ in one option, in one guest, round by round.

    python3 molecule/run --keep default
    python3 tests/benchmark/share_options.py [--rounds N] [--mib N] [CASE …]

Needs the lab (molecule/README.md), Ansible on PATH and the collection on ANSIBLE_COLLECTIONS_PATH. Prints Markdown:
medians as ratios to a share without options, with the lowest and the highest of the rounds. Figures of one run only
compare with each other: a lab without KVM is slow, and what is read is in the hypervisor's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MOLECULE = HERE.parents[1] / "molecule"
sys.path[:0] = [str(MOLECULE), str(MOLECULE / "lab")]

import keys  # noqa: E402
import topology  # noqa: E402
from proof.playbook import play  # noqa: E402

HYPERVISOR, GUEST = "hv1", "vm3"
USUAL = "no options"
CASES: dict[str, dict[str, Any]] = {
    USUAL: {},
    "cache: none": {"cache": "none"},
    "cache: metadata": {"cache": "metadata"},
    "cache: always": {"cache": "always"},
    "cache: always, writeback": {"cache": "always", "writeback": True, "sole_writer": True},
    "writeback": {"writeback": True, "sole_writer": True},
    "cache: none, allow_mmap": {"cache": "none", "allow_mmap": True, "sole_writer": True},
    "inode_file_handles: prefer": {"inode_file_handles": "prefer"},
    "readdirplus: false": {"readdirplus": False},
    "thread_pool: 4": {"thread_pool": 4},
    "queue: 1024": {"queue": 1024},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Options of a share against each other, in a guest of the lab.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=48, help="size of the file that is read and written")
    parser.add_argument("case", nargs="*", help=f"of {', '.join(map(repr, CASES))}")
    given = parser.parse_args()
    unknown = sorted({*given.case} - {*CASES})
    if unknown:
        parser.error(f"there is no case {', '.join(map(repr, unknown))}")
    cases = {name: CASES[name] for name in CASES if name == USUAL or not given.case or name in given.case}
    places = {f"/srv/b{number}": name for number, name in enumerate(cases)}
    os.environ["MOLECULE_SCENARIO_DIRECTORY"] = str(MOLECULE / "default")
    shares = [
        {
            "name": f"b{number}",
            "path": f"/srv/benchmark/b{number}",
            "domains": [GUEST],
            "mount": f"/srv/b{number}",
            **case,
        }
        for number, case in enumerate(cases.values())
    ]
    share(shares)
    try:
        figures = measure([*places], given.rounds, given.mib)
    finally:
        share([{**one, "state": "absent"} for one in shares])
    print(table(figures, places))


def share(shares: list[dict[str, Any]]) -> None:
    extra = {"virtiofs_host_shares": shares, "virtiofs_host_apply": "restart"}
    run = play("virtio.fs.share", extra=extra, limit=f"{HYPERVISOR},{GUEST}", timeout=1200)
    if run.returncode != 0:
        sys.exit(f"virtio.fs.share ended with status {run.returncode}")


def measure(places: list[str], rounds: int, mib: int) -> dict[str, dict[str, list[float]]]:
    command = shlex.join(["python3", "-", str(rounds), str(mib), *places])
    with (HERE / "guest_io.py").open() as program:
        done = subprocess.run(
            [*keys.ssh_command(topology.host(GUEST)), command],
            stdin=program,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=3600,
        )
    figures: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return figures


def table(figures: dict[str, dict[str, list[float]]], places: dict[str, str]) -> str:
    """Ratios of each round to the usual share in the same round: the median, and the lowest and highest."""
    usual = next(place for place, name in places.items() if name == USUAL)
    measures = [*figures]
    lines = [f"| | {' | '.join(one.replace('_', ' ') for one in measures)} |", "|---" * (len(measures) + 1) + "|"]
    medians = [f"{statistics.median(figures[one][usual]):,.0f}" for one in measures]
    lines.append(f"| {USUAL}, a second | {' | '.join(medians)} |")
    for place, name in places.items():
        if name == USUAL:
            continue
        cells = []
        for one in measures:
            ratios = [figure / base for figure, base in zip(figures[one][place], figures[one][usual], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
