# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of virtiofs_domain, compared as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State
from ansible_collections.virtio.fs.plugins.module_utils._domain.plan import plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Directory
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import (
    Define,
    Detach,
    HotPlug,
    Reattach,
    RemoveManagedSave,
    Restart,
    RestartTogether,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.tests.unit.domain_documents import MEMFD, PCIE, PORT, VIRTIOFS, domain_xml
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    BARE,
    SHARED,
    UUID,
    C,
    absent,
    host,
    item,
    kinds,
    options,
    plan_for,
    plan_for_all,
    state,
    with_shares,
)


def _reasons(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(entry["reason"], entry["tags"]) for entry in plan.result["restart_required"]]


def test_without_domains_nothing_is_planned() -> None:
    planned = plan(Wanted((), options()), State((), host()))
    assert (planned.steps, planned.changes, planned.warnings) == ((), (), ())


def test_a_domain_that_is_off_is_defined() -> None:
    assert kinds(plan_for(state(BARE), item())) == [Define]


def test_a_running_domain_with_shared_memory_gets_one_live_and_config_call() -> None:
    (step,) = plan_for(state(SHARED, SHARED), item()).steps
    assert isinstance(step, HotPlug)
    assert (step.tag, step.config) == ("data", True)


def test_a_share_that_waits_in_the_definition_is_attached_live_only() -> None:
    (step,) = plan_for(state(with_shares("data"), SHARED), item()).steps
    assert isinstance(step, HotPlug)
    assert (step.config, "address" in step.xml) == (False, False)


def test_a_domain_that_has_everything_needs_no_step() -> None:
    plan = plan_for(state(with_shares("data"), with_shares("data")), item())
    assert (plan.steps, plan.result["restart_required"]) == ((), [])


@pytest.mark.parametrize(
    ("live", "given", "on", "reason"),
    [
        (BARE, {}, {}, "no_shared_memory"),
        (domain_xml(PCIE, backing=MEMFD), {}, {}, "no_free_port"),
        (SHARED, {}, {"libvirt": (7, 8, 0)}, "libvirt_too_old"),
        (SHARED, {"apply": "config"}, {}, "apply_config"),
        (SHARED, {}, {"driver": "TEST"}, "not_supported"),
    ],
)
def test_what_cannot_be_hot_plugged_waits(live: str, given: dict[str, Any], on: dict[str, Any], reason: str) -> None:
    first = plan_for(state(live, live), item(), on=host(**on), **given)
    assert (kinds(first), _reasons(first)) == ([Define], [(reason, ["data"])])
    second = plan_for(state(with_shares("data"), live), item(), on=host(**on), **given)
    assert (second.steps, _reasons(second)) == ((), [(reason, ["data"])])


def test_each_share_is_judged_by_itself() -> None:
    plan = plan_for(state(SHARED, SHARED), item("a"), item("b"))
    assert kinds(plan) == [Define, HotPlug]
    assert _reasons(plan) == [("no_free_port", ["b"])]


def test_a_detach_frees_a_port_for_an_attach() -> None:
    live = domain_xml(
        PCIE
        + PORT.format(1)
        + VIRTIOFS.format("old", "", "", "<address type='pci' domain='0' bus='0x01' slot='0' function='0'/>"),
        backing=MEMFD,
    )
    plan = plan_for(state(live, live, mounted={"old": False}), item("new"), absent("old"))
    assert kinds(plan) == [Detach, Define, HotPlug]


@pytest.mark.parametrize(
    ("mounted", "item_options", "module_options", "allowed"),
    [
        (False, {}, {}, True),
        (True, {}, {}, False),
        (None, {}, {}, False),
        (True, {}, {"force_detach": True}, True),
        (None, {"guest_unmounted": True}, {}, True),
    ],
)
def test_detaching_asks_whether_it_is_mounted(
    mounted: bool | None, item_options: dict[str, bool], module_options: dict[str, bool], allowed: bool
) -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": mounted})
    if allowed:
        assert kinds(plan_for(domain, absent("data", **item_options), **module_options)) == [Detach, Define]
        return
    with pytest.raises(VirtiofsError, match="share data of domain vm1"):
        plan_for(domain, absent("data", **item_options), **module_options)


