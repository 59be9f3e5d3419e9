# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a problem, and where it is said to be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._info.problems import problems
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, MemoryDirectory, State
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import (
    NEW,
    OLD,
    document,
    domain,
    facts,
    filesystem,
    source,
)

DATA = document(filesystem("data"))
BY_FILE = "<memoryBacking><access mode='shared'/></memoryBacking>"


def found(state: State) -> list[tuple[str, str]]:
    return [(problem["what"], problem["where"]) for problem in problems(state)]


def sentence(state: State) -> str:
    (problem,) = problems(state)
    return str(problem["message"])


def well() -> State:
    share = source("/shared/data", "/shared/data")
    return facts(domain(DATA, DATA, mounts={"data": "/mnt"}), sources=(share,))


def with_daemon(daemon: Daemon) -> State:
    state = well()
    return dataclasses.replace(state, domains=(dataclasses.replace(state.domains[0], daemons=(daemon,)),))


def test_nothing_is_wrong_with_what_is_well():
    assert problems(well()) == []


def test_every_problem_says_what_where_why_and_what_to_do():
    state = facts(domain(DATA, DATA, dead=("data",)), host=dataclasses.replace(OLD, virtiofsd=None))
    for problem in problems(state):
        assert list(problem) == ["what", "where", "message", "remedy"]
        assert all(problem.values())


def test_a_dead_daemon_comes_first():
    state = facts(domain(DATA, DATA, dead=("data",), mounts={"data": "/mnt"}), host=OLD)
    assert found(state) == [("daemon_dead", "domain vm1, share data"), ("migration_blocked", "domain vm1")]


@pytest.mark.parametrize(
    ("serves", "stale"),
    [(("8:1", "/"), False), (("8:2", "/"), True), (("8:1", "/other"), True), (None, False)],
    ids=["the same", "another filesystem", "another directory", "nobody can see it"],
)
def test_a_daemon_that_serves_something_else_is_stale(serves: tuple[str, str] | None, stale: bool):
    state = with_daemon(Daemon("data", pid=7, serves=serves))
    assert ("stale_mount", "domain vm1, share data") in found(state) or not stale
    assert (problems(state) == []) is not stale


def test_a_directory_inside_a_mounted_filesystem_is_not_stale():
    below = source("/shared/data", "/shared")
    daemon = Daemon("data", pid=7, serves=("8:1", "/data"))
    state = dataclasses.replace(with_daemon(daemon), sources={below.path: below})
    assert problems(state) == []


@pytest.mark.parametrize(
    ("limit", "used", "where"),
    [
        (1024, 3, ["hypervisor"]),
        (1024, 1000, ["hypervisor", "domain vm1, share data"]),
        (10**6, 10**6 - 5, ["domain vm1, share data"]),
        (10**6, 30, []),
    ],
)
def test_few_files_left_is_a_problem(limit: int, used: int, where: list[str]):
    state = with_daemon(Daemon("data", pid=7, files_limit=limit, files_open=used))
    assert found(state) == [("open_files_low", each) for each in where]


def test_a_limit_that_somebody_set_is_low_only_when_it_is_nearly_used_up():
    data = document(filesystem("data", more="<binary><openfiles max='1024'/></binary>"))
    for used, where in ((3, []), (1000, ["domain vm1, share data"])):
        daemon = Daemon("data", pid=7, files_limit=1024, files_open=used)
        state = facts(domain(data, data, mounts={"data": "/mnt"}, daemons=(daemon,)))
        assert found(state) == [("open_files_low", each) for each in where]


def test_the_limit_of_all_daemons_is_told_once():
    data = document(filesystem("a"), filesystem("b"), filesystem("c"))
    daemons = tuple(Daemon(tag, pid=7, files_limit=20_000, files_open=20) for tag in "abc")
    state = facts(domain(data, data, mounts=dict.fromkeys("abc", "/mnt"), daemons=daemons))
    assert [each["message"] for each in problems(state) if each["what"] == "open_files_low"] == [
        "the virtiofsd of 3 shares may have no more than 20000 files open, fewer than the 1000000 that it asks for"
    ]


