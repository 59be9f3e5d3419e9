# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of virtiofs_domain, compared as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain import plan as domain_plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.readonly_bind import MakeBind, RemoveBind, path_for
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Bind, Directory, Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import (
    AttachLive,
    Define,
    DetachLive,
    Reattach,
    RemoveManagedSave,
    Restart,
    RestartTogether,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Options, Wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.tests.unit.domain_documents import _MEMFD, _PCIE, _PORT, _VIRTIOFS, _domain
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import UUID, C, absent, host, item, options, state

_BARE = _domain(_PCIE + _PORT.format(1))
_SHARED = _domain(_PCIE + _PORT.format(1), backing=_MEMFD)


def _with(*tags: str, options: str = "") -> str:
    shares = "".join(_VIRTIOFS.format(tag, "", options, f"<alias name='{tag}'/>") for tag in tags)
    return _domain(_PCIE + _PORT.format(1) + shares, backing=_MEMFD)


def _plan(domain: Any, *items: Any, on: Any = None, **given: Any) -> Plan:
    return _plan_all({"vm1": domain}, items, options(**given), on or host())


def _plan_all(states: dict[str, Any], items: Any, chosen: Options, on: Host) -> Plan:
    asked = Wanted(tuple(items), chosen)
    return domain_plan.plan(asked, State(by_domain(states, items, chosen, on), on))


def _kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.steps]


def _reasons(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(entry["reason"], entry["tags"]) for entry in plan.result["restart_required"]]


def test_a_domain_that_is_off_is_defined() -> None:
    assert _kinds(_plan(state(_BARE), item())) == [Define]


def test_a_running_domain_with_shared_memory_gets_one_live_and_config_call() -> None:
    (step,) = _plan(state(_SHARED, _SHARED), item()).steps
    assert isinstance(step, AttachLive)
    assert (step.tag, step.config) == ("data", True)


def test_a_share_that_waits_in_the_definition_is_attached_live_only() -> None:
    (step,) = _plan(state(_with("data"), _SHARED), item()).steps
    assert isinstance(step, AttachLive)
    assert (step.config, "address" in step.xml) == (False, False)


def test_a_domain_that_has_everything_needs_no_step() -> None:
    plan = _plan(state(_with("data"), _with("data")), item())
    assert (plan.steps, plan.result["restart_required"]) == ((), [])


@pytest.mark.parametrize(
    ("live", "given", "on", "reason"),
    [
        (_BARE, {}, {}, "no_shared_memory"),
        (_domain(_PCIE, backing=_MEMFD), {}, {}, "no_free_port"),
        (_SHARED, {}, {"libvirt": (7, 8, 0)}, "libvirt_too_old"),
        (_SHARED, {"apply": "config"}, {}, "apply_config"),
        (_SHARED, {}, {"driver": "TEST"}, "not_supported"),
    ],
)
def test_what_cannot_be_hot_plugged_waits(live: str, given: dict[str, Any], on: dict[str, Any], reason: str) -> None:
    first = _plan(state(live, live), item(), on=host(**on), **given)
    assert (_kinds(first), _reasons(first)) == ([Define], [(reason, ["data"])])
    second = _plan(state(_with("data"), live), item(), on=host(**on), **given)
    assert (second.steps, _reasons(second)) == ((), [(reason, ["data"])])


def test_each_share_is_judged_by_itself() -> None:
    plan = _plan(state(_SHARED, _SHARED), item("a"), item("b"))
    assert _kinds(plan) == [Define, AttachLive]
    assert _reasons(plan) == [("no_free_port", ["b"])]


