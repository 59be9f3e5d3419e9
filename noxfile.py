# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that need neither root nor a lab, each in this one place: script/test runs them from here.

pip install -r requirements-dev.txt lxml        in a virtual environment; all sessions share it
nox                                             all; nox --list: their names; nox -s types: one
nox -s unit -- tests/unit/repository/test_wings.py -k floor
nox -s unit-of sanity-of                        with each supported ansible-core, in environments of their own
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import antsibull_nox
import nox
from antsibull_nox.paths.utils import copy_collection, remove_path

HERE = Path(__file__).resolve().parent
NAME = ("ansible_collections", "virtio", "fs")
FS = "/".join(NAME)
CORES = {"2.16": "3.11", "2.17": "3.11", "2.18": "3.11", "2.19": "3.11", "2.20": "3.12", "2.21": "3.13"}

# In tests, what is left untyped is checked all the same. They look into values that a plan knows as "a step" only.
RELAXED = ["--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--allow-any-generics"]
RELAXED += ["--allow-subclassing-any", "--no-warn-return-any", "--no-warn-unused-ignores", "--no-strict-equality"]
RELAXED += [f"--disable-error-code={code}" for code in ("arg-type", "attr-defined", "operator", "call-overload")]
# Files that import each other by bare names, each with the folders where these are found.
STRICT_PARTS = (
    ("plugins script noxfile.py", "script"),
    ("molecule/lab molecule/run", "molecule/lab"),
)
RELAXED_PARTS = (
    ("tests/unit tests/integration", "molecule/lab script tests/integration"),
    ("molecule/proof molecule/conftest.py", "molecule molecule/lab"),
    ("molecule/*/tests", "molecule molecule/lab molecule/*/tests"),
)

# Of the tools, those that the unit tests need beside ansible-core.
UNIT_TOOLS = {"hypothesis", "nox", "pytest", "pytest-timeout", "pytest-xdist"}

# ansible-test would download a script that installs pip, from a place that is no package registry.
PIPS = ("23.1.2", "24.2", "25.2")
GET_PIP = """import ensurepip, subprocess, sys
ensurepip.bootstrap()
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]))
"""

# Of the artifact, which everybody downloads.
MOST_BYTES = 300_000

nox.options.default_venv_backend = "none"
antsibull_nox.load_antsibull_nox_toml()