def test_the_source_of_a_share_that_leaves_need_not_be_there() -> None:
    leaving = dataclasses.replace(absent("data"), share=Share("data", source="/srv/gone"))
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": False})
    assert kinds(plan_for(domain, leaving, on=host(directories={}))) == [Detach, Define]


def test_with_a_dead_daemon_nothing_is_ever_detached() -> None:
    domain = state(with_shares("data"), with_shares("data"), dead=frozenset({"data"}), mounted={"data": False})
    plan = plan_for(domain, absent("data"), force_detach=True)
    assert (kinds(plan), _reasons(plan)) == ([Define], [("daemon_dead", ["data"])])
    changed = plan_for(domain, item(cache="always"), force_detach=True)
    assert (kinds(changed), _reasons(changed)) == ([Define], [("daemon_dead", ["data"])])


def test_a_changed_share_is_attached_again_when_it_is_not_mounted() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": False})
    reattach, define = plan_for(domain, item(cache="always")).steps
    assert isinstance(reattach, Reattach)
    assert isinstance(define, Define)
    assert "always" in reattach.new_xml
    assert "always" not in reattach.old_xml


def test_a_changed_share_that_is_mounted_waits() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": True})
    assert _reasons(plan_for(domain, item(queue=512))) == [("mounted", ["data"])]


def test_a_restart_goes_back_to_what_ran() -> None:
    plan = plan_for(state(BARE, BARE), item(), apply="restart")
    define, restart = plan.steps
    assert isinstance(define, Define)
    assert isinstance(restart, Restart)
    assert restart.older == (Document(BARE),)
    assert plan.result["restart_required"] == []
    later = plan_for(state(define.xml.text, BARE), item(), apply="restart").steps
    assert [(type(step), step.older) for step in later] == [(Restart, (Document(BARE),))]


def test_nothing_restarts_unasked_or_for_nothing() -> None:
    assert not any(isinstance(step, Restart) for step in plan_for(state(BARE, BARE), item()).steps)
    assert plan_for(state(with_shares("data"), with_shares("data")), item(), apply="restart").steps == ()
    assert kinds(plan_for(state(BARE), item(), apply="restart")) == [Define]


@pytest.mark.parametrize(
    ("keep", "dead", "restarts"),
    [((), (), True), (("vm1",), (), False), ((UUID,), (), False), (("vm2",), (), True), (("vm1",), ("data",), True)],
)
def test_a_domain_that_is_to_go_on_running_is_not_restarted(
    keep: tuple[str, ...], dead: tuple[str, ...], restarts: bool
) -> None:
    bare = with_shares("data").replace("mode='shared'", "mode='private'")
    domain = state(bare, bare, dead=frozenset(dead))
    plan = plan_for(domain, item(), item("more", "/srv/more"), apply="restart", keep_running=keep)
    assert (Restart in kinds(plan)) is restarts
    assert bool(plan.result["restart_required"]) is not restarts


def test_restarts_in_parallel() -> None:
    domains = {f"vm{number}": state(BARE, BARE, name=f"vm{number}", uuid=str(number)) for number in range(3)}
    items = [item(domain=name) for name in domains]
    plan = plan_for_all(domains, items, options(apply="restart", restart_parallel=2), host())
    assert [type(step) for step in plan.steps[3:]] == [RestartTogether, Restart]


def test_exclusive_takes_only_shares_of_ours() -> None:
    nine = "<filesystem type='mount'><source dir='/n'/><target dir='nine'/></filesystem>"
    config = with_shares("data", "other").replace("<filesystem", nine + "<filesystem", 1)
    (step,) = plan_for(state(config), item(), exclusive=True).steps
    assert step.what == "without share other"
    assert "nine" in step.xml.text