def test_a_detach_frees_a_port_for_an_attach() -> None:
    live = _domain(
        _PCIE
        + _PORT.format(1)
        + _VIRTIOFS.format("old", "", "", "<address type='pci' domain='0' bus='0x01' slot='0' function='0'/>"),
        backing=_MEMFD,
    )
    plan = _plan(state(live, live, mounted={"old": False}), item("new"), absent("old"))
    assert _kinds(plan) == [DetachLive, Define, AttachLive]


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
    domain = state(_with("data"), _with("data"), mounted={"data": mounted})
    if allowed:
        assert _kinds(_plan(domain, absent("data", **item_options), **module_options)) == [DetachLive, Define]
        return
    with pytest.raises(VirtiofsError, match="share data of domain vm1"):
        _plan(domain, absent("data", **item_options), **module_options)


def test_the_source_of_a_share_that_leaves_need_not_be_there() -> None:
    leaving = dataclasses.replace(absent("data"), share=Share("data", source="/srv/gone"))
    domain = state(_with("data"), _with("data"), mounted={"data": False})
    assert _kinds(_plan(domain, leaving, on=host(directories={}))) == [DetachLive, Define]


def test_with_a_dead_daemon_nothing_is_ever_detached() -> None:
    domain = state(_with("data"), _with("data"), dead=frozenset({"data"}), mounted={"data": False})
    plan = _plan(domain, absent("data"), force_detach=True)
    assert (_kinds(plan), _reasons(plan)) == ([Define], [("daemon_dead", ["data"])])
    changed = _plan(domain, item(cache="always"), force_detach=True)
    assert (_kinds(changed), _reasons(changed)) == ([Define], [("daemon_dead", ["data"])])


def test_a_changed_share_is_attached_again_when_it_is_not_mounted() -> None:
    domain = state(_with("data"), _with("data"), mounted={"data": False})
    reattach, define = _plan(domain, item(cache="always")).steps
    assert isinstance(reattach, Reattach)
    assert isinstance(define, Define)
    assert "always" in reattach.new_xml
    assert "always" not in reattach.old_xml


def test_a_changed_share_that_is_mounted_waits() -> None:
    domain = state(_with("data"), _with("data"), mounted={"data": True})
    assert _reasons(_plan(domain, item(queue=512))) == [("mounted", ["data"])]


def test_a_restart_goes_back_to_what_ran() -> None:
    plan = _plan(state(_BARE, _BARE), item(), apply="restart")
    define, restart = plan.steps
    assert isinstance(define, Define)
    assert isinstance(restart, Restart)
    assert restart.older == (Document(_BARE),)
    assert plan.result["restart_required"] == []
    later = _plan(state(define.xml.text, _BARE), item(), apply="restart").steps
    assert [(type(step), step.older) for step in later] == [(Restart, (Document(_BARE),))]


def test_nothing_restarts_unasked_or_for_nothing() -> None:
    assert not any(isinstance(step, Restart) for step in _plan(state(_BARE, _BARE), item()).steps)
    assert _plan(state(_with("data"), _with("data")), item(), apply="restart").steps == ()
    assert _kinds(_plan(state(_BARE), item(), apply="restart")) == [Define]


def test_restarts_in_parallel() -> None:
    domains = {f"vm{number}": state(_BARE, _BARE, name=f"vm{number}", uuid=str(number)) for number in range(3)}
    items = [item(domain=name) for name in domains]
    plan = _plan_all(domains, items, options(apply="restart", restart_parallel=2), host())
    assert [type(step) for step in plan.steps[3:]] == [RestartTogether, Restart]


def test_exclusive_takes_only_shares_of_ours() -> None:
    nine = "<filesystem type='mount'><source dir='/n'/><target dir='nine'/></filesystem>"
    config = _with("data", "other").replace("<filesystem", nine + "<filesystem", 1)
    (step,) = _plan(state(config), item(), exclusive=True).steps
    assert step.what == "without share other"
    assert "nine" in step.xml.text