def test_no_daemon_is_a_problem_of_the_hypervisor():
    assert found(facts(host=dataclasses.replace(NEW, virtiofsd=None))) == [("daemon_missing", "hypervisor")]


def test_a_daemon_of_its_own_that_is_not_there_is_a_problem_of_the_share():
    config = document(filesystem("data", more="<binary path='/opt/virtiofsd'/>"))
    host = dataclasses.replace(NEW, binaries={"/opt/virtiofsd": None})
    assert found(facts(domain(config), host=host)) == [("daemon_missing", "domain vm1, share data")]


def test_versions_without_virtiofs_are_a_problem():
    assert found(facts(host=dataclasses.replace(NEW, libvirt=(6, 1, 0)))) == [("hypervisor_too_old", "hypervisor")]


def test_another_driver_has_neither_daemon_nor_version():
    assert found(facts(host=dataclasses.replace(OLD, driver="TEST", virtiofsd=None))) == []


def test_shares_without_shared_memory_cannot_start():
    assert found(facts(domain(document(filesystem("data"), memory="")))) == [("memory_not_shared", "domain vm1")]


def test_what_only_one_of_definition_and_machine_has_is_drift():
    config, live = document(filesystem("new")), document(filesystem("old"))
    state = facts(domain(config, live, mounts={"old": "/mnt"}))
    assert found(state) == [("drift", "domain vm1, share new"), ("drift", "domain vm1, share old")]


def test_the_remedy_of_drift_is_a_restart_only_where_it_takes_one():
    config, bare = document(filesystem("data")), document(memory="")
    assert "needs no restart" in problems(facts(domain(config, document(), mounts={})))[0]["remedy"]
    assert "its running memory is not shared" in problems(facts(domain(config, bare, mounts={})))[0]["remedy"]


def test_an_option_that_runs_otherwise_is_drift():
    config = document(filesystem("data", more="<binary><cache mode='always'/></binary>"))
    live = document(filesystem("data", more="<binary path='/usr/libexec/virtiofsd'><cache mode='none'/></binary>"))
    state = facts(domain(config, live, mounts={"data": "/mnt"}))
    assert sentence(state) == "it runs with cache different from its definition"


def test_a_guest_that_does_not_mount_is_told_only_where_it_is_known():
    assert found(facts(domain(DATA, DATA, mounts={}))) == [("not_mounted_in_guest", "domain vm1, share data")]
    assert found(facts(domain(DATA, DATA, mounts=None))) == []


def test_a_mount_left_behind_in_the_guest_is_a_problem():
    assert found(facts(domain(document(), document(), mounts={"gone": "/mnt"}))) == [
        ("left_mounted_in_guest", "domain vm1, share gone")
    ]


def test_a_share_whose_filesystem_is_not_mounted_is_a_problem():
    state = facts(domain(DATA), sources=(source("/shared/data", unmounted="/shared/data"),))
    assert found(state) == [("source_unmounted", "/shared/data (share data)")]


def test_a_missing_directory_is_a_problem():
    state = facts(domain(DATA), sources=(source("/shared/data", exists=False),))
    assert found(state) == [("source_missing", "/shared/data (share data)")]


def test_a_filesystem_of_its_own_must_be_mounted_without_set_uid_and_devices():
    state = facts(domain(DATA), sources=(source("/shared/data", "/shared/data", options="rw,nodev"),))
    assert found(state) == [("mount_not_hardened", "/shared/data (share data)")]
    assert "without nosuid:" in sentence(state)


def test_the_root_filesystem_cannot_be_hardened_so_its_directory_must_be_sheltered():
    bare = source("/srv/data", "/", options="rw")
    state = facts(domain(document(filesystem("data", "/srv/data"))), sources=(bare,))
    assert found(state) == []
    open_to_all = dataclasses.replace(bare, sheltered=False)
    state = dataclasses.replace(state, sources={open_to_all.path: open_to_all})
    assert found(state) == [("parent_open", "/srv/data (share data)")]


