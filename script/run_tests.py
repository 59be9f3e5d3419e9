# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""script/test: every check of the project, the quick ones first. Stops at the first that fails."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import machine
import sanity
from parts import NOTHING_COUNTED, ONE_CHECK, Part, PartFailed, Run, Tally, stop_on_signals
from preparation import prepare

WORK = machine.CACHE / "test"
COLLECTIONS = WORK / "source"
COPY = COLLECTIONS / "ansible_collections/virtio/fs"
INSTALLED = WORK / "installed"
ARTIFACT = WORK / "artifact"
LOGS = WORK / "log"
REPORTS = WORK / "report"
LAB = machine.CHECKOUT / "molecule/lab/lab.py"

# CI ends a run after 90 minutes: molecule gets what the quick parts leave of a little less.
USUAL_RUN_SECONDS = 85 * 60
FULL_MOLECULE_SECONDS = 4 * 3600
LAB_DOWN_SECONDS = 300
FOOTPRINT_SECONDS = 60
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
UNPUBLISHED = ("molecule", "script", "tests", ".ci", ".config", "requirements-dev.txt", "pyproject.toml")


def ruff(part: Part) -> Tally:
    for command in (["check"], ["format", "--check"]):
        part.run(["ruff", *command, "--cache-dir", machine.CACHE / "ruff", "."], cwd=COPY)
    return ONE_CHECK + ONE_CHECK


def yamllint(part: Part) -> Tally:
    part.run(["yamllint", "--strict", "."], cwd=COPY)
    return ONE_CHECK


def changelog(part: Part) -> Tally:
    part.run(["antsibull-changelog", "lint"], cwd=COPY)
    return ONE_CHECK


def types(part: Part) -> Tally:
    """One mypy run for each folder whose files import each other by their bare names."""
    strict = {
        COLLECTIONS: ["ansible_collections/virtio/fs/plugins"],
        COPY / "script": ["."],
        COPY / "molecule/lab": ["."],
    }
    # In tests, what is left untyped is checked all the same.
    # Unit tests import each other by the name of the collection, as ansible-test has it.
    units = "ansible_collections/virtio/fs/tests/unit"
    tests = {COLLECTIONS: [units], COPY / "tests/integration": ["."]}
    scenarios = {COPY / "molecule": ["proof", "conftest.py"]}
    scenarios |= {folder: ["."] for folder in sorted(COPY.glob("molecule/*/tests"))}
    relaxed = ["--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--allow-any-generics"]
    relaxed += ["--allow-subclassing-any", "--no-warn-return-any", "--no-warn-unused-ignores", "--no-strict-equality"]
    # Tests look into values that their plans know only as "a step" or "an object".
    relaxed += [f"--disable-error-code={code}" for code in ("arg-type", "attr-defined", "operator", "call-overload")]
    wrong = []
    relaxed_runs = [*tests.items(), *scenarios.items()]
    for folder, targets in [*strict.items(), *relaxed_runs]:
        found = [COLLECTIONS]
        if (folder, targets) in tests.items():
            found += [COPY / "molecule/lab", COPY / "script"]
        if folder in scenarios:
            found += [COPY / "molecule", COPY / "molecule/lab"]
        returncode = part.run(
            ["mypy", "--config-file", str(COPY / "pyproject.toml"), "--cache-dir", str(machine.CACHE / "mypy")]
            + (relaxed if (folder, targets) in relaxed_runs else [])
            + targets,
            cwd=folder,
            extra={"MYPYPATH": ":".join(str(path) for path in found)},
            check=False,
        )
        if returncode != 0:
            wrong.append(str(folder.relative_to(COLLECTIONS)))
    if wrong:
        raise PartFailed(f"mypy found errors in {', '.join(wrong)}")
    return ONE_CHECK


def tests(folder: str, **settings: str) -> Callable[[Part], Tally]:
    def work(part: Part) -> Tally:
        report = REPORTS / f"{part.name}.xml"
        returncode = part.run(
            ["python", "-m", "pytest", folder, f"--junitxml={report}", "-p", "no:cacheprovider"]
            + ["-o", "faulthandler_timeout=240"],
            cwd=COPY,
            extra={"PYTHONPATH": str(COLLECTIONS), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), **settings},
            check=False,
        )
        tally = part.test_tally(report)
        if returncode != 0 and not tally.failed:
            raise PartFailed(f"pytest ended with exit status {returncode}")
        return tally

    return work