_BOOT = _VIRTIOFS.format("rootfs", "", "", "<boot order='1'/>")
_SOCKET = (
    "<filesystem type='mount'><driver type='virtiofs'/><source socket='/run/s'/><target dir='rootfs'/></filesystem>"
)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (_domain(_PCIE + _BOOT, backing=_MEMFD), "the domain boots from it (it has a boot order)"),
        (_domain(_PCIE + _SOCKET, backing=_MEMFD), "a daemon that is not libvirt's serves it (a socket)"),
        (
            _with("rootfs").replace("</type>", "</type><cmdline>rootfstype=virtiofs root=rootfs rw</cmdline>"),
            "the kernel boots from it (root= of its command line)",
        ),
    ],
    ids=["boot order", "socket", "command line"],
)
def test_exclusive_leaves_what_the_domain_stands_on(config: str, why: str) -> None:
    config = config.replace("</devices>", _VIRTIOFS.format("other", "", "", "") + "</devices>")
    for domain in (state(config), state(config, config, mounted={"other": False, "rootfs": False})):
        plan = _plan(domain, exclusive=True, domains=("vm1",))
        assert {step.tag for step in plan.steps if isinstance(step, DetachLive)} <= {"other"}
        (define,) = [step for step in plan.steps if isinstance(step, Define)]
        assert define.what == "without share other"
        assert '<target dir="rootfs"/>' in define.xml.text
        assert plan.warnings == (
            f"domain vm1 keeps the share rootfs although no item names it: {why} "
            "(exclusive_system: true takes it away as well)",
        )
    taken = _plan(state(config), exclusive=True, exclusive_system=True, domains=("vm1",))
    assert [step.what for step in taken.steps] == ["without share rootfs, without share other"]
    named = _plan(state(config), absent("rootfs"), exclusive=True)
    assert '<target dir="rootfs"/>' not in named.steps[0].xml.text
    assert named.warnings == ()


def test_an_option_that_is_left_out_is_no_difference() -> None:
    there = "<binary path='/x' xattr='on'><cache mode='always'/></binary>"
    assert _plan(state(_with("data", options=there)), item()).steps == ()
    assert _plan(state(_with("data")), item(cache="auto", xattr=False, queue=128, readonly=False)).steps == ()


def test_what_libvirt_fills_in_is_no_difference() -> None:
    live = _with("data", options="<binary path='/usr/libexec/virtiofsd'/>")
    assert _plan(state(_with("data"), live), item()).steps == ()


def test_the_same_tag_twice() -> None:
    domain = state(_BARE)
    with pytest.raises(VirtiofsError, match="listed twice"):
        _plan_all({"vm1": domain, UUID: domain}, [item(), item(domain=UUID)], options(), host())


def test_a_tag_of_another_filesystem() -> None:
    nine = "<filesystem type='mount'><source dir='/n'/><target dir='data'/></filesystem>"
    with pytest.raises(VirtiofsError, match="another type"):
        _plan(state(_domain(nine)), item())


@pytest.mark.parametrize(
    ("share", "on", "sentence"),
    [
        ({"sandbox": "chroot"}, {"libvirt": (7, 1, 0)}, "sandbox needs libvirt 7.2.0, this is 7.1.0"),
        ({"thread_pool": 4}, {"libvirt": (8, 4, 0)}, "thread_pool needs libvirt 8.5.0"),
        ({"open_files": 9}, {"libvirt": (10, 5, 0)}, "open_files needs libvirt 10.6.0"),
        ({"open_files": 9}, {"virtiofsd": C}, "open_files needs the Rust virtiofsd"),
        ({"lock_posix": True}, {}, "lock_posix: virtiofsd 1.13.2 has no locks shared"),
        ({}, {"libvirt": (6, 1, 0)}, "has no virtiofs, 6.2.0 has"),
        ({}, {"has_device": False}, "has no virtiofs device; QEMU 5.0 has"),
        ({"idmap": IdMap(uid=(IdRange(0, 100000, 65536),))}, {}, "idmap: virtiofsd runs as root here"),
        ({"idmap": IdMap(uid=(IdRange(0, 100000, 65536),))}, {"libvirt": (9, 0, 0)}, "idmap needs libvirt 10.0.0"),
    ],
)
def test_what_this_host_cannot_do_is_refused_by_name(share: dict[str, Any], on: dict[str, Any], sentence: str) -> None:
    with pytest.raises(VirtiofsError, match=f"share data of domain vm1: .*{sentence}"):
        _plan(state(_BARE), item(**share), on=host(**on))