def collections(session: nox.Session) -> Path:
    """A folder that has the checkout, or a copy, by the name of the collection, which Ansible and Python look for."""
    if HERE.parts[-3:] == NAME:
        return HERE.parents[2]
    place = Path(session.create_tmp()).resolve() / "collections"
    remove_path(place)
    (place / FS).parent.mkdir(parents=True)
    copy_collection(HERE, place / FS)
    # ansible-test and ansible-lint ask git for the files, and the checkout's own git ignores this folder.
    session.run("git", "init", "--quiet", "--template=", str(place / FS), external=True, log=False)
    return place


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout of Python, YAML and changelog fragments."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("yamllint", "--strict", ".")
    session.run("antsibull-changelog", "lint")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict but for the tests."""
    place = collections(session)
    config = ["--config-file", f"{FS}/pyproject.toml", "--cache-dir"]
    cache = Path(os.environ.get("MYPY_CACHE_DIR") or HERE / ".mypy_cache")
    # Each has a cache of its own: other options make mypy read everything anew.
    runs = [([*config, f"{cache}/strict"], part) for part in STRICT_PARTS]
    runs += [([*config, f"{cache}/tests", *RELAXED], part) for part in RELAXED_PARTS]
    with session.chdir(place):
        for options, part in runs:
            files, bases = ([path for word in names.split() for path in sorted(Path(FS).glob(word))] for names in part)
            found = os.pathsep.join(str(place / folder) for folder in (Path(), *bases))
            session.run("mypy", *options, *map(str, files), env={"MYPYPATH": found})


@nox.session
def unit(session: nox.Session) -> None:
    """The unit tests, or what is named behind "--"."""
    session.run("pytest", *(session.posargs or ["tests/unit"]))


@nox.session
def docs(session: nox.Session) -> None:
    """The pages, and the documentation in modules, filters and roles, with every reference in them."""
    place = collections(session)
    session.run(
        *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--check-extra-docs-refs"),
        *("--validate-collection-refs", "all", "--disallow-unknown-collection-refs", str(place / FS)),
        env={"ANSIBLE_COLLECTIONS_PATH": str(place)},
    )


@nox.session(name="ansible-lint")
def ansible_lint(session: nox.Session) -> None:
    """Roles, playbooks and scenarios."""
    place = collections(session)
    with session.chdir(place / FS):
        session.run("ansible-lint", "--strict", env={"ANSIBLE_COLLECTIONS_PATH": str(place)})


@nox.session(name="build-import")
def build_import(session: nox.Session) -> None:
    """Build, install into an empty path, use it from there, and import it as Galaxy does. "-- FOLDER" keeps both."""
    folder = Path(session.posargs[0] if session.posargs else session.create_tmp()).resolve()
    built, installed = folder / "artifact", folder / "installed"
    for place in (built, installed):
        remove_path(place)
        place.mkdir(parents=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(built))
    (tarball,) = built.iterdir()
    if tarball.stat().st_size > MOST_BYTES:
        session.error(f"the artifact has {tarball.stat().st_size} bytes, and may have {MOST_BYTES}")
    session.run("ansible-galaxy", "collection", "install", "--offline", "-p", str(installed), str(tarball))
    playbooks = sorted(f"virtio.fs.{path.stem}" for path in (installed / FS / "playbooks").glob("*.yml"))
    with session.chdir(folder):
        elsewhere = {"ANSIBLE_COLLECTIONS_PATH": str(installed)}
        session.run("ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks, env=elsewhere)
    with session.chdir(built):
        log = session.run("python", "-m", "galaxy_importer.main", tarball.name, silent=True) or ""
        (built / "importer_result.json").unlink(missing_ok=True)
    complaints = re.findall(r"^.*(?:WARNING|ERROR).*", log, re.MULTILINE)
    if complaints or "Importer processing completed successfully" not in log:
        session.error("\n".join(["galaxy-importer complains:", *(complaints or [log])]))


def run_sanity(session: nox.Session, python: str) -> None:
    for version in PIPS:
        script = Path.home() / f".ansible/test/cache/get_pip_{version.replace('.', '_')}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        if not script.exists():
            script.write_text(GET_PIP)
    with session.chdir(collections(session) / FS):
        session.run("ansible-test", "sanity", "--local", "--python", python, "--color", "no", *session.posargs)


@nox.session
def sanity(session: nox.Session) -> None:
    """ansible-test sanity on all that git knows, without containers and without ignore files."""
    run_sanity(session, f"{sys.version_info[0]}.{sys.version_info[1]}")


@nox.session(name="sanity-of", venv_backend="venv", default=False)
@nox.parametrize(("python", "core"), [(python, core) for core, python in CORES.items()], ids=list(CORES))
def sanity_of(session: nox.Session, core: str) -> None:
    """The same with each supported ansible-core. A Python that this machine lacks is left out."""
    session.install(f"ansible-core~={core}.0")
    run_sanity(session, CORES[core])


@nox.session(name="unit-of", venv_backend="venv", default=False)
@nox.parametrize(("python", "core"), [(python, core) for core, python in CORES.items()], ids=list(CORES))
def unit_of(session: nox.Session, core: str) -> None:
    """The unit tests with each supported ansible-core."""
    pins = (HERE / "requirements-dev.txt").read_text().splitlines()
    tools = [pin for pin in pins if pin.partition("==")[0] in UNIT_TOOLS]
    session.install(f"ansible-core~={core}.0", "lxml", *tools)
    with session.chdir(collections(session) / FS):
        session.run("pytest", *(session.posargs or ["tests/unit"]))