_BOOT = VIRTIOFS.format("rootfs", "", "", "<boot order='1'/>")
_SOCKET = (
    "<filesystem type='mount'><driver type='virtiofs'/><source socket='/run/s'/><target dir='rootfs'/></filesystem>"
)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (domain_xml(PCIE + _BOOT, backing=MEMFD), "the domain boots from it (it has a boot order)"),
        (domain_xml(PCIE + _SOCKET, backing=MEMFD), "a daemon that is not libvirt's serves it (a socket)"),
        (
            with_shares("rootfs").replace("</type>", "</type><cmdline>rootfstype=virtiofs root=rootfs rw</cmdline>"),
            "the kernel boots from it (root= of its command line)",
        ),
    ],
    ids=["boot order", "socket", "command line"],
)
def test_exclusive_leaves_what_the_domain_stands_on(config: str, why: str) -> None:
    config = config.replace("</devices>", VIRTIOFS.format("other", "", "", "") + "</devices>")
    for domain in (state(config), state(config, config, mounted={"other": False, "rootfs": False})):
        plan = plan_for(domain, exclusive=True, domains=("vm1",))
        assert {step.tag for step in plan.steps if isinstance(step, Detach)} <= {"other"}
        (define,) = [step for step in plan.steps if isinstance(step, Define)]
        assert define.what == "without share other"
        assert '<target dir="rootfs"/>' in define.xml.text
        assert plan.warnings == (
            f"domain vm1 keeps the share rootfs although no item names it: {why} "
            "(exclusive_system: true takes it away as well)",
        )
    taken = plan_for(state(config), exclusive=True, exclusive_system=True, domains=("vm1",))
    assert [step.what for step in taken.steps] == ["without share rootfs, without share other"]
    pruned = plan_for(state(config), absent("rootfs", unlisted=True), absent("other", unlisted=True))
    assert [step.what for step in pruned.steps] == ["without share other"]
    assert pruned.warnings == plan.warnings
    assert (pruned.result["domains"][0]["kept"], pruned.result["domains"][0]["config"]) == (["rootfs"], ["other"])
    meant = plan_for(state(config), absent("rootfs", unlisted=True), exclusive_system=True)
    assert [step.what for step in meant.steps] == ["without share rootfs"]
    named = plan_for(state(config), absent("rootfs"), exclusive=True)
    assert '<target dir="rootfs"/>' not in named.steps[0].xml.text
    assert named.warnings == ()


def test_an_option_that_is_left_out_is_no_difference() -> None:
    there = "<binary path='/x' xattr='on'><cache mode='always'/></binary>"
    assert plan_for(state(with_shares("data", options=there)), item()).steps == ()
    assert plan_for(state(with_shares("data")), item(cache="auto", xattr=False, queue=128, readonly=False)).steps == ()


def test_what_libvirt_fills_in_is_no_difference() -> None:
    live = with_shares("data", options="<binary path='/usr/libexec/virtiofsd'/>")
    assert plan_for(state(with_shares("data"), live), item()).steps == ()


def test_a_tag_of_another_filesystem() -> None:
    nine = "<filesystem type='mount'><source dir='/n'/><target dir='data'/></filesystem>"
    with pytest.raises(VirtiofsError, match="another type"):
        plan_for(state(domain_xml(nine)), item())


@pytest.mark.parametrize(
    ("share", "on", "sentence"),
    [
        ({"sandbox": "chroot"}, {"libvirt": (7, 1, 0)}, "sandbox: it needs libvirt 7.2.0, this is 7.1.0"),
        ({"thread_pool": 4}, {"libvirt": (8, 4, 0)}, "thread_pool: it needs libvirt 8.5.0"),
        ({"open_files": 9}, {"libvirt": (10, 5, 0)}, "open_files: it needs libvirt 10.6.0"),
        ({"open_files": 9}, {"virtiofsd": C}, "open_files: it needs the Rust virtiofsd"),
        ({"lock_posix": True}, {}, "lock_posix: virtiofsd 1.13.2 has no locks shared"),
        ({}, {"libvirt": (6, 1, 0)}, "has no virtiofs, 6.2.0 has"),
        ({}, {"has_device": False}, "has no virtiofs device; QEMU 5.0 has"),
        ({"idmap": IdMap(uid=(IdRange(0, 100000, 65536),))}, {}, "idmap: virtiofsd runs as root here"),
        ({"idmap": IdMap(uid=(IdRange(0, 100000, 65536),))}, {"libvirt": (9, 0, 0)}, "idmap: it needs libvirt 10.0.0"),
    ],
)
def test_what_this_host_cannot_do_is_refused_by_name(share: dict[str, Any], on: dict[str, Any], sentence: str) -> None:
    with pytest.raises(VirtiofsError, match=f"share data of domain vm1(, |: ).*{sentence}"):
        plan_for(state(BARE), item(**share), on=host(**on))


