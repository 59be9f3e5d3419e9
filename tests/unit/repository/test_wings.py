# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the wings of plugins/module_utils, read from the code's own imports, so that it cannot rot."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UTILS = ROOT / "plugins/module_utils"
PREFIX = "ansible_collections.virtio.fs.plugins.module_utils"

# From the ground up. A wing imports from the floors below its own, and from itself.
FLOORS = (
    {"_errors"},
    {"_reconcile", "_system"},
    {"_mounts", "_domain_xml", "_virtiofsd"},
    {"_block", "_libvirt"},
    {"_partition", "_domain", "_guest_mount", "_probe", "_user_map", "_directory", "_info"},
)
# Between wings of one floor, or upwards. Each row says why it is right, or what has to move.
EXCEPTIONS = {
    ("_info", "_domain"): "what is reported is compared as virtiofs_domain would plan it",
    ("_libvirt", "_domain"): "to move: the state of a domain belongs to the wing that reads it",
    ("_partition", "_directory"): "to move: both wings refuse the same owners and modes",
}

# Rooms that take values and return values.
PURE_ROOMS = ("wanted", "state", "plan", "plan_")
EFFECTS = {"subprocess", "shutil", "tempfile", "fcntl", "socket", "glob", "time", "pwd", "grp", "libvirt", "threading"}
EFFECT_ROOMS = {"_system.command", "_system.files", "_system.bounded", "_system.immutable", "_mounts.mount"}
PURE_OF_OS = {"path", "sep", "fsencode", "fsdecode", "fspath", "major", "minor", "makedev"}
LOOKS = {"exists", "lexists", "isdir", "isfile", "islink", "ismount", "realpath", "samefile", "getsize"}


def _rooms() -> list[Path]:
    return sorted(UTILS.rglob("*.py"))


def _name(path: Path) -> str:
    return ".".join(path.relative_to(UTILS).with_suffix("").parts)


def _imported(tree: ast.AST) -> Iterator[str]:
    """The rooms that a file imports, as wing.room; or wing.room.name, where only the import itself knows which."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PREFIX):
            place = node.module[len(PREFIX) + 1 :]
            for alias in node.names:
                yield f"{place}.{alias.name}" if place else alias.name


def _arrows() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path in _rooms():
        wing = _name(path).split(".")[0]
        for target in _imported(ast.parse(path.read_text())):
            if target.split(".")[0] != wing:
                found.setdefault((wing, target.split(".")[0]), []).append(_name(path))
    return found


def test_every_wing_stands_on_a_floor() -> None:
    assert {_name(path).split(".")[0] for path in _rooms()} == set().union(*FLOORS)


def test_a_wing_imports_only_from_floors_below_it() -> None:
    floor = {wing: number for number, wings in enumerate(FLOORS) for wing in wings}
    upwards = {arrow: rooms for arrow, rooms in _arrows().items() if floor[arrow[1]] >= floor[arrow[0]]}
    assert {arrow: rooms for arrow, rooms in upwards.items() if arrow not in EXCEPTIONS} == {}
    assert sorted(set(EXCEPTIONS) - set(upwards)) == [], "an exception that nothing needs any more"


def test_no_wing_reaches_itself_again_through_others() -> None:
    known_circles = {("_libvirt", "_domain")}
    arrows = set(_arrows()) - known_circles
    wings = set().union(*FLOORS)
    while wings:
        # What imports none of the others that are left goes; what never goes is in a circle.
        free = {wing for wing in wings if not any(arrow == (wing, other) for arrow in arrows for other in wings)}
        assert free, f"a circle among {sorted(wings)}"
        wings -= free


def _effects(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = [target for target in _imported(tree) if ".".join(target.split(".")[:2]) in EFFECT_ROOMS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in EFFECTS]
        elif isinstance(node, ast.ImportFrom) and node.module in EFFECTS:
            found.append(str(node.module))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if node.attr not in PURE_OF_OS:
                found.append(f"os.{node.attr}")
        elif isinstance(node, ast.Attribute) and node.attr in LOOKS and ast.unparse(node.value) == "os.path":
            found.append(f"os.path.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.append("open")
    return found


def _is_pure(path: Path) -> bool:
    room = path.stem
    return path.parent != UTILS and (room in PURE_ROOMS or room.startswith("plan_"))


# To split: reading and planning in one file.
STILL_IN_ONE = {"_user_map.plan"}


@pytest.mark.parametrize("path", [path for path in _rooms() if _is_pure(path)], ids=_name)
def test_a_pure_room_has_no_effects(path: Path) -> None:
    if _name(path) in STILL_IN_ONE:
        assert _effects(path) != [], "it is pure now: take it out of the list"
    else:
        assert _effects(path) == []


def test_what_domains_are_made_of_is_pure() -> None:
    assert {_name(path): found for path in (UTILS / "_domain_xml").glob("*.py") if (found := _effects(path))} == {}


def test_a_module_is_documentation_a_spec_and_one_call() -> None:
    for path in (ROOT / "plugins/modules").glob("*.py"):
        functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
        assert functions == ["main"], path.name
