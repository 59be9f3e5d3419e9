# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that only virtiofsd itself can be told: they become the share's binary, and nothing that is set is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Found, Script
from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import RemoveScript, WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._domain import daemon_script, plan
from ansible_collections.virtio.fs.plugins.module_utils._domain.by_domain import State, by_domain
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.steps import Define
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Wanted, check_items
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import UserPair
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import (
    Binaries,
    DomainState,
)
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import Plan
from ansible_collections.virtio.fs.plugins.module_utils._virtiofsd import Virtiofsd
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    RUST,
    UUID,
    C,
    absent,
    host,
    item,
    options,
    state,
    with_shares,
)

ALICE = (UserPair(1000, "alice"),)
DIRECTORY = "/usr/sbin"


def named(asked: Mapping[str, Any], daemon: str | None = None) -> str:
    return Script(asked, daemon).place(DIRECTORY)


def there(*asked: Mapping[str, Any], daemon: str | None = None, text: str = "as wanted", safe: bool = True) -> Host:
    scripts = [Script(each, daemon) for each in asked]
    return host(scripts={script.place(DIRECTORY): Found(script, text, safe) for script in scripts})


def planned(
    config: DomainState, *items: Item, on: Host, binaries: Mapping[str, Binaries] | None = None, **given: Any
) -> Plan:
    chosen = options(**given)
    domains = by_domain({"vm1": config}, items, chosen, on)
    texts = {item.share.binary: "as wanted" for each in domains for item in each.present if item.share.binary}
    return plan.plan(Wanted(items, chosen), State(domains, on, texts, binaries))


def element_of(one: Item, existing: Share | None, on: Host) -> tuple[Any, Any]:
    made = daemon_script.as_element(one, existing, on, DIRECTORY)
    return made.share.binary, None if made.script is None else dict(made.script.options)


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        ({}, None, None),
        ({"direct_io": True}, None, {"direct_io": True}),
        ({"direct_io": True}, {"posix_acl": "always"}, {"posix_acl": "always", "direct_io": True}),
        ({}, {"posix_acl": "always"}, None),
        ({"posix_acl": "never", "direct_io": True}, {"posix_acl": "always"}, {"direct_io": True}),
        ({"cache": "metadata"}, None, {"cache": "metadata"}),
        ({"cache": "always"}, {"cache": "metadata", "direct_io": True}, {"direct_io": True}),
        ({"direct_io": True}, {"cache": "metadata"}, {"cache": "metadata", "direct_io": True}),
        ({"map_users": ALICE}, {"map_groups": ALICE, "map_users": ALICE}, {"map_users": ALICE}),
        ({"direct_io": True}, {"of_tomorrow": 1}, {"direct_io": True, "of_tomorrow": 1}),
        ({"inode_file_handles": "never"}, None, {"inode_file_handles": "never"}),
    ],
)
def test_what_is_left_out_stays(asked: dict[str, Any], before: dict[str, Any] | None, after: Any) -> None:
    on = host() if before is None else there(before)
    existing = None if before is None else Share("data", "/srv/data", binary=named(before))
    binary, told = element_of(item(**asked), existing, on)
    assert told == after
    if after is not None:
        assert binary == named(after)


def test_the_last_option_that_goes_leaves_the_daemon_itself() -> None:
    on = there({"direct_io": True})
    share = Share("data", "/srv/data", binary=named({"direct_io": True}))
    assert element_of(item(direct_io=False), share, on) == (RUST.path, None)
    assert element_of(item(direct_io=False), Share("data", "/srv/data"), host()) == (None, None)


def test_a_daemon_of_the_users_own_is_the_one_that_is_told() -> None:
    asked = {"direct_io": True}
    assert element_of(item(binary="/opt/v", direct_io=True), None, host()) == (named(asked, "/opt/v"), asked)
    existing = Share("data", "/srv/data", binary="/opt/v")
    assert element_of(item(direct_io=True), existing, host()) == (named(asked, "/opt/v"), asked)
    on = there(asked, daemon="/opt/v")
    again = Share("data", "/srv/data", binary=named(asked, "/opt/v"))
    for mine in (item(binary="/opt/v", direct_io=True), item(binary="/opt/v"), item(binary=again.binary)):
        assert element_of(mine, again, on) == (again.binary, asked)
    both = {"readdirplus": False, "direct_io": True}
    assert element_of(item(binary="/opt/v", readdirplus=False), again, on) == (named(both, "/opt/v"), both)


