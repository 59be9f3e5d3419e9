# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code of the plugins as syntax trees: what it imports and what it calls."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
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
    return imports_of(tree(file))


def imports_of(code: ast.Module) -> dict[str, str]:
    """Like :func:`imports`, for any code."""
    names: dict[str, str] = {}
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            names.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"imports are absolute: {ast.unparse(node)}"
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


# What these do, they do to the machine, or ask the machine about. Not a word of them belongs in what is pure.
_EFFECTS = {
    *("fcntl", "glob", "grp", "importlib", "libvirt", "libvirt_qemu", "pwd", "random", "secrets", "select", "shutil"),
    *("signal", "socket", "subprocess", "tempfile", "threading", "time"),
}
_PURE_OF_OS = {"sep", "fsencode", "fsdecode", "fspath", "major", "minor", "makedev", "strerror", "PathLike"}
_PURE_OF_OS_PATH = {"join", "dirname", "basename", "normpath", "split", "splitext", "isabs", "relpath", "commonpath"}
_EFFECTS_BUILT_IN = {"open", "input", "print", "exec", "eval", "__import__"}


def is_effect(name: str) -> bool:
    """Whether a dotted name of Python itself does something to the machine, or asks it."""
    first, _dot, rest = name.partition(".")
    if first == "os":
        second, _dot, third = rest.partition(".")
        # posixpath is text only as far as os.path is.
        return third not in _PURE_OF_OS_PATH if second == "path" else second not in _PURE_OF_OS
    if first == "posixpath":
        return rest not in _PURE_OF_OS_PATH
    return first in _EFFECTS or name in _EFFECTS_BUILT_IN


@functools.cache
def functions(file: str) -> dict[str, list[str]]:
    """The functions and methods of a file, as Class.method, with every dotted name that they use.

    What runs when the file is imported is under "(import)".
    """
    at_import: list[ast.AST] = []
    found: dict[str, list[str]] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                at_import.extend(node.decorator_list)
                found[prefix + node.name] = [_meaning(file, name) for name in _names([node.args, *node.body])]
            else:
                at_import.append(node)

    visit(tree(file).body, "")
    found["(import)"] = [_meaning(file, name) for name in _names(at_import)]
    return found


def _names(code: Sequence[ast.AST]) -> Iterator[str]:
    taken = {
        argument.arg
        for part in code
        for node in ast.walk(part)
        if isinstance(node, ast.arguments)
        for argument in _all(node)
    }
    waiting = list(code)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = _dotted(node)
            if name.partition(".")[0] not in taken:
                yield name
            if not name.startswith("?"):
                continue
        if isinstance(node, ast.AnnAssign):
            # An annotation runs nothing.
            waiting += [node.target, *([node.value] if node.value else [])]
        elif isinstance(node, ast.arguments):
            waiting += [*node.defaults, *(default for default in node.kw_defaults if default)]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            waiting += [node.args, *node.body, *node.decorator_list]
        else:
            waiting += ast.iter_child_nodes(node)


def _all(arguments: ast.arguments) -> list[ast.arg]:
    several = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *several]


def _meaning(file: str, name: str) -> str:
    first, dot, rest = name.partition(".")
    meaning = imports(file).get(first)
    if meaning is not None:
        return meaning + dot + rest
    if first in _defined(file):
        return f"{file[: -len('.py')].replace('/', '.')}.{name}"
    # A variable can bear the name of a module.
    return name if name in _EFFECTS_BUILT_IN else f"?.{name}"


@functools.cache
def _defined(file: str) -> set[str]:
    return {
        node.name for node in tree(file).body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }


@functools.cache
def effects() -> dict[str, str]:
    """The functions of the plugins that do something to the machine or ask it, directly or through others.

    By their dotted name, with what leads there. To name a class is no effect, so a plan can make steps; what is
    called on a value is not seen.
    """
    used = {
        f"{file[: -len('.py')].replace('/', '.')}.{function}": names
        for file in files()
        for function, names in functions(file).items()
    }
    found = {function: name for function, names in used.items() for name in names if is_effect(name)}
    while True:
        more = {
            function: f"{name} ({found[name]})"
            for function, names in used.items()
            if function not in found
            for name in names
            if name in found
        }
        if not more:
            return found
        found.update(more)
