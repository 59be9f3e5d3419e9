# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hypervisor's list has made and has no more: known by a record, told, refused or taken away."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter import record as filters

URI = "qemu:///system"
PATH = "/var/lib/virtiofs/list.json"
OLD: dict[str, Any] = {"name": "vm3", "path": "/srv/vm3", "domains": ["vm3"], "mount": "/mnt"}
NEW: dict[str, Any] = {**OLD, "name": "data"}
ROW = {
    "uri": URI, "domain": "vm3", "uuid": "u3", "tag": "vm3", "source": "/srv/vm3", "mount": "/mnt", "name": "vm3",
}  # fmt: skip
RESULT = [{"domain": "vm3", "uuid": "u3", "waiting": []}]


def info(*shares: dict[str, Any], live: bool = False, **domain: Any) -> dict[str, Any]:
    """A domain as virtiofs_info returns it."""
    has = {"config": [], "live": [], "live" if live else "config": list(shares)}
    return {"name": "vm3", "uuid": "u3", **has, **domain}


def file(*rows: dict[str, str]) -> dict[str, str]:
    return {"content": base64.b64encode(json.dumps({"shares": rows}).encode()).decode()}


HERE = info({"tag": "vm3", "source": "/srv/vm3"})


def test_what_was_written_comes_back() -> None:
    text = filters.record([], [OLD], URI, RESULT)
    assert filters.recorded({"content": base64.b64encode(text.encode()).decode()}, PATH) == [ROW]
    assert filters.record([ROW], [OLD], URI, RESULT) == text
    for nothing in ({}, {"failed": True, "msg": "no such file"}, {"content": ""}, None):
        assert filters.recorded(nothing, PATH) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"shares": [{}]}', '{"shares": 1}', '{"shares": [1]}', '{"x": []}'])
