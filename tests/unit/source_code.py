# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code of the plugins as syntax trees: what it imports and what it calls."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"

_OURS = "ansible_collections.virtio.fs.plugins."


def files() -> list[str]:
    """Every Python file of the plugins, as its path below plugins/."""
    return sorted(str(path.relative_to(PLUGINS)) for path in PLUGINS.rglob("*.py"))


@functools.cache
def tree(file: str) -> ast.Module:
    return ast.parse((PLUGINS / file).read_text(encoding="utf-8"), file)


@functools.cache
def imports(file: str) -> dict[str, str]:
    """What each imported name of a file means, with dots; ours begin with "module_utils." and the like.

    ``import a.b`` gives the name "a.b", ``from a import b as c`` the name "c", which means "a.b".
    """
    names: dict[str, str] = {}
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return {name: meaning[len(_OURS) :] if meaning.startswith(_OURS) else meaning for name, meaning in names.items()}


def calls(file: str) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a file, with the dotted name of what is called; it begins with "?" where that is no name."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Call):
            first, dot, rest = _dotted(node.func).partition(".")
            yield imports(file).get(first, first) + dot + rest, node


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return "?"
