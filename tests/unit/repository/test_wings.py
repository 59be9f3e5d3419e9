# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of the wings of plugins/module_utils, read from the code's own imports and calls, so that it cannot rot.

Each exception is a row with its reason. A row that nothing needs any more is a failure too, so the lists only shrink.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ansible_collections.virtio.fs.tests.unit.source_code import (
    PLUGINS,
    ROOT,
    calls,
    effects,
    files,
    functions,
    imports,
    imports_of,
    tree,
)

# From the ground up: what a wing below those of the modules may import.
GROUND = {
    "_errors": set(),
    "_reconcile": {"_errors"},
    "_system": {"_errors"},
    "_mounts": {"_errors", "_system"},
    "_domain_xml": {"_errors", "_system"},
    "_virtiofsd": {"_errors", "_system"},
    "_daemon": {"_errors", "_system", "_virtiofsd", "_domain_xml"},
    "_block": {"_errors", "_system", "_mounts"},
    "_libvirt": {"_errors", "_system", "_mounts", "_domain_xml"},
}

# A module's wing imports from the ground, and from no other module's wing.
OF_A_MODULE = {"_partition", "_domain", "_guest_mount", "_probe", "_directory", "_info"}

# Right as they are.
BESIDE = {
    ("_info", "_domain"): "drift is what virtiofs_domain would plan: it is asked, and not repeated",
    ("_partition", "_directory"): "the root of a filesystem gets its owner and mode as a plain directory does",
}

# Wrong, and to be moved.
TO_MOVE: dict[tuple[str, str], str] = {}

# What one file alone imports, and what that is good for.
HOMES = {
    "subprocess": ("_system/command.py", "a time limit cannot be forgotten"),
    "libvirt": ("_libvirt/connection.py", "its errors are translated in one place"),
    "libvirt_qemu": ("_libvirt/connection.py", "its errors are translated in one place"),
    "lxml": ("_domain_xml/document.py", "no XML is read with entities or from the network"),
}


def _room(file: str) -> str:
    return file[len("module_utils/") :]


ROOMS = [_room(file) for file in files() if file.startswith("module_utils/")]


def _wing(room: str) -> str:
    return room.partition("/")[0].partition(".")[0]


def _arrows() -> dict[tuple[str, str], set[str]]:
    """Which wing imports which, and in which rooms."""
    found: dict[tuple[str, str], set[str]] = {}
    for room in ROOMS:
        for meaning in imports(f"module_utils/{room}").values():
            if meaning.startswith("module_utils."):
                arrow = _wing(room), meaning.split(".")[1]
                if arrow[0] != arrow[1]:
                    found.setdefault(arrow, set()).add(room)
    return found


def test_every_wing_has_its_place() -> None:
    assert {_wing(room) for room in ROOMS} == {*GROUND, *OF_A_MODULE}


def test_a_wing_imports_what_stands_below_it_and_nothing_else() -> None:
    allowed = {(wing, below) for wing, wings in GROUND.items() for below in wings}
    allowed |= {(wing, below) for wing in OF_A_MODULE for below in GROUND}
    others = {arrow: sorted(rooms) for arrow, rooms in _arrows().items() if arrow not in allowed}
    assert {arrow: rooms for arrow, rooms in others.items() if arrow not in {**BESIDE, **TO_MOVE}} == {}
    assert sorted({**BESIDE, **TO_MOVE}.keys() - others.keys()) == [], "nothing needs these rows any more"


def test_no_wing_comes_back_to_itself_through_others() -> None:
    arrows = _arrows().keys() - TO_MOVE.keys()
    left = {*GROUND, *OF_A_MODULE}
    while left:
        # What imports none of the others that are left is no part of a circle.
        free = {wing for wing in left if not any((wing, other) in arrows for other in left)}
        assert free, f"a circle among {sorted(left)}"
        left -= free