def test_a_record_that_was_edited_by_hand_is_no_traceback(text: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^/var/lib/virtiofs/list\.json is not what this role has written"):
        filters.recorded({"content": base64.b64encode(text.encode()).decode()}, PATH)
    wrong = {**ROW, "mount": 1}
    with pytest.raises(AnsibleFilterError, match="a value is no text"):
        filters.recorded(file(wrong), PATH)  # type: ignore[arg-type]


def test_only_what_no_item_names_is_no_longer_listed() -> None:
    assert filters.no_longer_listed([ROW], [NEW], URI) == [ROW]
    assert filters.no_longer_listed([ROW], [OLD], URI) == []
    assert filters.no_longer_listed([ROW], [{**OLD, "state": "absent"}], URI) == []
    assert filters.no_longer_listed([ROW], [{**OLD, "domains": ["u3"]}], URI) == []
    assert filters.no_longer_listed([ROW], [{**OLD, "domains": ["vm1"]}], URI) == [ROW]
    assert filters.no_longer_listed([ROW], [{**NEW, "tag": "vm3"}], URI) == []
    assert filters.no_longer_listed([ROW], [NEW], "qemu:///other") == []


@pytest.mark.parametrize(
    ("domain", "there"),
    [
        (HERE, True),
        (info({"tag": "vm3", "source": "/srv//vm3/"}, live=True), True),
        (info({"tag": "vm3", "source": "/var/lib/virtiofs/ro/u3/vm3"}), True),
        (info({"tag": "vm3", "source": "/srv/theirs"}), False),
        (info({"tag": "vm3", "source": None}), False),
        (info({"tag": "other", "source": "/srv/vm3"}), False),
        (info({"tag": "vm3", "source": "/srv/vm3"}, uuid="another"), False),
        (info(), False),
    ],
)
def test_what_somebody_else_has_made_of_it_is_not_ours(domain: dict[str, Any], there: bool) -> None:
    assert filters.no_longer_listed([ROW], [NEW], URI, [domain]) == ([ROW] if there else [])


def test_a_domain_that_was_renamed_is_known_by_its_uuid() -> None:
    (row,) = filters.no_longer_listed([ROW], [NEW], URI, [{**HERE, "name": "web"}])
    assert row["domain"] == "web"
    assert filters.pruned([row], {}) == [{"domain": "web", "tag": "vm3", "state": "absent", "unlisted": True}]


def test_one_line_tells_the_tags_the_domains_and_the_paths_in_the_guests() -> None:
    other = {**ROW, "domain": "vm1", "tag": "bare", "source": "/srv/bare", "mount": ""}
    assert filters.told([ROW, other], "hv1") == (
        "made from virtiofs_host_shares of hv1, and no longer in it: vm3 (domain vm3, /srv/vm3, in the guest on /mnt), "
        "bare (domain vm1, /srv/bare). virtiofs_host_prune: true takes it away and keeps the data, as does listing it "
        "with state: absent"
    )
    assert filters.told([], "hv1") == ""


def test_the_guest_tells_the_same_of_its_mounts() -> None:
    kept = {"tag": "vm3", "path": "/mnt", "state": "kept", "also_mounted_on": []}
    result = {"unlisted": [kept, {**kept, "tag": "gone", "state": "absent"}]}
    assert filters.left_mounted(result, "hv1") == (
        "made from virtiofs_host_shares of hv1, and no longer in it: vm3 on /mnt. virtiofs_host_prune: true takes it "
        "away and keeps the data, as does listing it with state: absent"
    )
    nothing: list[Any] = [{"unlisted": []}, {"skipped": True}, None]
    assert [filters.left_mounted(each, "hv1") for each in nothing] == ["", "", ""]


def refused(shares: list[dict[str, Any]], rows: list[dict[str, str]], **options: Any) -> str:
    left = filters.no_longer_listed(rows, shares, URI, [HERE])
    return filters.not_pruned(left, rows, shares, **options)


def test_a_new_name_is_told_with_the_two_ways_out() -> None:
    assert refused([NEW], [ROW]) == (
        "the share 'vm3' has a new name, 'data', with the same directory and the same mount point /mnt in domain vm3: "
        "nothing was changed for it. List 'vm3' too, with state: absent, or set virtiofs_host_prune: true, and the old "
        "one goes first"
    )
    assert refused([{**OLD, "state": "absent"}, NEW], [ROW]) == ""
    assert refused([NEW], [ROW], prune=True) == ""


def test_a_new_tag_is_told_as_one() -> None:
    sentence = refused([{**OLD, "tag": "t2"}], [ROW])
    assert sentence.startswith(
        "the share 'vm3' has a new tag, 't2' for 'vm3', on the same mount point /mnt in domain vm3: "
    )
    assert "List one more share, with tag: vm3 and state: absent" in sentence
    assert refused([{**OLD, "tag": "t2"}, {**OLD, "name": "x", "tag": "vm3", "state": "absent"}], [ROW]) == ""


def test_another_share_on_the_mount_point_of_one_that_left_the_list_is_told_too() -> None:
    assert refused([{**NEW, "path": "/srv/data", "mount": "/mnt/"}], [ROW]).startswith(
        "the share 'data' is to be mounted on /mnt/ in domain vm3, where 'vm3' is, which is no longer in the list: "
    )


@pytest.mark.parametrize(
    ("changed", "rows"),
    [
        ({"mount": "/data"}, [ROW]),
        ({"mount": None}, [ROW]),
        ({"domains": ["vm1"]}, [ROW]),
        ({"state": "absent"}, [ROW]),
        ({}, [{**ROW, "mount": ""}]),
        ({}, [ROW, {**ROW, "tag": "data", "name": "data"}]),
        ({}, [{**ROW, "uuid": "another"}]),
    ],
    ids=["another path", "not mounted", "another guest", "absent", "was not mounted", "is there already", "not ours"],
)
def test_what_does_not_want_its_mount_point_goes_on(changed: dict[str, Any], rows: list[dict[str, str]]) -> None:
    assert refused([{**NEW, **changed}], rows) == ""


def test_prune_with_an_empty_list_needs_a_confirmation() -> None:
    assert "virtiofs_host_confirm_empty: true allows it" in refused([], [ROW], prune=True)
    assert refused([], [ROW], prune=True, confirm_empty=True) == ""
    assert refused([], [], prune=True) == ""
    assert refused([], [ROW]) == ""


@pytest.mark.parametrize(
    ("in_use", "unmounted"),
    [({}, False), ({"vm3": []}, True), ({"vm3": ["media"]}, True), ({"vm3": ["vm3"]}, False), ({"u3": []}, True)],
)
def test_a_share_goes_from_a_running_domain_when_its_guest_was_asked(in_use: Any, unmounted: bool) -> None:
    (item,) = filters.pruned([ROW], in_use)
    assert item == {
        "domain": "vm3",
        "tag": "vm3",
        "state": "absent",
        "unlisted": True,
        **({"guest_unmounted": True} if unmounted else {}),
    }


def rows_after(rows: list[dict[str, str]], shares: list[dict[str, Any]], *more: Any, **options: Any) -> list[str]:
    found = json.loads(filters.record(rows, shares, URI, *more, **options))["shares"]
    return [f"{row['domain']}/{row['tag']}/{row['uuid']}" for row in found]


def test_the_record_has_what_is_listed_and_what_is_kept_and_no_more() -> None:
    both = [OLD, {**NEW, "mount": "/data", "domains": ["vm3", "u4"]}]
    domains = [*RESULT, {"domain": "vm4", "uuid": "u4", "waiting": []}]
    assert rows_after([], both, domains) == ["vm3/data/u3", "vm3/vm3/u3", "vm4/data/u4"]
    assert rows_after([ROW], [NEW], RESULT) == ["vm3/data/u3"]
    assert rows_after([ROW], [NEW], RESULT, [ROW]) == ["vm3/data/u3", "vm3/vm3/u3"]
    assert rows_after([ROW], [{**OLD, "state": "absent"}], RESULT) == []


def test_what_was_pruned_stays_in_the_record_until_the_running_machine_has_let_go_of_it() -> None:
    assert rows_after([ROW], [NEW], RESULT, [ROW], prune=True) == ["vm3/data/u3"]
    waiting = [{**RESULT[0], "waiting": ["vm3"]}]
    assert rows_after([ROW], [NEW], waiting, [ROW], prune=True) == ["vm3/data/u3", "vm3/vm3/u3"]


def test_what_is_of_another_libvirt_and_a_domain_that_was_not_looked_at_keep_their_rows() -> None:
    other = {**ROW, "uri": "test:///default"}
    assert rows_after([ROW, other], [NEW], RESULT) == ["vm3/data/u3", "vm3/vm3/u3"]
    assert rows_after([ROW], [OLD], []) == ["vm3/vm3/u3"]
    assert rows_after([], [OLD], []) == []


def test_what_the_domain_stands_on_stays_in_the_record() -> None:
    for kept, rows in ((["vm3"], 1), (["other"], 0)):
        text = filters.record([ROW], [], URI, [{**RESULT[0], "kept": kept}], [ROW], True)
        assert len(json.loads(text)["shares"]) == rows