def test_without_a_daemon_or_a_source_a_first_run_goes_on_in_check_mode() -> None:
    plan = plan_for(state(BARE), item(), on=host(virtiofsd=None, directories={"/srv/data": Directory(exists=False)}))
    assert kinds(plan) == [Define]
    assert ["does not exist" in plan.not_yet[0], "no virtiofsd" in plan.not_yet[1]] == [True, True]


def test_a_program_that_is_still_to_be_written_is_not_yet_there() -> None:
    (sentence,) = plan_for(state(BARE), item(binary="/usr/sbin/virtiofsd-map-1")).not_yet
    assert sentence == "share data of domain vm1, binary: /usr/sbin/virtiofsd-map-1 is not a virtiofsd that can be run"


def test_users_are_mapped_by_libvirt_where_the_daemon_is_not_root() -> None:
    wish = item(idmap=IdMap(uid=(IdRange(0, 1000, 1),)))
    assert kinds(plan_for(state(BARE), wish, on=host(uri="qemu:///session"))) == [Define]


def test_a_transient_domain() -> None:
    with pytest.raises(VirtiofsError, match="transient"):
        plan_for(state(BARE, BARE, persistent=False), item())


def test_a_managed_save_image() -> None:
    with pytest.raises(VirtiofsError, match="vm1 has a managed save image"):
        plan_for(state(BARE, managed_save=True), item())
    plan = plan_for(state(BARE, managed_save=True), item(), remove_managed_save=True)
    assert kinds(plan) == [RemoveManagedSave, Define]
    assert plan_for(state(with_shares("data"), managed_save=True), item()).steps == ()


def test_a_running_share_becomes_read_only_by_detach_and_attach() -> None:
    domain = state(with_shares("data"), with_shares("data"), mounted={"data": False})
    for on in (host(), host(libvirt=(9, 0, 0))):
        steps = kinds(plan_for(domain, item(readonly=True), on=on))
        assert steps[-2:] == [Reattach, Define]


def test_a_name_that_the_user_gave_a_device_stays() -> None:
    named = with_shares("data").replace(
        "<alias name='data'/>", "<alias name='ua-mine'/><address type='pci' bus='0x01'/>"
    )
    (attach,) = plan_for(state(named, SHARED), item()).steps
    assert ("ua-mine" in attach.xml, "address" in attach.xml) == (True, False)
    domain = state(named, named, mounted={"data": False})
    again = plan_for(domain, item(cache="always")).steps[0]
    assert "ua-mine" in again.old_xml
    assert "ua-mine" in again.new_xml


@pytest.mark.parametrize("where", ["definition", "machine"])
def test_a_share_that_somebody_elses_daemon_serves_is_left_alone(where: str) -> None:
    served = with_shares("data").replace("<source dir='/srv/data'/>", "<source socket='/run/other.sock'/>")
    documents = {"definition": (served, None), "machine": (with_shares("data"), served)}[where]
    with pytest.raises(VirtiofsError, match="served through a socket"):
        plan_for(state(*documents), item(), force_detach=True)


def test_no_step_shows_a_secret() -> None:
    secret = domain_xml("<graphics type='vnc' passwd='s3cret'/>")
    plan = plan_for(state(secret, secret), item(), apply="restart")
    assert "s3cret" not in repr(plan)