def test_no_room_comes_back_to_itself_through_others() -> None:
    names = {"module_utils." + room[: -len(".py")].replace("/", "."): room for room in ROOMS}
    # "from wing import room" and "from wing.room import name" both lead to the room.
    below = {
        room: {
            names[name]
            for meaning in imports(f"module_utils/{room}").values()
            for name in (meaning, meaning.rpartition(".")[0])
            if name in names
        }
        for room in ROOMS
    }
    left = set(ROOMS)
    while left:
        free = {room for room in left if not below[room] & left}
        assert free, f"a circle among {sorted(left)}"
        left -= free


@pytest.mark.parametrize("module", HOMES)
def test_one_file_alone_imports(module: str) -> None:
    importing = [file for file in files() if any(each.partition(".")[0] == module for each in imports(file).values())]
    home, reason = HOMES[module]
    assert importing == [f"module_utils/{home}"], f"so that {reason}"


def test_one_file_alone_decides_what_is_the_same_path() -> None:
    asking = {file for file in files() for name, _call in calls(file) if name.endswith(".normpath")}
    assert asking == {"module_utils/_system/paths.py"}


def _claims_to_be_pure(file: str) -> bool:
    return re.search(r"\bPure\b", ast.get_docstring(tree(file)) or "") is not None


def _has_to_be_pure(room: str) -> bool:
    name = Path(room).stem
    return "/" in room and (name in ("wanted", "state") or name.startswith("plan"))


def _is_pure(file: str) -> bool:
    return _claims_to_be_pure(file) or (file.startswith("module_utils/") and _has_to_be_pure(_room(file)))


def _effects(file: str) -> dict[str, str]:
    """The functions of a file that are not pure, but for those that its docstring names."""
    place = file[: -len(".py")].replace("/", ".")
    except_for = re.findall(r":func:`(\w+)`", ast.get_docstring(tree(file)) or "")
    found = {name: effects().get(f"{place}.{name}", "") for name in functions(file) if name not in except_for}
    return {name: way for name, way in found.items() if way}


@pytest.mark.parametrize("file", [file for file in files() if _is_pure(file)])
def test_what_is_pure_neither_asks_the_machine_nor_changes_it(file: str) -> None:
    assert _effects(file) == {}


def test_a_function_that_claims_to_be_pure_is() -> None:
    claiming = {
        f"{file[: -len('.py')].replace('/', '.')}.{node.name}"
        for file in files()
        for node in tree(file).body
        if isinstance(node, ast.FunctionDef) and re.search(r"\bPure\b", ast.get_docstring(node) or "")
    }
    assert claiming
    assert {name: effects()[name] for name in claiming if name in effects()} == {}


@pytest.mark.parametrize("name", ["_system.files.edit", "_mounts.fstab.read", "_guest_mount.read.read"])
def test_the_effects_are_found_also_through_others(name: str) -> None:
    assert f"module_utils.{name}" in effects()


@pytest.mark.parametrize("name", ["_mounts.mountinfo.on_path", "_system.paths.normalized", "_guest_mount.plan.plan"])
def test_what_asks_nobody_is_no_effect(name: str) -> None:
    assert f"module_utils.{name}" not in effects()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_test_of_its_name(room: str) -> None:
    folder, _slash, name = room.rpartition("/")
    place = ROOT / "tests/unit/plugins/module_utils" / folder / f"test_{name.lstrip('_')}"
    meaning = "module_utils." + room[: -len(".py")].replace("/", ".")
    there = False
    if place.exists():
        test = ast.parse(place.read_text())
        imported = [*imports_of(test).values(), *(each.rpartition(".")[0] for each in imports_of(test).values())]
        there = meaning in imported and any(name.startswith("test_") for name in _functions_of(test))
    assert there, f"no test in {place} imports the room"


def _functions_of(code: ast.Module) -> list[str]:
    return [node.name for node in ast.walk(code) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("file", [file for file in files() if file.startswith("modules/")])
def test_a_module_is_documentation_a_spec_and_one_call(file: str) -> None:
    assert [node.name for node in tree(file).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))] == ["main"]


def test_the_code_that_is_looked_at_is_this_one() -> None:
    assert (PLUGINS / "modules/virtiofs_guest_mount.py").exists()
    assert len(ROOMS) > 50
