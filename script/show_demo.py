# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""script/demo: a real hypervisor with three real guests on this machine, shared and proven by the collection."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from parts import NOTHING_COUNTED, Part, PartFailed, Run, Tally, stop_on_signals, table
from preparation import prepare

WORK = machine.CACHE / "demo"
LAB = machine.CHECKOUT / "molecule/lab/lab.py"
INVENTORY = (machine.CHECKOUT / "molecule/inventory", machine.CHECKOUT / "script/demo.d")
KEEP_RESULTS = machine.CHECKOUT / "molecule/proof/callback"
HYPERVISOR = "hv1"

LAB_SECONDS = 1800
SHARE_SECONDS = 1200
MEASURE_SECONDS = 900
DOWN_SECONDS = 300

TASK = re.compile(r"^TASK \[(?:[\w.]+ : )?(.+?)\] \*+$")
MEGABYTES_PER_MEBIBYTE = 2**20 / 10**6


@dataclass
class Teller:
    """Tells in sentences what a playbook does, from its log and from what its tasks returned."""

    log: Path
    results: Path
    changes: int = 0
    _last: str = ""
    _read: dict[Path, int] = field(default_factory=dict)

    def __call__(self) -> None:
        for line in self._new_lines(self.results):
            self._tell_result(json.loads(line))
        for line in self._new_lines(self.log):
            task = TASK.match(line)
            # Ansible announces a decision of the play once for each host.
            if task and task.group(1) != self._last and not task.group(1).startswith("Validating arguments"):
                self._last = task.group(1)
                print(f"  {self._last} ...", flush=True)

    def _tell_result(self, result: Mapping[str, Any]) -> None:
        returned = result["returned"]
        if result["status"] == "ok" and returned.get("changed"):
            self.changes += 1
        for action in returned.get("actions", []):
            print(f"      {result['host']}: {action}", flush=True)
        if result["status"] in ("failed", "unreachable"):
            print(f"      {result['host']}: {returned.get('msg', result['status'])}", flush=True)

    def _new_lines(self, file: Path) -> Iterator[str]:
        with file.open("rb") as text:
            text.seek(self._read.get(file, 0))
            new = text.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read[file] = self._read.get(file, 0) + len(whole)
        yield from whole.decode("utf-8", "replace").splitlines()