def test_a_script_that_is_gone_is_no_daemon_to_start() -> None:
    asked = {"direct_io": True}
    gone = Share("data", "/srv/data", binary=named({"posix_acl": "always"}))
    assert element_of(item(direct_io=True), gone, host()) == (named(asked), asked)


def test_a_daemon_that_is_gone_is_told_and_no_empty_script_is_written() -> None:
    asked = {"direct_io": True}
    config = with_shares("data", options=f"<binary path='{named(asked, '/opt/v')}'/>")
    chosen = options()
    on = there(asked, daemon="/opt/v")
    domains = by_domain({"vm1": state(config)}, (item(readdirplus=False),), chosen, on)
    found = plan.plan(Wanted((item(readdirplus=False),), chosen), State(domains, on))
    assert found.not_yet == ("/opt/v is not a virtiofsd that can be run",)


def test_the_script_comes_first_and_then_the_definition() -> None:
    write, define = planned(state(with_shares()), item(posix_acl="always", map_users=()), on=host()).steps
    assert write == WriteScript(named({"posix_acl": "always"}), "as wanted", ("posix_acl",))
    assert isinstance(define, Define)
    assert named({"posix_acl": "always"}) in define.xml.text


def test_a_second_run_has_nothing_to_do() -> None:
    asked = {"posix_acl": "always", "cache": "metadata"}
    config = with_shares("data", options=f"<binary path='{named(asked)}'/>")
    assert planned(state(config), item(**asked), on=there(asked)).steps == ()
    assert planned(state(config), item(), on=there(asked)).steps == ()


@pytest.mark.parametrize("found", [{"text": "of another daemon"}, {"safe": False}])
def test_a_script_that_is_not_as_wanted_is_written_again(found: dict[str, Any]) -> None:
    asked = {"direct_io": True}
    config = with_shares("data", options=f"<binary path='{named(asked)}'/>")
    (step,) = planned(state(config), item(direct_io=True), on=there(asked, **found)).steps
    assert step == WriteScript(named(asked), "as wanted", ("direct_io",))


def test_a_change_is_named_by_the_options_and_not_by_the_binary() -> None:
    before = {"direct_io": True, "posix_acl": "always"}
    config = with_shares("data", options=f"<binary path='{named(before)}'/>")
    live = config.replace("<domain type='kvm'>", "<domain type='kvm' id='1'>")
    found = planned(state(config, live), item(posix_acl="never", readdirplus=False), on=there(before))
    assert "with new posix_acl and readdirplus of share data" in found.actions[1]
    (waits,) = found.result["restart_required"]
    assert waits["options"] == {"data": ["posix_acl", "readdirplus"]}


def test_old_guests_are_told_of_when_lists_are_new_and_not_again() -> None:
    sentence = (
        "share data of domain vm1, posix_acl: guests with a kernel before Linux 5.14, and Windows, cannot use it then"
    )
    asking = item(posix_acl="always")
    assert sentence in planned(state(with_shares()), asking, on=host()).warnings
    assert sentence in planned(state(with_shares("data")), asking, on=host()).warnings
    asked = {"posix_acl": "always"}
    config = with_shares("data", options=f"<binary path='{named(asked)}'/>")
    assert planned(state(config), asking, on=there(asked)).warnings == ()
    more = planned(state(config), item(posix_acl="always", direct_io=True), on=there(asked))
    assert (bool(more.steps), sentence in more.warnings) == (True, False)
    assert sentence not in planned(state(with_shares()), item(direct_io=True), on=host()).warnings


def test_without_a_daemon_there_is_nothing_to_tell_yet() -> None:
    on = host(virtiofsd=None)
    chosen = options()
    domains = by_domain({"vm1": state(with_shares())}, (item(direct_io=True),), chosen, on)
    found = plan.plan(Wanted((item(direct_io=True),), chosen), State(domains, on))
    assert found.not_yet == ("no virtiofsd is installed on the hypervisor",)


