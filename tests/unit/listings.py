# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listings of the pages that users read, and what the collection has that they can name."""

from __future__ import annotations

import ast
import json
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "SECURITY.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("docs/**/*.rst"),
        *ROOT.glob("roles/*/README.md"),
    ]
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"^( *)\.\. code-block:: (\S+)\n((?:\1 +\S.*\n|[ ]*\n)+)", re.MULTILINE)
_OPTIONS = re.compile(r"\A(?: *:[\w-]+:.*\n)+")


@dataclass(frozen=True)
class Listing:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def listings_of(page: str, text: str) -> Iterator[Listing]:
    """The blocks of code of a page in Markdown or reStructuredText."""
    if page.endswith(".md"):
        for found in _FENCE.finditer(text):
            yield Listing(page, _line(text, found.start()), found.group(1), found.group(2))
        return
    for found in _DIRECTIVE.finditer(text):
        body = textwrap.dedent(_OPTIONS.sub("", found.group(3))).strip("\n") + "\n"
        yield Listing(page, _line(text, found.start()), found.group(2), body)


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


@lru_cache(maxsize=1)
def all_listings() -> tuple[Listing, ...]:
    return tuple(listing for page in PAGES for listing in listings_of(name_of(page), page.read_text()))


def in_language(*languages: str) -> list[Listing]:
    return [listing for listing in all_listings() if listing.language in languages]


def commands(listing: Listing) -> list[list[str]]:
    """The words of each command of a console listing; a comment and a continued line are understood."""
    lines = listing.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@cache
def role_options(role: str) -> Mapping[str, Any]:
    """The variables of a role, of all its entry points."""
    document = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    return {name: spec for entry in document["argument_specs"].values() for name, spec in entry["options"].items()}


def share_options() -> Mapping[str, Any]:
    options: Mapping[str, Any] = role_options("virtiofs_host")["virtiofs_host_shares"]["options"]
    return options


@cache
def module_options(module: str) -> Mapping[str, Any]:
    """The documented options of a module, without those of the doc fragments."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text())
    return dict(yaml.safe_load(_constant(tree, "DOCUMENTATION"))["options"], uri={"type": "str"})


def module_text(module: str, name: str) -> str:
    """``DOCUMENTATION``, ``EXAMPLES`` or ``RETURN``."""
    return _constant(ast.parse((ROOT / f"plugins/modules/{module}.py").read_text()), name)


def _constant(tree: ast.Module, name: str) -> str:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
            return str(ast.literal_eval(node.value))
    raise KeyError(name)


def modules() -> set[str]:
    return {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


def playbooks() -> set[str]:
    return {path.stem for path in (ROOT / "playbooks").glob("*.yml")}


def roles() -> set[str]:
    return {path.name for path in (ROOT / "roles").iterdir()}


def filters() -> set[str]:
    return {path.stem for path in (ROOT / "plugins/filter").glob("*.yml")}


@lru_cache(maxsize=1)
def extra_variables() -> frozenset[str]:
    """What the playbooks read besides the variables of the roles."""
    texts = [path.read_text() for folder in ("playbooks", "roles") for path in (ROOT / folder).rglob("*.yml")]
    taken = re.compile(r"\b(virtiofs_(?!host_|guest_)\w+) \| default|\b(virtiofs_guest_boot_timeout) \| default")
    found = {name for text in texts for pair in taken.findall(text) for name in pair if name}
    return frozenset(found - {"virtiofs_report_info", "virtiofs_report_trouble"})


@lru_cache(maxsize=1)
def facts() -> frozenset[str]:
    """What roles leave behind for a play to read: registered, or set."""
    found: set[str] = set()
    for folder in ("playbooks", "roles"):
        for path in (ROOT / folder).rglob("*.yml"):
            text = path.read_text()
            found |= set(re.findall(r"register: (virtiofs_\w+)", text))
            found |= set(re.findall(r"^ +(virtiofs_(?:guest|host)_\w+): [>\"]", text, re.MULTILINE))
    return frozenset(found)


def settable() -> set[str]:
    """Every variable that a user can set."""
    return {name for role in roles() for name in role_options(role)} | extra_variables()


def extra_values(words: list[str]) -> dict[str, Any]:
    """What ``-e`` of a command sets."""
    values: dict[str, Any] = {}
    for flag, value in zip(words, words[1:]):
        if flag not in ("-e", "--extra-vars") or value.startswith("@"):
            continue
        if value.startswith("{"):
            values.update(json.loads(value))
        else:
            for pair in shlex.split(value):
                name, _equals, given = pair.partition("=")
                values[name] = given
    return values


@lru_cache(maxsize=1)
def messages() -> tuple[str, ...]:
    """Every text that a program of the collection can print; ``\\0`` stands where a value goes in."""
    found: list[str] = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(_piece(value) for value in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    for folder in ("playbooks", "roles"):
        for path in sorted((ROOT / folder).rglob("*.yml")):
            found.extend(re.sub(r"{{.*?}}", "\0", text) for text in _strings(yaml.safe_load(path.read_text())))
    return tuple(found)


def _piece(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else "\0"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