def ansible_lint(part: Part) -> Tally:
    part.run(
        ["ansible-lint", "--offline", "--profile", "production", "--strict"],
        cwd=COPY,
        extra={"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(WORK / "ansible-lint")},
    )
    return ONE_CHECK


def shellcheck(part: Part) -> Tally:
    scripts = [path for path in sorted(COPY.rglob("*")) if path.is_file() and _is_shell(path)]
    if not scripts:
        raise PartFailed("there is no shell script to check, not even script/test")
    part.run(["shellcheck", *scripts], cwd=COPY)
    return ONE_CHECK


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".sh" or file.readline().strip() in (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash")


def ansible_test(part: Part) -> Tally:
    """On all that git knows, as in a plain clone; in a copy, as the other parts leave files in theirs."""
    collection = WORK / "sanity/ansible_collections/virtio/fs"
    shutil.copytree(COPY, collection, symlinks=True, ignore=shutil.ignore_patterns(".ansible"))
    return sanity.check(part, collection)


def artifact(part: Part) -> Tally:
    """Build the collection, install it into an empty path, and use it from there."""
    part.run(["ansible-galaxy", "collection", "build", "--force", "--output-path", ARTIFACT], cwd=COPY)
    tarball = next(ARTIFACT.glob("*.tar.gz"))
    part.run(["ansible-galaxy", "collection", "install", "--offline", "--force", "-p", INSTALLED, tarball], cwd=WORK)
    root = INSTALLED / "ansible_collections/virtio/fs"
    surplus = [name for name in UNPUBLISHED if (root / name).exists()]
    if surplus:
        raise PartFailed(f"the artifact holds {', '.join(surplus)}, which belong into build_ignore of galaxy.yml")
    elsewhere = {"ANSIBLE_COLLECTIONS_PATH": str(INSTALLED)}
    checked = ONE_CHECK
    for playbook in sorted((root / "playbooks").glob("*.yml")):
        name = f"virtio.fs.{playbook.stem}"
        part.run(["ansible-playbook", "--syntax-check", "-i", "localhost,", name], cwd=WORK, extra=elsewhere)
        checked += ONE_CHECK
    for kind, names in _documented(root):
        page = WORK / f"doc-{kind}.json"
        part.run(["ansible-doc", "--json", "-t", kind, *names], cwd=WORK, extra=elsewhere, into=page)
        unknown = sorted(set(names) - set(json.loads(page.read_text())))
        if unknown or not names:
            raise PartFailed(f"ansible-doc knows no {kind} {', '.join(unknown)}".rstrip())
        checked += Tally(passed=len(names))
    return checked


def _documented(root: Path) -> list[tuple[str, list[str]]]:
    def names(files: list[Path]) -> list[str]:
        return sorted(f"virtio.fs.{file.stem}" for file in files if not file.stem.startswith("_"))

    return [
        ("module", names(list((root / "plugins/modules").glob("*.py")))),
        ("filter", names(list((root / "plugins/filter").glob("*.yml")))),
        ("role", names([path.parent.parent for path in (root / "roles").glob("*/meta/argument_specs.yml")])),
    ]


@dataclass(frozen=True)
class Check:
    """One part of the run. ``seconds`` is its limit, far above what it takes on two cores."""

    name: str
    seconds: float
    work: Callable[[Part], Tally]
    quick: bool = True


CHECKS = (
    Check("ruff", 60, ruff),
    Check("yamllint", 120, yamllint),
    Check("shellcheck", 60, shellcheck),
    Check("changelog", 60, changelog),
    Check("types", 300, types),
    Check("unit", 600, tests("tests/unit")),
    Check("artifact", 240, artifact),
    Check("ansible-lint", 600, ansible_lint),
    Check("sanity", 900, ansible_test),
    Check("integration", 1200, tests("tests/integration")),
)

# Where the usual run tries a sample, the full one tries all.
FULL_CHECKS = {"integration": Check("integration", 5400, tests("tests/integration", VIRTIOFS_EVERY_WRITE="1"))}


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
        epilog=f"Parts: {', '.join(check.name for check in CHECKS)}, molecule.",
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="stop before molecule, which needs the lab")
    extent.add_argument(
        "--full", action="store_true", help="every scenario of molecule, and virtiofs_partition killed at every write"
    )
    parser.add_argument("--verbose", action="store_true", help="show the output of every part as it comes")
    parser.add_argument("part", nargs="*", help="only these parts (artifact is added where molecule needs it)")
    chosen = parser.parse_args()
    unknown = set(chosen.part) - {check.name for check in CHECKS} - {"molecule"}
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
    for folder in (COPY, INSTALLED, ARTIFACT, REPORTS):
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
    bad = run.tally.failed + run.tally.skipped
    print(f"{run.tally.passed} passed, {bad} failed", flush=True)
    return status if run.tally.passed else 1


def plan(chosen: argparse.Namespace) -> list[str]:
    names = [check.name for check in CHECKS] + ["molecule"]
    if chosen.part:
        needed = {*chosen.part, *(["artifact"] if "molecule" in chosen.part else [])}
        names = [name for name in names if name in needed]
    if chosen.quick:
        names = [name for name in names if name != "molecule"]
    return [*names, "unchanged"]


def check_all(run: Run, chosen: argparse.Namespace, planned: list[str], begun: float) -> None:
    before, after = WORK / "footprint-before", WORK / "footprint-after"
    with_lab = "molecule" in planned
    run.part("copy", 60, copy_of_the_checkout)
    if with_lab:
        run.part("lab-down", LAB_DOWN_SECONDS, lab_down)
    run.part("footprint", FOOTPRINT_SECONDS, footprint(before))
    try:
        for usual in CHECKS:
            check = FULL_CHECKS.get(usual.name, usual) if chosen.full else usual
            if check.name in planned:
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
