# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""script/test: every check of the project, the quick ones first. Stops at the first that fails."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import machine
from parts import NOTHING_COUNTED, ONE_CHECK, Part, PartFailed, Run, Tally, stop_on_signals
from preparation import prepare

WORK = machine.CACHE / "test"
COLLECTIONS = WORK / "source"
COPY = COLLECTIONS / "ansible_collections/virtio/fs"
BUILT = WORK / "built"
INSTALLED = BUILT / "installed"
LOGS = WORK / "log"
REPORTS = WORK / "report"
LAB = machine.CHECKOUT / "molecule/lab/lab.py"

# CI ends a run after 90 minutes: molecule gets what the quick parts leave of a little less.
USUAL_RUN_SECONDS = 85 * 60
FULL_MOLECULE_SECONDS = 4 * 3600
LAB_DOWN_SECONDS = 300
FOOTPRINT_SECONDS = 60
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
SANITY_TEST = re.compile(r'^Running sanity test "[a-z-]+"', re.MULTILINE)


def nox(
    *sessions: str, behind: Sequence[str | Path] = (), count: re.Pattern[str] | None = None
) -> Callable[[Part], Tally]:
    """Sessions of noxfile.py, with the tools that are installed already. Each is one check, or what ``count`` finds."""

    def work(part: Part) -> Tally:
        part.run(
            ["nox", "--envdir", WORK / "nox" / part.name, "--session", *sessions, "--", *behind],
            cwd=COPY,
            extra={
                "ANSIBLE_HOME": str(WORK / "home" / part.name),
                "MYPY_CACHE_DIR": str(machine.CACHE / "mypy"),
                "RUFF_CACHE_DIR": str(machine.CACHE / "ruff"),
            },
        )
        found = len(count.findall(part.log.read_text(errors="replace"))) if count else len(sessions)
        if not found:
            raise PartFailed(f"the session {' '.join(sessions)} has checked nothing")
        return Tally(passed=found)

    return work


def tests(*words: str, **settings: str) -> Callable[[Part], Tally]:
    def work(part: Part) -> Tally:
        report = REPORTS / f"{part.name}.xml"
        returncode = part.run(
            ["python", "-m", "pytest", *words, f"--junitxml={report}", "-p", "no:cacheprovider"],
            cwd=COPY,
            extra={"PYTHONPATH": str(COLLECTIONS), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), **settings},
            check=False,
        )
        tally = part.test_tally(report)
        if returncode != 0 and not tally.failed:
            raise PartFailed(f"pytest ended with exit status {returncode}")
        return tally

    return work


