# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtiofs_domain against the real QEMU driver, with machines that run (without an operating system in them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from domain_machine import SHARED_MEMORY, broken_daemon, machine, share, tags
from libvirt_lab import Libvirt

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document


def test_a_domain_that_is_off_gets_shares_and_shared_memory(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    result = libvirt.domain_module(shares=[share(source, "one"), share(source, "two")])
    assert result["actions"] == ["define vm1: with share one, with share two, with shared memory"]
    assert tags(libvirt.config("vm1")) == ["one", "two"]
    assert result["restart_required"] == []
    assert "s3cret" in libvirt.config("vm1")
    assert not libvirt.ask("is_active", domain="vm1")
    libvirt.ask("start", domain="vm1")


def test_a_second_run_changes_nothing(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    wanted = [share(source, "one", queue=512, xattr=True, cache="always"), share(source, "two", cache="auto")]
    assert libvirt.domain_module(shares=wanted)["changed"]
    before = libvirt.config("vm1")
    result = libvirt.domain_module(shares=wanted, diff=True)
    assert (result["changed"], result["actions"], result["diff"]) == (False, [], [])
    assert libvirt.config("vm1") == before


def test_check_mode_tells_the_same_and_changes_nothing(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    before = libvirt.config("vm1")
    predicted = libvirt.domain_module(shares=[share(source)], check=True, diff=True)
    assert libvirt.config("vm1") == before
    real = libvirt.domain_module(shares=[share(source)], diff=True)
    assert predicted == real


def test_the_diff_has_no_secret(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    result = libvirt.domain_module(shares=[share(source)], diff=True)
    assert [entry["before_header"] for entry in result["diff"]] == ["domain vm1"]
    assert "<target dir='data'/>" in result["diff"][0]["after"].replace('"', "'")
    assert "s3cret" not in str(result)


def test_a_running_domain_with_shared_memory_gets_the_share_at_once(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.ask("start", domain="vm1")
    number = libvirt.ask("number", domain="vm1")
    result = libvirt.domain_module(shares=[share(source)])
    assert result["actions"] == ["attach data to the running vm1 and to its definition"]
    assert tags(libvirt.live("vm1")) == tags(libvirt.config("vm1")) == ["data"]
    assert result["restart_required"] == []
    assert libvirt.ask("number", domain="vm1") == number
    assert not libvirt.domain_module(shares=[share(source)])["changed"]


def test_without_shared_memory_the_share_waits_and_says_so_on_every_run(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    first = libvirt.domain_module(shares=[share(source)])
    second = libvirt.domain_module(shares=[share(source)])
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["restart_required"] == second["restart_required"]
    assert [(entry["domain"], entry["reason"]) for entry in first["restart_required"]] == [("vm1", "no_shared_memory")]
    assert (tags(libvirt.config("vm1")), tags(libvirt.live("vm1"))) == (["data"], [])


def test_what_finds_no_free_port_waits_share_by_share(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.ask("start", domain="vm1")
    wanted = [share(source, tag) for tag in ("a", "b", "c", "d")]
    result = libvirt.domain_module(shares=wanted)
    assert sorted(tags(libvirt.config("vm1"))) == ["a", "b", "c", "d"]
    hot = tags(libvirt.live("vm1"))
    assert 0 < len(hot) < 4
    waiting = [tag for tag in ("a", "b", "c", "d") if tag not in hot]
    assert [(entry["reason"], entry["tags"]) for entry in result["restart_required"]] == [("no_free_port", waiting)]
    assert not libvirt.domain_module(shares=wanted)["changed"]


def test_config_only_leaves_the_running_machine_alone(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.ask("start", domain="vm1")
    result = libvirt.domain_module(shares=[share(source)], apply="config")
    assert (tags(libvirt.config("vm1")), tags(libvirt.live("vm1"))) == (["data"], [])
    assert [entry["reason"] for entry in result["restart_required"]] == ["apply_config"]
    later = libvirt.domain_module(shares=[share(source)])
    assert later["actions"] == ["attach data to the running vm1"]
    assert tags(libvirt.live("vm1")) == ["data"]


def test_a_restart_completes_what_waits(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    number = libvirt.ask("number", domain="vm1")
    # Nothing in this machine answers to a graceful shutdown.
    result = libvirt.domain_module(shares=[share(source)], apply="restart", shutdown_timeout=1, force_off=True)
    assert result["actions"][-1] == "restart vm1 (shut down, start)", result
    assert result["restart_required"] == []
    assert tags(libvirt.live("vm1")) == ["data"]
    assert libvirt.ask("number", domain="vm1") != number
    assert not libvirt.domain_module(shares=[share(source)], apply="restart")["changed"]


def test_a_shutdown_that_is_ignored_destroys_nothing(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    result = libvirt.domain_module(shares=[share(source)], apply="restart", shutdown_timeout=1)
    assert result["failed"]
    assert "did not shut down within 1 seconds" in result["msg"]
    assert libvirt.ask("is_active", domain="vm1")


def test_after_a_failed_start_the_old_definition_runs_again(libvirt: Libvirt, source: str, tmp_path: Path) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    before = Document(libvirt.config("vm1"))
    wanted = [share(source, binary=broken_daemon(tmp_path))]
    result = libvirt.domain_module(shares=wanted, apply="restart", shutdown_timeout=1, force_off=True)
    assert result["failed"]
    assert "put back and the domain runs with it again" in result["msg"]
    assert Document(libvirt.config("vm1")) == before
    assert libvirt.ask("is_active", domain="vm1")
    assert tags(libvirt.live("vm1")) == []


def test_an_earlier_run_that_changed_the_definition_is_undone_too(
    libvirt: Libvirt, source: str, tmp_path: Path
) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    before = Document(libvirt.config("vm1"))
    wanted = [share(source, binary=broken_daemon(tmp_path))]
    assert libvirt.domain_module(shares=wanted)["restart_required"]
    result = libvirt.domain_module(shares=wanted, apply="restart", shutdown_timeout=1, force_off=True)
    assert "put back and the domain runs with it again" in result["msg"]
    assert Document(libvirt.config("vm1")) == before


def test_several_domains_in_one_call(libvirt: Libvirt, source: str) -> None:
    names = ["vm1", "vm2", "vm3"]
    for name in names:
        libvirt.ask("define", xml=machine(name))
    result = libvirt.domain_module(shares=[share(source, domain=name) for name in names])
    assert [entry["domain"] for entry in result["domains"]] == names
    assert all(tags(libvirt.config(name)) == ["data"] for name in names)


def test_a_domain_can_be_named_by_its_uuid(libvirt: Libvirt, source: str) -> None:
    uuid = libvirt.ask("define", xml=machine())
    assert libvirt.domain_module(shares=[share(source, domain=uuid)])["changed"]
    assert tags(libvirt.config("vm1")) == ["data"]


@pytest.mark.parametrize("backing", ["memfd", "file", "hugepages"])
def test_each_memory_backing_is_accepted(libvirt: Libvirt, source: str, backing: str) -> None:
    libvirt.ask("define", xml=machine())
    assert not libvirt.domain_module(shares=[share(source)], memory=backing).get("failed")
    assert backing in libvirt.config("vm1")
    assert not libvirt.domain_module(shares=[share(source)], memory=backing)["changed"]


def test_a_numa_cell_as_in_the_original_recipe(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.domain_module(shares=[share(source)], memory="file", numa_cell="always")
    cell = Document(libvirt.config("vm1")).root.find("cpu/numa/cell")
    assert dict(cell.attrib) == {
        "id": "0",
        "cpus": "0-1",
        "memory": "65536",
        "unit": "KiB",
        "memAccess": "shared",
    }
    assert not libvirt.domain_module(shares=[share(source)], memory="file", numa_cell="always")["changed"]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"domain": "vm9"}, "there is no domain vm9"),
        ({"domain": "*"}, "there is no domain *"),
        ({"domain": ""}, "there is no domain ''"),
        ({"domain": "--all\n"}, "there is no domain '--all\\n'"),
        ({"source": "/srv/\udcff"}, "has a character that XML cannot hold"),
        ({"tag": "x" * 37}, "tag: it has 37 bytes"),
        ({"tag": "a\nb"}, "tag: it has a character that cannot be printed"),
        ({"queue": 100}, "queue: it must be a power of two"),
        ({"source": "/nowhere/at/all"}, "the directory /nowhere/at/all does not exist"),
        ({"source": "relative"}, "is not an absolute path"),
        ({"open_files": 1000}, "open_files: it needs libvirt 10.6.0"),
    ],
)
def test_bad_input_changes_nothing(libvirt: Libvirt, source: str, entry: dict[str, Any], sentence: str) -> None:
    libvirt.ask("define", xml=machine())
    before = libvirt.config("vm1")
    result = libvirt.domain_module(shares=[share(source, "good"), {**share(source), **entry}])
    assert result["failed"]
    assert sentence in result["msg"]
    assert result["actions"] == []
    assert libvirt.config("vm1") == before


def test_a_source_that_is_not_there_yet_is_a_warning_in_check_mode(libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.ask("define", xml=machine())
    missing = str(tmp_path / "later")
    result = libvirt.domain_module(shares=[share(missing)], check=True)
    assert result["changed"]
    assert any(missing in warning for warning in result["warnings"])


def test_without_a_daemon_of_libvirt_check_mode_tells_what_it_would_do(libvirt: Libvirt, source: str) -> None:
    arguments = {"shares": [share(source)], "uri": "qemu+unix:///system?socket=/nowhere/libvirt-sock"}
    result = libvirt.domain_module(check=True, **arguments)
    assert result["actions"] == [f"give data ({source}) to domain vm1"]
    assert "cannot connect" in result["warnings"][0]
    assert libvirt.domain_module(**arguments)["failed"]