class Demo:
    """The steps of the demo, with what the playbooks of this run returned."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.changes = 0

    def lab_up(self, part: Part) -> Tally:
        part.run(["python", LAB, "up", HYPERVISOR], cwd=machine.CHECKOUT)
        return NOTHING_COUNTED

    def share(self, part: Part) -> Tally:
        self.changes = self._play(part, "virtio.fs.share")
        return NOTHING_COUNTED

    def verify(self, part: Part) -> Tally:
        self._play(part, "virtio.fs.verify")
        return NOTHING_COUNTED

    def measure(self, part: Part) -> Tally:
        self._play(part, "virtio.fs.benchmark", "-e", "virtiofs_benchmark_size=32MiB")
        return NOTHING_COUNTED

    def _play(self, part: Part, playbook: str, *options: str) -> int:
        """Run a playbook of the collection as a user would; return how many tasks changed something."""
        results = self._results(part.name)
        results.write_text("")
        teller = Teller(part.log, results)
        inventories = [word for path in INVENTORY for word in ("-i", str(path))]
        try:
            part.run(
                ["ansible-playbook", *inventories, playbook, *options],
                cwd=machine.CHECKOUT,
                extra={
                    "ANSIBLE_COLLECTIONS_PATH": str(WORK / "collections"),
                    "ANSIBLE_CALLBACK_PLUGINS": str(KEEP_RESULTS),
                    "ANSIBLE_CALLBACKS_ENABLED": "results",
                    "PROOF_RESULTS": str(results),
                },
                each_second=teller,
            )
        finally:
            teller()
        return teller.changes

    def _results(self, part: str) -> Path:
        return WORK / f"{part}.results"

    def facts(self, part: str, name: str) -> dict[str, list[dict[str, Any]]]:
        """A fact that a playbook of this run set, by guest."""
        found = {}
        for line in self._results(part).read_text().splitlines():
            result = json.loads(line)
            facts = result["returned"].get("ansible_facts") or {}
            if name in facts:
                found[result["host"]] = facts[name]
        return dict(sorted(found.items()))

    def proofs(self) -> dict[str, list[dict[str, Any]]]:
        proofs = self.facts("verify", "virtiofs_guest_proof")
        if not proofs or not all(proofs.values()):
            raise PartFailed("the playbook proved nothing")
        return proofs

    def table(self) -> str:
        """What was proven and measured in this run."""
        measured = {
            (guest, row["share"]): row["guest"]
            for guest, rows in self.facts("measure", "virtiofs_guest_measured").items()
            for row in rows
        }
        lines = [
            ("share", "host directory", "guest", "mount point", "host to guest", "guest to host", "MB/s write, read")
        ]
        for guest, rows in self.proofs().items():
            for row in rows:
                figures = measured.get((guest, row["share"]), {})
                lines.append(
                    (
                        row["share"],
                        f"{HYPERVISOR}:{row['host_path']}",
                        guest,
                        row["guest_path"],
                        row["host_to_guest"],
                        "refused, as it is read-only" if row["guest_to_host"] == "read-only" else row["guest_to_host"],
                        f"{_megabytes(figures, 'write')}, {_megabytes(figures, 'read')}" if figures else "-",
                    )
                )
        return table(lines)


def _megabytes(figures: Mapping[str, Any], direction: str) -> str:
    value = figures.get(f"{direction}_mib_per_second")
    return "?" if value is None else f"{value * MEGABYTES_PER_MEBIBYTE:.0f}"


def up(begun: float) -> int:
    for folder in (WORK / "log", WORK / "collections/ansible_collections/virtio"):
        folder.mkdir(parents=True, exist_ok=True)
    collection = WORK / "collections/ansible_collections/virtio/fs"
    collection.unlink(missing_ok=True)
    collection.symlink_to(machine.CHECKOUT)
    run = Run(WORK / "log", machine.clean_environment(machine.environment_folder()), live=False)
    demo = Demo(run)
    print("What is missing on this machine is installed first: Debian packages, and the tools in an environment.")
    prepare(run)
    print("\nA hypervisor starts, a whole Debian in a container with its own libvirt, and three virtual machines.")
    run.part("lab", LAB_SECONDS, demo.lab_up, live=True)
    print(
        "\nThe playbook virtio.fs.share makes a partition for each guest on the hypervisor's blank disk, shares them,\n"
        "and a plain directory read-only with all three, mounts them in the guests, and proves each both ways.\n"
        f"Its list is {INVENTORY[1].relative_to(machine.CHECKOUT)}/host_vars/{HYPERVISOR}.yml."
    )
    run.part("share", SHARE_SECONDS, demo.share)
    if demo.changes == 0:
        print("  Everything was as the list says: nothing was changed.")
    print("\nThe playbook virtio.fs.verify proves every share once more, and virtio.fs.benchmark measures them.")
    run.part("verify", MEASURE_SECONDS, demo.verify)
    run.part("measure", MEASURE_SECONDS, demo.measure)
    print(f"\n{demo.table()}\n")
    print(look_around(demo.proofs()))
    minutes, seconds = divmod(time.monotonic() - begun, 60)
    print(f"\nDone in {minutes:.0f} min {seconds:.0f} s.")
    return 0


def look_around(proofs: Mapping[str, list[dict[str, Any]]]) -> str:
    """How to log in, with the paths of a share that can be written to."""
    guest, row = next((guest, row) for guest, rows in proofs.items() for row in rows if not row["readonly"])
    lab = f"sudo python3 {LAB.relative_to(machine.CHECKOUT)}"
    return "\n".join(
        [
            "Look around:",
            f"  {lab} ssh {HYPERVISOR} virsh list --all",
            f"  {lab} ssh {HYPERVISOR} lsblk --output NAME,SIZE,LABEL,MOUNTPOINT",
            f"  {lab} ssh {HYPERVISOR} 'echo hello > {row['host_path']}/hello'",
            f"  {lab} ssh {guest} cat {row['guest_path']}/hello",
            f"  {lab} ssh {guest}          (log in)",
            "Run script/demo again at any time: it changes nothing that is as it should be.",
            "Take it all down:",
            "  sudo script/demo --down",
        ]
    )


def down() -> int:
    run = Run(WORK / "log", machine.clean_environment(Path("/usr")), live=True)

    def lab_down(part: Part) -> Tally:
        part.run([machine.PYTHON, LAB, "down"], cwd=machine.CHECKOUT)
        return NOTHING_COUNTED

    run.part("down", DOWN_SECONDS, lab_down)
    return 0


def main() -> int:
    begun = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Set up a hypervisor and three virtual machines on this machine, share directories between them "
        "with this collection, prove and measure every share. Sets up what it needs by itself. Needs root.",
    )
    parser.add_argument("--down", action="store_true", help="take the hypervisor and its guests away again")
    chosen = parser.parse_args()
    try:
        machine.demand_root("script/demo")
        stop_on_signals()
        with machine.alone("script/demo"):
            return down() if chosen.down else up(begun)
    except machine.MachineError as error:
        print(f"script/demo: {error}.", file=sys.stderr)
    except PartFailed as error:
        print(f"\nscript/demo: {error.args[0]}. Run it again to go on, or sudo script/demo --down.", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted. Run script/demo again to go on, or sudo script/demo --down.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