def shellcheck(part: Part) -> Tally:
    scripts = [path for path in sorted(COPY.rglob("*")) if path.is_file() and _is_shell(path)]
    if not scripts:
        raise PartFailed("there is no shell script to check, not even script/test")
    part.run(["shellcheck", *scripts], cwd=COPY)
    return ONE_CHECK


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".sh" or file.readline().strip() in (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash")


@dataclass(frozen=True)
class Check:
    """One part of the run. ``seconds`` is its limit, far above what it takes on two cores, also with another beside."""

    name: str
    seconds: float
    work: Callable[[Part], Tally]


# What does not touch the machine: two at a time, the short ones first so that they fail soon.
BESIDE = (
    Check("lint", 180, nox("lint", "extra-checks", "license-check")),
    Check("shellcheck", 60, shellcheck),
    Check("types", 300, nox("types")),
    Check("ansible-lint", 900, nox("ansible-lint")),
    Check("unit", 900, tests("tests/unit")),
    Check("sanity", 1200, nox("sanity", count=SANITY_TEST)),
    Check("docs", 180, nox("docs")),
    Check("build-import", 400, nox("build-import", behind=[BUILT])),
)
# By extent. Where the usual run tries a sample of the writes that a run can be killed at, the full one tries all.
INTEGRATION = {
    "quick": Check("integration", 600, tests("tests/integration", "-m", "guards_data")),
    "usual": Check("integration", 1500, tests("tests/integration")),
    "full": Check("integration", 5400, tests("tests/integration", VIRTIOFS_EVERY_WRITE="1")),
}
NAMES = (*(check.name for check in BESIDE), "integration", "molecule")


def copy_of_the_checkout(part: Part) -> Tally:
    """A real directory of the name that Ansible asks for, and whole: editing goes on in the checkout meanwhile."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={machine.CHECKOUT}", "ls-files", "-z"]
        + ["--cached", "--others", "--exclude-standard"],
        cwd=machine.CHECKOUT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if listing.returncode != 0:
        raise PartFailed(f"{machine.CHECKOUT} is not a git checkout: {listing.stderr.strip()}")
    for name in sorted(set(listing.stdout.split("\0")) - {""}):
        source = machine.CHECKOUT / name
        if source.is_symlink() or source.exists():
            target = COPY / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    # So that every tool sees these files, and not what another one leaves beside them.
    for words in (["init", "--quiet", "--template="], ["add", "--all", "--force"]):
        part.run(["git", *words], cwd=COPY)
    return NOTHING_COUNTED


def lab_down(part: Part) -> Tally:
    part.run(["python", machine.CHECKOUT / "molecule/run", "--down"], cwd=machine.CHECKOUT)
    return NOTHING_COUNTED


def footprint(file: Path) -> Callable[[Part], Tally]:
    """Write down what a lab could change on this machine: its fstab, settings, loop devices, mounts, processes."""

    def work(part: Part) -> Tally:
        part.run(["python", LAB, "footprint"], cwd=machine.CHECKOUT, into=file)
        if not file.read_text().strip():
            raise PartFailed("lab.py footprint printed nothing")
        return NOTHING_COUNTED

    return work


def unchanged(before: Path, after: Path) -> Callable[[Part], Tally]:
    def work(part: Part) -> Tally:
        footprint(after)(part)
        old, new = (file.read_text().splitlines() for file in (before, after))
        differences = list(difflib.unified_diff(old, new, "before", "after", lineterm="", n=0))
        for line in differences:
            part.note(line)
        if differences:
            raise PartFailed("the run has changed this machine: " + "; ".join(differences[3:9]))
        return ONE_CHECK

    return work


def molecule(full: bool) -> Callable[[Part], Tally]:
    """The scenarios, on the lab, with the collection as it was built and installed."""

    def work(part: Part) -> Tally:
        returncode = part.run(
            ["python", machine.CHECKOUT / "molecule/run", *(["--full"] if full else [])],
            cwd=machine.CHECKOUT,
            extra={"ANSIBLE_COLLECTIONS_PATH": str(INSTALLED)},
            check=False,
        )
        closing = CLOSING_LINE.findall(part.log.read_text(errors="replace"))
        tally = Tally(*(int(number) for number in closing[-1])) if closing else Tally(failed=1)
        if returncode != 0 or tally.passed == 0:
            counted = tally if tally.failed else tally + Tally(failed=1)
            raise PartFailed(f"molecule/run ended with exit status {returncode}", counted)
        return tally

    return work


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/test",
        description="Run every check of the project, the quick ones first, and stop at the first that fails. Sets up "
        "what it needs by itself (Debian packages, an environment for the tools under VIRTIOFS_CACHE, by default "
        "/var/cache/virtio-fs). Needs root.",
        epilog=f"Parts: {', '.join(NAMES)}. noxfile.py has those that need no root.",
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument(
        "--quick",
        action="store_true",
        help="of the integration tests only those that guard data (pytest -m guards_data), and no molecule",
    )
    extent.add_argument(
        "--full", action="store_true", help="every scenario of molecule, and virtiofs_partition killed at every write"
    )
    parser.add_argument("--verbose", action="store_true", help="show the output of every part as it comes")
    parser.add_argument("part", nargs="*", help="only these parts (build-import is added where molecule needs it)")
    chosen = parser.parse_args()
    unknown = set(chosen.part) - set(NAMES)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return chosen


def main() -> int:
    chosen = arguments()
    begun = time.monotonic()
    try:
        machine.demand_root("script/test")
        stop_on_signals()
        with machine.alone("script/test"):
            return run_all(chosen, begun)
    except machine.MachineError as error:
        print(f"script/test: {error}.", file=sys.stderr)
        return 1


def run_all(chosen: argparse.Namespace, begun: float) -> int:
    shutil.rmtree(WORK, ignore_errors=True)
    for folder in (COPY, BUILT, REPORTS):
        folder.mkdir(parents=True)
    run = Run(LOGS, machine.clean_environment(machine.environment_folder()), chosen.verbose)
    planned = plan(chosen)
    status = 1
    try:
        prepare(run)
        check_all(run, chosen, planned, begun)
        status = 0
    except PartFailed:
        pass
    except KeyboardInterrupt as reason:
        print(f"\ninterrupted ({reason})", flush=True)
    print(f"\n{run.summary(planned)}\n")
    minutes, seconds = divmod(time.monotonic() - begun, 60)
    print(f"{minutes:.0f} min {seconds:.0f} s in all. The logs are in {LOGS}.")
    bad = run.tally.failed + run.tally.skipped or status
    print(f"{run.tally.passed} passed, {bad} failed", flush=True)
    return status if run.tally.passed else 1


def plan(chosen: argparse.Namespace) -> list[str]:
    needed = {*(chosen.part or NAMES), *(["build-import"] if "molecule" in chosen.part else [])}
    return [name for name in NAMES if name in needed and not (chosen.quick and name == "molecule")] + ["unchanged"]


def check_all(run: Run, chosen: argparse.Namespace, planned: list[str], begun: float) -> None:
    before, after = WORK / "footprint-before", WORK / "footprint-after"
    with_lab = "molecule" in planned
    extent = "full" if chosen.full else "quick" if chosen.quick else "usual"
    run.part("copy", 60, copy_of_the_checkout)
    if with_lab:
        run.part("lab-down", LAB_DOWN_SECONDS, lab_down)
    run.part("footprint", FOOTPRINT_SECONDS, footprint(before))
    try:
        run.side_by_side([(check.name, check.seconds, check.work) for check in BESIDE if check.name in planned])
        if "integration" in planned:
            check = INTEGRATION[extent]
            run.part(check.name, check.seconds, check.work)
        if with_lab:
            left = USUAL_RUN_SECONDS - (time.monotonic() - begun)
            run.part("molecule", FULL_MOLECULE_SECONDS if chosen.full else left, molecule(chosen.full), live=True)
    finally:
        # Also after a failure and an interruption: nothing of ours stays behind.
        if with_lab:
            run.part("lab-down-again", LAB_DOWN_SECONDS, lab_down)
        run.part("unchanged", FOOTPRINT_SECONDS, unchanged(before, after))


if __name__ == "__main__":
    sys.exit(main())
