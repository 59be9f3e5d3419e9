# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-doc prints of a module can be copied: examples take the options, samples have the keys that return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.virtio.fs.tests.unit import listings

MODULES = sorted(listings.modules())


def _document(module: str, part: str) -> Any:
    return yaml.safe_load(listings.module_text(module, part))


def _unknown(given: Any, options: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, value in given.items():
        if key not in options:
            yield f"{where}: {key}"
            continue
        spec = options[key]
        for one in value if isinstance(value, list) else [value]:
            if "choices" in spec and one not in spec["choices"]:
                yield f"{where}, {key}: {one!r} is none of {spec['choices']}"
            if isinstance(one, Mapping) and "suboptions" in spec:
                yield from _unknown(one, spec["suboptions"], f"{where}, {key}")
                needed = {name for name, each in spec["suboptions"].items() if each.get("required")}
                yield from (f"{where}, {key}: {name} is missing" for name in sorted(needed - set(one)))


@pytest.mark.parametrize("module", MODULES)
def test_an_example_takes_the_options_that_there_are(module: str):
    tasks = _document(module, "EXAMPLES")
    calls = [(key, task[key] or {}) for task in tasks for key in task if key.startswith("virtio.fs.")]
    assert any(key == f"virtio.fs.{module}" for key, given in calls)
    found = [
        each for key, given in calls for each in _unknown(given, listings.module_options(key.rpartition(".")[2]), key)
    ]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_what_is_returned_has_a_sample_of_the_keys_that_are_documented(module: str):
    for name, documented in _document(module, "RETURN").items():
        if name == "diff":
            continue
        assert "sample" in documented, name
        sample, known = documented["sample"], set(documented.get("contains", {}))
        if not known:
            continue
        by_name = documented["type"] == "dict" and not known & set(sample)
        items = sample.values() if by_name else sample if isinstance(sample, list) else [sample]
        assert {key for item in items for key in item} <= known, name


def test_there_is_something_to_copy():
    assert {
        module: len(_document(module, "EXAMPLES")) for module in MODULES if len(_document(module, "EXAMPLES")) < 2
    } == {}