def test_nothing_can_be_planted_through_a_readonly_share():
    config = document(filesystem("data", more="<readonly/>"))
    open_to_all = source("/shared/data", "/shared/data", options="rw", sheltered=False)
    assert found(facts(domain(config), sources=(open_to_all,))) == []


def test_what_was_not_asked_is_no_problem():
    config = document(filesystem("data"))
    unknown = dataclasses.replace(source("/shared/data"), exists=None, mount=None, sheltered=None)
    assert found(facts(domain(config), sources=(unknown,))) == []


def test_migration_is_blocked_until_everything_can():
    state = facts(domain(DATA, DATA, mounts={"data": "/mnt"}), host=OLD)
    assert found(state) == [("migration_blocked", "domain vm1")]
    (problem,) = problems(state)
    assert "libvirt 10.5.0 (this is 9.0.0)" in problem["remedy"]
    assert "virtiofsd 1.11 (this is the C virtiofsd" in problem["remedy"]


def test_memory_files_must_fit_all_together():
    two = (domain(document(memory=BY_FILE, mib=1024)), domain(document(memory=BY_FILE, mib=1024), name="vm2"))
    small = facts(*two, memory_directory=MemoryDirectory("/ram", 2 * 1024**3 - 1))
    assert found(small) == [("memory_directory_small", "hypervisor")]
    assert "vm1, vm2 keep their memory in files, 2.0 GiB" in sentence(small)
    assert found(dataclasses.replace(small, memory_directory=MemoryDirectory("/ram", 2 * 1024**3))) == []


def test_memory_that_is_no_file_needs_no_room():
    assert found(facts(domain(document(mib=1024)), memory_directory=MemoryDirectory("/ram", 0))) == []


@pytest.mark.parametrize(
    ("starts_again", "host", "told"), [(False, NEW, 1), (True, NEW, 0), (None, NEW, 0), (False, OLD, 0)]
)
def test_a_save_that_may_not_start_is_told_where_saves_are_possible(starts_again: bool | None, host: Any, told: int):
    daemon = Daemon("data", pid=7, files_limit=10**6, starts_again=starts_again)
    state = dataclasses.replace(with_daemon(daemon), host=host)
    assert [what for what, _where in found(state)].count("save_may_not_start") == told


@pytest.mark.parametrize(
    ("uri", "version", "told"),
    [
        ("qemu:///session", (11, 2, 0), True),
        ("qemu:///session", (11, 1, 0), False),
        ("qemu:///system", (11, 3, 0), False),
    ],
)
def test_a_user_is_told_that_running_domains_are_saved_at_logout(uri: str, version: Any, told: bool):
    daemon = Daemon("data", pid=7, files_limit=10**6, starts_again=False)
    on = dataclasses.replace(NEW, uri=uri, libvirt=version)
    (problem,) = [
        each
        for each in problems(dataclasses.replace(with_daemon(daemon), host=on))
        if each["what"] == "save_may_not_start"
    ]
    assert ("saves running domains at logout" in problem["remedy"]) is told


def test_a_domain_that_is_saved_with_shares_is_told_with_its_tags_and_the_time():
    saved = domain(document(filesystem("a"), filesystem("b")), saved="1970-01-01 00:00 UTC")
    saved = dataclasses.replace(saved, state=dataclasses.replace(saved.state, managed_save=True))
    (problem,) = [each for each in problems(facts(saved)) if each["what"] == "saved_with_shares"]
    assert problem["message"].startswith("it is saved since 1970-01-01 00:00 UTC with its shares (a, b): ")
    bare = dataclasses.replace(domain(document()), state=dataclasses.replace(saved.state, config=document()))
    assert "saved_with_shares" not in dict(found(facts(bare)))