def test_without_a_daemon_or_a_source_a_first_run_goes_on_in_check_mode() -> None:
    plan = _plan(state(_BARE), item(), on=host(virtiofsd=None, directories={"/srv/data": Directory(exists=False)}))
    assert _kinds(plan) == [Define]
    assert ["does not exist" in plan.not_yet[0], "no virtiofsd" in plan.not_yet[1]] == [True, True]


def test_a_program_that_is_still_to_be_written_is_not_yet_there() -> None:
    (sentence,) = _plan(state(_BARE), item(binary="/usr/sbin/virtiofsd-map-1")).not_yet
    assert sentence == "share data of domain vm1: binary: /usr/sbin/virtiofsd-map-1 is not a virtiofsd that can be run"


def test_users_are_mapped_by_libvirt_where_the_daemon_is_not_root() -> None:
    wish = item(idmap=IdMap(uid=(IdRange(0, 1000, 1),)))
    assert _kinds(_plan(state(_BARE), wish, on=host(uri="qemu:///session"))) == [Define]


def test_a_transient_domain() -> None:
    with pytest.raises(VirtiofsError, match="transient"):
        _plan(state(_BARE, _BARE, persistent=False), item())


def test_a_managed_save_image() -> None:
    with pytest.raises(VirtiofsError, match="vm1 has a managed save image"):
        _plan(state(_BARE, managed_save=True), item())
    plan = _plan(state(_BARE, managed_save=True), item(), remove_managed_save=True)
    assert _kinds(plan) == [RemoveManagedSave, Define]
    assert _plan(state(_with("data"), managed_save=True), item()).steps == ()


def test_read_only_is_enforced_by_libvirt_where_it_can() -> None:
    (step,) = _plan(state(_BARE), item(readonly=True)).steps
    assert "<readonly" in step.xml.text


@pytest.mark.parametrize("on", [{"libvirt": (10, 10, 0)}, {"libvirt": (6, 2, 0), "virtiofsd": C}])
def test_read_only_is_a_bind_mount_elsewhere(on: dict[str, Any]) -> None:
    bind, define = _plan(state(_BARE), item(readonly=True), on=host(**on)).steps
    path = path_for(UUID, "data", "/srv/data")
    assert bind == MakeBind("/srv/data", path, "/etc/fstab")
    assert path in define.xml.text
    assert "<readonly" not in define.xml.text


def test_a_bind_mount_stays_until_the_share_changes_otherwise() -> None:
    path = path_for(UUID, "data", "/srv/data")
    config = _with("data").replace("/srv/data", path)
    on = host(binds={path: Bind(path, "/srv/data")})
    assert _plan(state(config), item(readonly=True), on=on).steps == ()
    assert _plan(state(config), item(), on=on).steps == ()
    define, remove = _plan(state(config), item(readonly=True, cache="always"), on=on).steps
    assert "<readonly" in define.xml.text
    assert remove == RemoveBind(path, "/etc/fstab")


