# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages print can be typed: every listing, key, variable, command and name in them is one that there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.virtio.fs.plugins.filter import shares as list_of_shares
from ansible_collections.virtio.fs.tests.unit import listings
from ansible_collections.virtio.fs.tests.unit.listings import ROOT, Listing

YAML = listings.in_language("yaml")
CONSOLE = listings.in_language("console")
INVENTORY = re.compile(r"^hypervisors:\n  hosts:", re.MULTILINE)
INVENTORIES = [listing for listing in YAML if INVENTORY.search(listing.text)]
IN_A_TEMPLATE = re.compile(r"^\s*{{.*}}\s*$", re.DOTALL)
PLAY = re.compile(r"^- (?:name: .*\n  )?(?:hosts|ansible\.builtin\.import_playbook):", re.MULTILINE)
TASK = re.compile(r"^- name: .*\n  [a-z]\w*\.\w+\.\w+:", re.MULTILINE)


def _ids(listing: Listing) -> str:
    return str(listing)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _mappings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _mappings(one)


def _problems(value: Any, options: Mapping[str, Any], where: str) -> Iterator[str]:
    """Where a value is not what the options say. Templates pass."""
    if not isinstance(value, Mapping):
        yield f"{where}: {value!r} has no keys"
        return
    for key in options:
        if options[key].get("required") and key not in value:
            yield f"{where}: {key} is missing"
    for key, given in value.items():
        if key not in options:
            yield f"{where}: {key} is unknown"
            continue
        yield from _problems_of_value(given, options[key], f"{where}, {key}")


