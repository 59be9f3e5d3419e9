# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of packages and services by platform, held to what was seen of each (tests/fixtures/platforms.yml)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from local_fleet import HERE, Played, node, play

FOLDER = Path(__file__).parents[1] / "fixtures"
SEEN: Mapping[str, Mapping[str, Any]] = yaml.safe_load((FOLDER / "platforms.yml").read_text())
PLATFORMS, LOOK_UPS = SEEN["platforms"], SEEN["look_ups"]
# Neither needs to be there: these two have their own command to install with.
WITHOUT_MODULE = ("archlinux", "sles16")

ROLE = Path(__file__).parents[2] / "roles/virtiofs_host"

FACTS = """
- hosts: hypervisors
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        architecture: x86_64
        os_family: "{{ facts.os_family }}"
        distribution: "{{ facts.distribution }}"
        distribution_release: "{{ facts.distribution_release }}"
"""
RUN = f"""{FACTS}
    - ansible.builtin.include_role:
        name: virtio.fs.virtiofs_host
"""
ASK = (
    f"""{FACTS}
    - ansible.builtin.include_vars: "{ROLE}/vars/{{{{ facts.os_family }}}}.yml"
    - ansible.builtin.include_role:
        name: virtio.fs.virtiofs_host
        tasks_from: packages
        public: true
"""
    + """
    - ansible.builtin.set_fact:
        __virtiofs_host_look: "{{ look | combine({'stdout_lines': look.stdout.splitlines()}) }}"
    - ansible.builtin.debug:
        msg: "{{ told | to_json }}"
      vars:
        told:
          command: "{{ __virtiofs_host_look_command }}"
          missing: "{{ __virtiofs_host_packages_missing }}"
          service: "{{ __virtiofs_host_service }}"
          wanted: "{{ __virtiofs_host_packages_wanted }}"
"""
)


def host(uri: str, facts: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**HERE, "virtiofs_host_uri": uri, "facts": facts, "look": {"rc": 1, "stdout": ""}, **more}


def run(folder: Path, text: str, hosts: Mapping[str, Mapping[str, Any]], *options: str) -> Played:
    (folder / "playbook.yml").write_text(text)
    return play(folder, str(folder / "playbook.yml"), hosts, {}, *options)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """What the role knows of each platform, and makes of each answer of a package manager."""
    folder = tmp_path_factory.mktemp("platforms")
    uri = node(folder, "node", {"vm1": {}})
    hosts = {name: host(uri, one["facts"]) for name, one in PLATFORMS.items()}
    for name, one in LOOK_UPS.items():
        facts = {"os_family": one["family"], "distribution": one["family"], "distribution_release": ""}
        more = {"look": {"rc": one["rc"], "stdout": one["stdout"]}, "virtiofs_host_packages": one["wanted"]}
        hosts[name] = host(uri, facts, **more)
    played = run(folder, ASK, hosts, "--check")
    assert played.returncode == 0, played.output
    said = {
        one["host"]: one["returned"]["msg"] for one in played.results if "command" in str(one["returned"].get("msg"))
    }
    return {name: json.loads(text) if isinstance(text, str) else text for name, text in said.items()}


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_has_its_virtiofsd_and_its_service(name: str, told: Mapping[str, Mapping[str, Any]]) -> None:
    assert [one for one in told[name]["wanted"] if one == "virtiofsd"] == PLATFORMS[name]["virtiofsd"]
    assert told[name]["service"] == PLATFORMS[name]["service"]


@pytest.mark.parametrize("name", LOOK_UPS)
def test_what_is_missing_is_what_the_package_manager_says(name: str, told: Mapping[str, Mapping[str, Any]]) -> None:
    assert told[name]["missing"] == LOOK_UPS[name]["missing"]
    assert [one for one in told[name]["command"] if one in LOOK_UPS[name]["wanted"]] == LOOK_UPS[name]["wanted"]


@pytest.mark.parametrize("seen", [*PLATFORMS.values(), *LOOK_UPS.values()], ids=[*PLATFORMS, *LOOK_UPS])
def test_what_is_known_says_where_from_and_since_when(seen: Mapping[str, Any]) -> None:
    assert seen["source"]
    assert seen["seen"].year >= 2026


def test_a_check_says_what_would_be_installed_and_asks_for_no_other_collection(tmp_path: Path) -> None:
    uri = node(tmp_path, "node", {"vm1": {}})
    hosts = {name: host(uri, PLATFORMS[name]["facts"]) for name in WITHOUT_MODULE}
    played = run(tmp_path, RUN, hosts, "--check")
    assert played.returncode == 0, played.output
    assert "would install libvirt libvirt-python python-lxml util-linux virtiofsd qemu-base" in played.said("archlinux")
    assert "would install libvirt-daemon-qemu libvirt-client python3-libvirt-python" in played.said("sles16")
    for name in hosts:
        assert any(one["host"] == name and one["returned"].get("changed") for one in played.results)


def test_a_run_installs_with_the_command_of_the_platform(tmp_path: Path) -> None:
    """It is not on this machine, which is how it is seen that this is what was called."""
    uri = node(tmp_path, "node", {"vm1": {}})
    played = run(tmp_path, RUN, {name: host(uri, PLATFORMS[name]["facts"]) for name in WITHOUT_MODULE})
    assert played.failed() == set(WITHOUT_MODULE)
    for name, command in (("archlinux", "pacman --sync"), ("sles16", "zypper --non-interactive install")):
        (failed,) = (one["returned"] for one in played.results if one["host"] == name and one["status"] == "failed")
        assert str(failed["cmd"]).startswith(command), failed
    assert "community.general" not in played.output


def test_an_unknown_platform_is_told_what_to_do(tmp_path: Path) -> None:
    facts = {"os_family": "Gentoo", "distribution": "Gentoo", "distribution_release": ""}
    played = run(tmp_path, RUN, {"hv1": host(node(tmp_path, "node", {"vm1": {}}), facts)}, "--check")
    assert played.failed() == {"hv1"}
    assert "set virtiofs_host_manage_packages: false" in played.said("hv1")