@pytest.mark.parametrize(
    ("uses", "removed"),
    [
        ({}, True),
        ({"other": Binaries(now=frozenset({named({"direct_io": True})}))}, False),
        ({"other": Binaries(saved=frozenset({named({"direct_io": True})}))}, False),
        ({"other": Binaries(snapshots=frozenset({named({"direct_io": True})}))}, False),
        # The plan knows better than what was read what the domain itself has after the steps.
        ({UUID: Binaries(now=frozenset({named({"direct_io": True})}))}, True),
        ({UUID: Binaries(saved=frozenset({named({"direct_io": True})}))}, False),
        (None, False),
    ],
)
def test_a_script_goes_when_nobody_names_it_any_more(uses: Any, removed: bool) -> None:
    config = with_shares("data", options=f"<binary path='{named({'direct_io': True})}'/>")
    found = planned(state(config), absent("data"), on=there({"direct_io": True}), binaries=uses)
    assert (RemoveScript(named({"direct_io": True})) in found.steps) is removed


def test_a_script_that_the_running_machine_has_stays_until_its_restart() -> None:
    asked = {"direct_io": True}
    config = with_shares("data", options=f"<binary path='{named(asked)}'/>")
    live = config.replace("<domain type='kvm'>", "<domain type='kvm' id='1'>")
    asking = item(direct_io=False)
    waiting = planned(state(config, live), asking, on=there(asked), binaries={}, apply="config")
    assert not any(isinstance(step, RemoveScript) for step in waiting.steps)
    restarted = planned(state(config, live), asking, on=there(asked), binaries={}, apply="restart")
    assert restarted.steps[-1] == RemoveScript(named(asked))


@pytest.mark.parametrize(
    ("asked", "on", "message"),
    [
        (
            {"posix_acl": "auto"},
            host(),
            "share data of domain vm1, posix_acl: virtiofsd 1.13.2 has no 'auto' for it, virtiofsd 1.14 has",
        ),
        ({"direct_io": True}, host(virtiofsd=C), "direct_io: it needs the Rust virtiofsd"),
        ({"direct_io": True}, host(uri="qemu:///session"), "direct_io: a script of root's tells virtiofsd"),
        (
            {"map_users": ALICE},
            host(virtiofsd=Virtiofsd("/v", "rust", (1, 12, 0), help="      --xattr")),
            "map_users: virtiofsd 1.12.0 (/v) has no --translate-uid, 1.13.0 has",
        ),
        ({"writeback": True}, host(), "writeback: data is lost or stale where another guest or the hypervisor writes"),
        ({"allow_mmap": True}, host(), "set sole_writer once you have seen that nobody does"),
    ],
)
def test_what_cannot_be_is_refused_by_name(asked: dict[str, Any], on: Host, message: str) -> None:
    with pytest.raises(VirtiofsError) as error:
        planned(state(with_shares()), item(**asked), on=on)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"posix_acl": "always", "map_users": ALICE}, "posix_acl: it cannot be had beside map_users"),
        ({"posix_acl": "auto", "xattr": False}, "posix_acl: it needs extended attributes, and xattr is false"),
        ({"map_users": (UserPair(1000, "0"),)}, "map_users: a user of the guest cannot be root"),
        ({"map_groups": ALICE}, "map_groups: it needs map_users beside it"),
        ({"xattr_map": "a\nb"}, "xattr_map: it has a character that cannot be printed"),
    ],
)
def test_what_no_machine_can_is_refused_before_it_is_looked_at(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(VirtiofsError) as error:
        check_items([item(**asked)])
    assert message in str(error.value)


def test_nobody_else_may_write_where_a_guest_writes_back() -> None:
    alone = item(writeback=True, sole_writer=True)
    daemon_script.check_writers([alone, item("other", "/srv/data/", domain="vm2", readonly=True)])
    with pytest.raises(VirtiofsError, match="writeback: share other of domain vm2 writes to /srv/data too"):
        daemon_script.check_writers([alone, item("other", "/srv/data/", domain="vm2")])


def test_words_of_a_binary_that_is_no_script_are_the_binary() -> None:
    found = Share("data", binary="/opt/one")
    assert daemon_script.words(["source", "binary"], item(binary="/opt/two"), found, host()) == ("source", "binary")