def _problems_of_value(given: Any, spec: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(given, str) and IN_A_TEMPLATE.match(given):
        return
    kinds = {"list": list, "dict": dict, "bool": bool, "int": int, "str": (str, int), "path": str, "raw": (str, int)}
    if not isinstance(given, kinds[spec["type"]]):
        yield f"{where}: {given!r} is no {spec['type']}"
        return
    for one in given if isinstance(given, list) else [given]:
        if "choices" in spec and one not in spec["choices"]:
            yield f"{where}: {one!r} is none of {spec['choices']}"
        below = spec.get("options") or spec.get("suboptions")
        if below and not (isinstance(one, str) and IN_A_TEMPLATE.match(one)):
            yield from _problems(one, below, where)


def test_there_is_something_to_check():
    assert len(YAML) >= 8
    assert len(CONSOLE) >= 3
    assert INVENTORIES


def test_every_listing_has_a_language_that_is_checked_or_is_output():
    known = {"yaml", "console", "text", "ini", "xml"}
    assert [str(listing) for listing in listings.all_listings() if listing.language not in known] == []


@pytest.mark.parametrize("listing", YAML, ids=_ids)
def test_yaml_has_keys_and_variables_that_there_are(listing: Listing):
    """Tasks, plays, roles, variables and the keys of a share, all at once: a mapping is known by its keys."""
    problems: list[str] = []
    for mapping in _mappings(yaml.safe_load(listing.text)):
        for key, value in mapping.items():
            if key.startswith("virtio.fs."):
                module = key.rpartition(".")[2]
                assert module in listings.modules(), key
                problems.extend(_problems(value or {}, listings.module_options(module), key))
            elif key == "virtiofs_host_shares" and isinstance(value, list):
                list_of_shares.shares_of({"hv1": {key: value}}, "hv1")
                for item in value:
                    problems.extend(_problems(item, listings.share_options(), f"share {item['name']}"))
            elif key.startswith("virtiofs_"):
                assert key in listings.settable() or key in listings.modules(), key
                for role in listings.roles():
                    if key in listings.role_options(role) and value is not None:
                        problems.extend(_problems_of_value(value, listings.role_options(role)[key], key))
    assert problems == []


@pytest.mark.parametrize("listing", INVENTORIES, ids=_ids)
def test_an_inventory_is_one(listing: Listing, tmp_path: Path):
    """The hosts and groups of the playbooks are in it, and the guests name hypervisors and domains that are there."""
    file = tmp_path / "hosts.yml"
    file.write_text(listing.text)
    inventory = InventoryManager(loader=DataLoader(), sources=[str(file)])
    groups = inventory.get_groups_dict()
    assert groups.get("ungrouped") == []
    assert set(groups) - {"all", "ungrouped"} >= {"hypervisors", "guests"}
    assert groups["hypervisors"]
    assert groups["guests"]
    for guest in groups["guests"]:
        variables = inventory.get_host(guest).get_vars()
        for group in inventory.get_host(guest).get_groups():
            variables = {**group.get_vars(), **variables}
        hypervisor = inventory.get_host(variables["virtiofs_guest_hypervisor"])
        assert hypervisor is not None
        shared = hypervisor.get_vars().get("virtiofs_host_shares")
        if shared is not None:
            domain = variables.get("virtiofs_guest_domain", guest)
            assert domain in {name for share in shared for name in share["domains"]}


@pytest.mark.parametrize("listing", CONSOLE, ids=_ids)
def test_a_command_can_be_typed(listing: Listing):
    for words in listings.commands(listing):
        sudo = words[0] == "sudo"
        program, *rest = words[1:] if sudo else words
        if program == "ansible-playbook":
            _check_ansible_playbook(rest)
        elif program == "ansible-doc":
            for name in rest:
                if name.startswith("virtio.fs."):
                    assert name.rpartition(".")[2] in listings.modules() | listings.roles() | listings.filters()
        elif program.startswith(("script/", "molecule/")):
            assert os.access(ROOT / program, os.X_OK), program
        else:
            assert program in {
                "ansible", "ansible-galaxy", "ansible-inventory", "ausearch", "cat", "chcon", "chmod", "git", "id",
                "ls", "mount", "pacman", "restorecon", "semanage", "systemctl", "umount", "virsh",
            }, program  # fmt: skip


def _check_ansible_playbook(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    named = done.stdout.split()
    assert named
    for playbook in named:
        if playbook.startswith("virtio.fs."):
            assert playbook.rpartition(".")[2] in listings.playbooks(), playbook
        else:
            assert playbook in {"site.yml", "share.yml"}, playbook
    assert set(listings.extra_values(words)) <= listings.settable()


_PARSE = """\
import sys
from ansible.cli.playbook import PlaybookCLI
from ansible import context
command = PlaybookCLI(["ansible-playbook", *sys.argv[1:]])
command.parse()
print(*context.CLIARGS["args"])
"""


@pytest.mark.parametrize("page", listings.PAGES, ids=listings.name_of)
def test_every_name_in_a_page_is_one_that_there_is(page: Path):
    """In the text too, not only in listings."""
    text = page.read_text()
    ours = listings.modules() | listings.roles() | listings.playbooks() | listings.filters()
    for name in re.findall(r"\bvirtio\.fs\.(?!docsite\.)(\w+)", text):
        assert name in ours, f"virtio.fs.{name}"
    known = listings.settable() | listings.facts() | listings.modules() | listings.roles()
    known |= {"virtiofs_report_", "virtiofs_host_", "virtiofs_guest_"}  # with an ellipsis or a star behind it
    words = set(re.findall(r"(?<![\w./-])virtiofs_\w+", text))
    assert sorted(words - known) == []


@pytest.mark.parametrize("page", listings.PAGES, ids=listings.name_of)
def test_a_link_into_the_repository_leads_somewhere(page: Path):
    """In the README they are absolute, so that they work on the page of Galaxy too."""
    text = page.read_text()
    here = yaml.safe_load((ROOT / "galaxy.yml").read_text())["repository"]
    raw = here.replace("github.com", "raw.githubusercontent.com")
    places = re.findall(rf"(?:{re.escape(here)}/(?:blob|tree)|{re.escape(raw)})/main/([\w./-]+)", text)
    assert [place for place in places if not (ROOT / place).exists()] == []
    if page.suffix == ".md":
        links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
        if page == ROOT / "README.md":
            assert links == []
        for link in links:
            path, _hash, _anchor = link.partition("#")
            assert not path or (page.parent / path).exists(), link


def test_the_plays_of_the_pages_pass_the_syntax_check(tmp_path: Path):
    files: list[Path] = []
    for listing in YAML:
        if PLAY.search(listing.text):
            text = listing.text
        elif TASK.search(listing.text):
            tasks = "".join(f"    {line}\n" for line in listing.text.splitlines())
            text = f"- hosts: all\n  tasks:\n{tasks}"
        else:
            continue
        files.append(tmp_path / f"{len(files)}-{Path(listing.page).stem}-{listing.line}.yml")
        files[-1].write_text(text)
    assert files
    collections = next(path for path in sys.path if (Path(path) / "ansible_collections/virtio/fs/galaxy.yml").exists())
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "--syntax-check", "-i", "localhost,", *map(str, files)],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path),
            "ANSIBLE_HOST_PATTERN_MISMATCH": "warning",  # ansible-test makes it an error
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
