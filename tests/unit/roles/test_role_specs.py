# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles promise what their defaults do, and accept what the modules accept."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtio.fs.plugins.filter import shares

ROLES = Path(__file__).parents[3] / "roles"


def document(*parts: str) -> Any:
    return yaml.safe_load(ROLES.joinpath(*parts).read_text())


def specs(role: str) -> dict[str, Any]:
    entries: dict[str, Any] = document(role, "meta", "argument_specs.yml")["argument_specs"]
    return {name: option for entry in entries.values() for name, option in entry["options"].items()}


def share_options() -> dict[str, Any]:
    options: dict[str, Any] = specs("virtiofs_host")["virtiofs_host_shares"]["options"]
    return options


def item_options(module: str, option: str) -> dict[str, Any]:
    documented = importlib.import_module(f"ansible_collections.virtio.fs.plugins.modules.{module}").DOCUMENTATION
    options: dict[str, Any] = yaml.safe_load(documented)["options"][option]["suboptions"]
    return options


@pytest.mark.parametrize("role", ["virtiofs_host", "virtiofs_guest"])
def test_argument_specs_have_the_defaults(role: str):
    defaults = document(role, "defaults", "main.yml")
    options = specs(role)
    # Derived and not given by anybody: a default in the specs would be a second place for it.
    derived = {"virtiofs_guest_mounts", "virtiofs_guest_prune", "virtiofs_guest_unshare"}
    assert set(defaults) <= set(options)
    for name, option in options.items():
        if name not in derived and not option.get("required"):
            assert option.get("default") == defaults[name], name


def test_every_variable_is_in_the_readme():
    for role in ("virtiofs_host", "virtiofs_guest"):
        readme = (ROLES / role / "README.md").read_text()
        assert [name for name in specs(role) if f"`{name}`" not in readme] == []


def test_the_filters_know_exactly_the_keys_of_a_share():
    assert set(share_options()) == set(shares._KEYS)


def test_a_share_accepts_every_option_of_a_domain_share():
    ours = {"domain", "tag", "source", "state", "guest_unmounted", "unlisted"}
    assert set(item_options("virtiofs_domain", "shares")) - ours == set(shares.DOMAIN_OPTIONS)


def test_storage_accepts_every_option_of_a_partition_but_path_and_state():
    theirs = set(item_options("virtiofs_partition", "partitions")) - {"path", "state"}
    assert theirs == set(share_options()["storage"]["options"]) == set(shares.STORAGE_KEYS)


@pytest.mark.parametrize(
    ("module", "option", "mine"),
    [
        ("virtiofs_domain", "shares", share_options),
        ("virtiofs_partition", "partitions", lambda: share_options()["storage"]["options"]),
    ],
)
def test_types_and_choices_are_those_of_the_module(module: str, option: str, mine: Any):
    theirs = item_options(module, option)
    for name, found in mine().items():
        if name in theirs and name not in ("state", "tag", "path"):
            for key in ("type", "elements", "choices"):
                assert found.get(key) == theirs[name].get(key), f"{name}: {key}"