def test_what_is_mounted_below_the_source_is_not_in_a_read_only_bind_mount() -> None:
    sources = {"/srv/data": Directory(submounts=("/srv/data/disk",))}
    on = host(libvirt=(9, 0, 0), directories=sources)
    said = "/srv/data/disk below /srv/data is another filesystem, which a read-only share does not have here"
    for domain in (state(_BARE), state(_with("data"))):
        first = _plan(domain, item(readonly=True), on=on)
        assert [said in warning for warning in first.warnings if "/srv/data/disk" in warning] == [True]
    # Said once, and not where everything is shared.
    path = path_for(UUID, "data", "/srv/data")
    bound = host(libvirt=(9, 0, 0), directories=sources, binds={path: Bind(path, "/srv/data")})
    assert _plan(state(_with("data").replace("/srv/data", path)), item(readonly=True), on=bound).warnings == ()
    assert [w for w in _plan(state(_BARE), item(), on=on).warnings if "/srv/data/disk" in w] == []


def test_a_running_share_becomes_read_only_by_detach_and_attach() -> None:
    domain = state(_with("data"), _with("data"), mounted={"data": False})
    for on in (host(), host(libvirt=(9, 0, 0))):
        kinds = _kinds(_plan(domain, item(readonly=True), on=on))
        assert kinds[-2:] == [Reattach, Define]


def test_a_name_that_the_user_gave_a_device_stays() -> None:
    named = _with("data").replace("<alias name='data'/>", "<alias name='ua-mine'/><address type='pci' bus='0x01'/>")
    (attach,) = _plan(state(named, _SHARED), item()).steps
    assert ("ua-mine" in attach.xml, "address" in attach.xml) == (True, False)
    domain = state(named, named, mounted={"data": False})
    again = _plan(domain, item(cache="always")).steps[0]
    assert "ua-mine" in again.old_xml
    assert "ua-mine" in again.new_xml


@pytest.mark.parametrize("where", ["definition", "machine"])
def test_a_share_that_somebody_elses_daemon_serves_is_left_alone(where: str) -> None:
    served = _with("data").replace("<source dir='/srv/data'/>", "<source socket='/run/other.sock'/>")
    documents = {"definition": (served, None), "machine": (_with("data"), served)}[where]
    with pytest.raises(VirtiofsError, match="served through a socket"):
        _plan(state(*documents), item(), force_detach=True)


@pytest.mark.parametrize(("libvirt", "warned"), [((9, 0, 0), 1), ((10, 4, 0), 1), ((10, 5, 0), 0), ((11, 3, 0), 0)])
def test_what_a_first_share_costs_is_said_before_libvirt_10_5(libvirt: tuple[int, int, int], warned: int) -> None:
    def said(config: str) -> list[str]:
        return [each for each in _plan(state(config), item(), on=host(libvirt=libvirt)).warnings if "migration" in each]

    assert len(said(_BARE)) == warned
    assert all("managed save and suspending guests" in each for each in said(_BARE))
    # The second share costs nothing more.
    assert said(_with("other")) == []


@pytest.mark.parametrize(
    ("there", "given", "sentence"),
    [
        (_BARE, {}, "/srv/data is shared with vm1, vm2: file locks of one guest are not seen by the others."),
        (_with("data"), {}, "/srv/data is shared with vm1, vm2: file locks of one guest are not seen by the others."),
        (_BARE, {"cache": "always"}, "cache=always makes a guest miss what the others write."),
        (_BARE, {"readonly": True}, None),
    ],
    ids=["both are new", "the second is new", "cache=always", "nobody writes"],
)
def test_a_source_that_a_second_domain_gets(there: str, given: dict[str, Any], sentence: str | None) -> None:
    domains = {"vm1": state(there), "vm2": state(_BARE, name="vm2", uuid="2")}
    items = [item(domain="vm1", **given), item(domain="vm2", source="/srv//data/", **given)]
    warned = [each for each in _plan_all(domains, items, options(), host()).warnings if "is shared with" in each]
    assert len(warned) == (sentence is not None)
    assert sentence is None or sentence in warned[0]


def test_no_step_shows_a_secret() -> None:
    secret = _domain("<graphics type='vnc' passwd='s3cret'/>")
    plan = _plan(state(secret, secret), item(), apply="restart")
    assert "s3cret" not in repr(plan)
