# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles and playbooks give to the collection's filters is what these take: the lab alone plays some tasks."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[3]
OURS = "virtio.fs."
# Prose names the collection too.
APPLIED = re.compile(r"\|\s*" + re.escape(OURS))


def _filters() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for path in (ROOT / "plugins/filter").glob("*.py"):
        module = importlib.import_module(f"ansible_collections.virtio.fs.plugins.filter.{path.stem}")
        found.update(module.FilterModule().filters())
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and APPLIED.search(value):
        # What stands behind ``when`` is an expression without braces.
        yield value if "{{" in value else "{{ " + value + " }}"


def _calls() -> Iterator[tuple[str, str, int, tuple[str, ...]]]:
    """The file, the filter, how many arguments it is given by position, and which by name."""
    jinja = Environment(autoescape=False)
    for folder in ("roles", "playbooks", "molecule"):
        for path in sorted((ROOT / folder).rglob("*.yml")):
            if OURS not in path.read_text(encoding="utf-8"):
                continue
            for text in _texts(yaml.safe_load(path.read_text(encoding="utf-8"))):
                for call in jinja.parse(text).find_all(nodes.Filter):
                    if call.name.startswith(OURS):
                        named = tuple(str(each.key) for each in call.kwargs)
                        yield str(path.relative_to(ROOT)), call.name[len(OURS) :], len(call.args), named


FILTERS = _filters()
CALLS = sorted(set(_calls()))


def test_there_are_calls() -> None:
    assert len(CALLS) > 30


@pytest.mark.parametrize(("file", "name", "count", "named"), CALLS)
def test_a_filter_takes_what_it_is_given(file: str, name: str, count: int, named: tuple[str, ...]) -> None:
    assert name in FILTERS, f"{file} uses a filter that there is not"
    # The first is what the filter is applied to.
    inspect.signature(FILTERS[name]).bind(*[None] * (1 + count), **dict.fromkeys(named))
