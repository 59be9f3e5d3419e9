# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of virtiofs_domain, checked before anything is read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, Options, check_items, names, wanted
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import (
    BY_NAME,
    IdMap,
    IdRange,
    UserPair,
)
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import item

ITEM = {
    **dict.fromkeys(BY_NAME),
    "domain": "vm1",
    "tag": "data",
    "source": "/srv/data",
    "state": "present",
    "require_mountpoint": False,
    "guest_unmounted": False,
    "unlisted": False,
    "allow_unsafe_source": False,
    "sole_writer": False,
}


def given(*items: dict[str, Any], **options: Any) -> dict[str, Any]:
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}
    shares = [{**ITEM, **item} for item in items]
    return {**defaults, "confirm_empty": False, "shares": shares, **options}


def test_an_item_has_what_the_user_set_and_nothing_else() -> None:
    checked = wanted(given({"readonly": True, "queue": 64}))
    assert checked.items == (Item("vm1", Share("data", "/srv/data", readonly=True, queue=64)),)
    assert checked.options == Options()


def test_ranges_of_ids_become_values() -> None:
    one = {"start": 0, "target": 1000, "count": 1}
    (item,) = wanted(given({"idmap": {"uid": [one], "gid": None}})).items
    assert item.share.idmap == IdMap(uid=(IdRange(0, 1000, 1),))


def test_users_become_values_whatever_yaml_made_of_their_names() -> None:
    pairs = [{"guest": 1000, "host": "alice"}, {"guest": 1001, "host": 2001}]
    (item,) = wanted(given({"map_users": pairs})).items
    assert item.share.map_users == (UserPair(1000, "alice"), UserPair(1001, "2001"))


def test_an_absent_share_needs_no_source() -> None:
    (item,) = wanted(given({"state": "absent", "source": None})).items
    assert (item.absent, item.share) == (True, Share("data"))


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"tag": ""}, "tag: it is empty"),
        ({"tag": "x" * 37}, "tag: it has 37 bytes, at most 36 fit"),
        ({"tag": "ä" * 19}, "tag: it has 38 bytes, at most 36 fit"),
        ({"tag": "a\nb"}, "tag: it has a character that cannot be printed"),
        ({"source": None}, "source: it is missing"),
        ({"source": "srv"}, "source: 'srv' "),
        ({"source": "/srv/../etc"}, "source: '/srv/../etc' "),
        ({"source": "/srv/\x01"}, "source: '/srv/\\x01' contains a control character"),
        ({"tag": "a\x7f"}, "tag: it has a character that cannot be printed"),
        ({"queue": 0}, "queue: it must be a power of two, at most 1024, not 0"),
        ({"queue": 3}, "queue: it must be a power of two, at most 1024, not 3"),
        ({"queue": 2048}, "queue: it must be a power of two, at most 1024, not 2048"),
        ({"thread_pool": -1}, "thread_pool: it must not be negative, not -1"),
        ({"open_files": 0}, "open_files: it must be at least 1, not 0"),
        ({"binary": "virtiofsd"}, "binary: 'virtiofsd' "),
        (
            {"idmap": {"uid": [{"start": 0, "target": 0, "count": 0}], "gid": None}},
            "idmap, uid: start and target must not be negative, and count at least 1",
        ),
    ],
    ids=str,
)
def test_a_bad_item_is_named_with_its_option(item: dict[str, Any], sentence: str) -> None:
    with pytest.raises(VirtiofsError) as caught:
        wanted(given({}, item))
    assert str(caught.value).startswith("share ")
    assert f" of domain vm1, {sentence}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"restart_parallel": 0}, "restart_parallel: it must be at least 1, not 0"),
        ({"shutdown_timeout": 0}, "shutdown_timeout: it must be at least 1, not 0"),
        ({"spare_ports": -1}, "spare_ports: it must be at least 0, not -1"),
        ({"exclusive_system": True}, "exclusive_system: it needs exclusive: true, or an unlisted share"),
        ({"domains": ["vm2"]}, "domains: it needs exclusive: true"),
    ],
    ids=str,
)
def test_a_bad_option_is_named(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(VirtiofsError, match=f"^{sentence}$"):
        wanted(given({}, **options))


def test_exclusive_with_an_empty_list_needs_a_confirmation() -> None:
    with pytest.raises(VirtiofsError, match=r"^exclusive: .* set confirm_empty: true$"):
        wanted(given(exclusive=True))
    assert wanted(given(exclusive=True, confirm_empty=True)).items == ()


def test_an_option_that_the_table_lacks_is_an_error() -> None:
    with pytest.raises(VirtiofsError, match=r"^share data of domain vm1, no_such_option: there is no such option$"):
        wanted(given({"no_such_option": True}))


def test_every_name_is_asked_for_once() -> None:
    items = wanted(given({}, {"tag": "b"}, {"domain": "vm2"})).items
    assert names(items, ["vm3", "vm1"]) == ("vm1", "vm2", "vm3")


@pytest.mark.parametrize("options", [{"tag": "x" * 36}, {"tag": "ein Tag"}, {"tag": "ä" * 18}, {"queue": 1}])
def test_items_that_are_right(options: dict[str, Any]) -> None:
    check_items([item(**options)])


def test_only_an_absent_share_is_unlisted() -> None:
    with pytest.raises(VirtiofsError, match=r"^share data of domain vm1, unlisted: it needs state: absent$"):
        wanted(given({"unlisted": True}))
    gone = given({"unlisted": True, "state": "absent"}, exclusive_system=True)
    assert wanted(gone).items[0].unlisted
