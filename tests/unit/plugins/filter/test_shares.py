# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The derivation: one list in, partitions, domain shares, guest mounts and proofs out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter import shares as filters
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import SHARE_OPTIONS

DISK = "/dev/disk/by-id/ata-X"

LIST: list[dict[str, Any]] = [
    {
        "name": "vm1",
        "storage": {"disk": DISK, "size": "100GiB", "label": "shared_vm1"},
        "domains": ["vm1"],
        "mount": "/mnt",
    },
    {"name": "media", "path": "/srv/media", "readonly": True, "domains": ["vm1", "vm2"], "mount": "/srv/media"},
    {"name": "scratch", "domains": ["vm2"], "owner": "backup", "mode": "0750", "cache": "none"},
]


def item(**keys: Any) -> dict[str, Any]:
    return {"name": "a", "domains": ["vm1"], **keys}


def test_the_listing_of_the_readme_gives_one_partition_with_its_own_label():
    assert filters.partitions(LIST) == [
        {"disk": DISK, "size": "100GiB", "label": "shared_vm1", "state": "present"},
    ]


def test_a_label_is_the_name_unless_said_otherwise():
    assert filters.partitions([item(storage={"disk": DISK, "size": "rest"})])[0]["label"] == "a"


def test_the_path_of_a_share_is_the_mount_point_of_its_partition():
    assert filters.partitions([item(path="/data/a", storage={"device": "/dev/vg/a"})])[0]["path"] == "/data/a"


def test_owner_group_and_mode_of_the_share_are_those_of_the_mounted_root():
    (made,) = filters.partitions([item(storage={"device": "/dev/vg/a"}, owner="www-data", mode="0770")])
    assert (made["owner"], made["mode"]) == ("www-data", "0770")


def test_an_absent_share_gives_up_its_partition_and_makes_none():
    shares = [item(storage={"device": "/dev/vg/a"}, state="absent")]
    assert filters.partitions(shares) == []
    assert filters.partitions(shares, "absent") == [{"device": "/dev/vg/a", "label": "a", "state": "absent"}]


def test_plain_directories_are_those_without_storage_below_a_closed_parent():
    assert filters.directories(LIST, "/shared") == [
        {"path": "/shared", "new_mode": "0700"},
        {"path": "/srv/media"},
        {"path": "/shared/scratch", "owner": "backup", "mode": "0750"},
    ]


def test_a_directory_that_two_shares_name_is_made_once_and_none_for_an_absent_share():
    shares = [
        item(name="a", path="/srv/x"),
        item(name="b", path="/srv/x", mode="0700"),
        item(name="c", path="/srv/y", state="absent"),
    ]
    assert filters.directories(shares) == [{"path": "/srv/x", "mode": "0700"}]


def test_another_spelling_is_the_same_directory():
    storage = {"disk": "/dev/vdb", "size": "1GiB", "label": "a"}
    shares = [item(name="a", path="/srv/x/", storage=storage), item(name="b", path="//srv//x")]
    assert filters.directories(shares) == []
    assert filters.directories([item(name="a", path="//shared/a")], "/shared/")[0]["new_mode"] == "0700"


def test_the_listing_gives_one_item_for_each_domain_and_tag():
    assert filters.domain_shares(LIST, "/shared") == [
        {
            "domain": "vm1",
            "tag": "vm1",
            "source": "/shared/shared_vm1",
            "require_mountpoint": True,
            "state": "present",
        },
        {"domain": "vm1", "tag": "media", "source": "/srv/media", "readonly": True, "state": "present"},
        {"domain": "vm2", "tag": "media", "source": "/srv/media", "readonly": True, "state": "present"},
        {"domain": "vm2", "tag": "scratch", "source": "/shared/scratch", "cache": "none", "state": "present"},
    ]


def test_an_option_that_is_none_is_left_out():
    assert "cache" not in filters.domain_shares([item(cache=None)])[0]


def test_who_knows_better_can_share_storage_that_is_not_mounted():
    (made,) = filters.domain_shares([item(storage={"device": "/dev/vg/a"}, require_mountpoint=False)])
    assert made["require_mountpoint"] is False


def test_an_absent_share_is_handed_over_as_unmounted_only_where_the_guest_said_so():
    shares = [item(name="media", domains=["vm1", "vm2"], state="absent", readonly=True)]
    assert filters.domain_shares(shares, "/shared", {"vm1": ["media"], "vm2": ["other"]}) == [
        {
            "domain": "vm1",
            "tag": "media",
            "source": "/shared/media",
            "state": "absent",
            "guest_unmounted": True,
        },
        {"domain": "vm2", "tag": "media", "source": "/shared/media", "state": "absent"},
    ]


def test_a_guest_mounts_what_its_domain_gets():
    assert filters.guest_mounts(LIST, "vm1") == [
        {"tag": "vm1", "path": "/mnt", "state": "mounted"},
        {"tag": "media", "path": "/srv/media", "state": "mounted"},
    ]


def test_a_share_without_mount_is_exposed_and_not_mounted():
    assert [mount["tag"] for mount in filters.guest_mounts(LIST, "vm2")] == ["media"]


def test_a_domain_is_matched_whole():
    assert filters.guest_mounts([item(domains=["vm10"], mount="/mnt")], "vm1") == []


def test_a_guest_overrides_path_and_options_by_tag():
    shares = [item(mount="/mnt", mount_options=["ro"], automount=True)]
    assert filters.guest_mounts(shares, "vm1", {"a": {"path": "/data", "options": ["rw"]}}) == [
        {"tag": "a", "path": "/data", "options": ["rw"], "automount": True, "state": "mounted"},
    ]


def test_an_override_mounts_what_is_only_exposed():
    assert filters.guest_mounts(LIST, "vm2", {"scratch": {"path": "/scratch"}})[1]["path"] == "/scratch"


def test_an_absent_share_is_taken_out_of_the_guest_where_it_was():
    shares = [item(mount="/mnt", state="absent", automount=True)]
    assert filters.guest_mounts(shares, "vm1") == [{"tag": "a", "path": "/mnt", "state": "absent"}]
    assert filters.guest_mounts(shares, "vm1", state="mounted") == []


def test_two_shares_on_one_mount_point_are_refused_unless_one_leaves():
    shares = [item(name="a", mount="//mnt"), item(name="b", mount="/mnt/")]
    with pytest.raises(AnsibleFilterError, match="two shares want the mount point '/mnt' in the guest of 'vm1'"):
        filters.guest_mounts(shares, "vm1")
    shares[0]["state"] = "absent"
    assert len(filters.guest_mounts(shares, "vm1")) == 2


def test_leaving_is_what_is_absent_or_exactly_what_is_named():
    shares = [item(name="a"), item(name="b", state="absent")]
    assert filters.leaving(shares) == [{"name": "b", "domains": ["vm1"], "state": "absent"}]
    assert filters.leaving(shares, ["a"]) == [{"name": "a", "domains": ["vm1"], "state": "absent"}]
    assert filters.leaving(shares, []) == []


def test_a_name_to_unshare_that_is_no_list_is_refused():
    with pytest.raises(AnsibleFilterError, match="virtiofs_unshare is 'media': write a list"):
        filters.leaving([item(name="media")], "media")


def test_proofs_name_both_ends_of_what_is_mounted():
    assert filters.proofs(LIST, "vm1", root="/shared") == [
        {
            "share": "vm1",
            "tag": "vm1",
            "host_path": "/shared/shared_vm1",
            "guest_path": "/mnt",
            "readonly": False,
        },
        {
            "share": "media",
            "tag": "media",
            "host_path": "/srv/media",
            "guest_path": "/srv/media",
            "readonly": True,
        },
    ]


def test_filesystems_are_those_of_present_storage():
    shares = [
        item(name="a", storage={"device": "/dev/a", "fstype": "xfs"}),
        item(name="b", storage={"device": "/dev/b"}),
        item(name="c", storage={"device": "/dev/c", "fstype": "btrfs"}, state="absent"),
    ]
    assert filters.filesystems(shares) == ["ext4", "xfs"]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("vm1", "virtiofs_host_shares is 'vm1': write a list"),
        (["vm1"], "item 1 of virtiofs_host_shares is 'vm1'"),
        ([{"domains": ["vm1"]}], "item 1 of virtiofs_host_shares has no name"),
        ([item(name=7)], "item 1 of virtiofs_host_shares has no name"),
        ([item(name="a/b")], "the share 'a/b' would not be one directory"),
        ([item(name="..")], "would not be one directory"),
        ([{"name": "a"}], "the share 'a' has no domains"),
        ([item(domains="vm1")], "the share 'a', domains is 'vm1': write a list"),
        ([item(domains=[1])], "the share 'a', domains has 1: write a string"),
        ([item(domian=["vm1"])], "the share 'a' has the unknown key 'domian': did you mean 'domains'?"),
        ([item(read_only=True)], "the share 'a' has the unknown key 'read_only': did you mean 'readonly'?"),
        ([item(zzz=1)], "the share 'a' has the unknown key 'zzz': there are allow_mmap, allow_unsafe_source, "),
        (
            [item(storage={"disc": "/dev/sda", "size": "1GiB"})],
            "the share 'a', storage has the unknown key 'disc': did you mean 'disk'?",
        ),
        ([item(state="wiped")], "the share 'a' has state 'wiped'"),
        ([item(tag=7)], "the share 'a', tag has 7"),
        ([item(path="srv")], "the share 'a', path is 'srv': write an absolute path"),
        ([item(mount="mnt")], "the share 'a', mount is 'mnt': write an absolute path"),
        ([item(mount_options="ro")], "the share 'a', mount_options is 'ro': write a list"),
        ([item(storage=DISK)], "the share 'a', storage is '/dev/disk/by-id/ata-X'"),
        ([item(storage={})], "the share 'a', storage wants one of disk, device and image, and has none of them"),
        ([item(storage={"disk": DISK, "device": "/dev/x"})], "and has disk and device"),
        ([item(storage={"disk": DISK, "path": "/x"})], "storage has a path: the path of the share says it"),
        ([item(storage={"disk": DISK, "state": "wiped"})], "storage has a state: the state of the share says it"),
        ([item(), item()], "the share 'a' is in the list twice"),
        ([item(name="a", tag="t"), item(name="b", tag="t")], "the domain 'vm1' gets the tag 't' twice"),
        ([item(domains=["vm1", "vm1"])], "the domain 'vm1' gets the tag 'a' twice"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_item(broken: Any, sentence: str):
    with pytest.raises(AnsibleFilterError) as raised:
        filters.domain_shares(broken)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["a"], "virtiofs_guest_overrides is ['a']"),
        ({"a": "/mnt"}, "virtiofs_guest_overrides, 'a' is '/mnt'"),
        (
            {"a": {"mount": "/mnt"}},
            "virtiofs_guest_overrides, 'a' has the unknown key 'mount': did you mean 'automount'?",
        ),
        ({"a": {"path": "mnt"}}, "virtiofs_guest_overrides, 'a', path is 'mnt'"),
        ({"a": {"path": "/mnt", "options": "ro"}}, "virtiofs_guest_overrides, 'a', options is 'ro': write a list"),
    ],
)
def test_overrides_that_are_wrong_are_refused(overrides: Any, sentence: str):
    with pytest.raises(AnsibleFilterError) as raised:
        filters.guest_mounts([item()], "vm1", overrides)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("hypervisor", "sentence"),
    [
        ("", "virtiofs_guest_hypervisor is not set"),
        (None, "virtiofs_guest_hypervisor is not set"),
        ("hv9", "virtiofs_guest_hypervisor is 'hv9', and the inventory has no such host"),
        ("hv2", "virtiofs_host_shares of hv2 cannot be read from here"),
    ],
)
def test_a_hypervisor_without_a_list_is_named(hypervisor: Any, sentence: str):
    with pytest.raises(AnsibleFilterError) as raised:
        filters.shares_of({"hv1": {"virtiofs_host_shares": LIST}, "hv2": {}}, hypervisor)
    assert sentence in str(raised.value)


def test_the_list_of_the_hypervisor_is_found():
    assert filters.shares_of({"hv1": {"virtiofs_host_shares": LIST}}, "hv1") == LIST


def test_every_row_of_the_table_of_share_options_is_one_of_the_list():
    assert {option.name for option in SHARE_OPTIONS} <= set(filters.DOMAIN_OPTIONS)


RENAMED: list[dict[str, Any]] = [
    {"name": "vm3", "storage": {"disk": "/dev/x", "size": "1GiB", "label": "s"}, "domains": ["d"], "state": "absent"},
    {"name": "data", "storage": {"disk": "/dev/x", "size": "1GiB", "label": "s"}, "domains": ["d"]},
]


def test_storage_that_another_share_uses_stays_when_the_old_name_goes() -> None:
    assert filters.partitions(RENAMED, "absent") == []
    assert [item["label"] for item in filters.partitions(RENAMED)] == ["s"]
    assert [item["label"] for item in filters.partitions(RENAMED[:1], "absent")] == ["s"]
    (gone,) = filters.leaving(RENAMED)
    assert filters.partitions([gone], "absent") == []
    assert filters.partitions(filters.leaving(RENAMED, ["vm3"]), "wiped") == []
    assert [item["label"] for item in filters.partitions(filters.leaving(RENAMED, ["vm3", "data"]), "wiped")] == ["s"]


def test_storage_of_another_label_on_the_same_path_is_the_same_storage() -> None:
    shares = [
        {"name": "a", "path": "/srv/x/", "storage": {"device": "/dev/x"}, "domains": [], "state": "absent"},
        {"name": "b", "path": "/srv/x", "storage": {"device": "/dev/x"}, "domains": []},
        {"name": "c", "path": "/srv/y", "storage": {"device": "/dev/y"}, "domains": [], "state": "absent"},
    ]
    assert [item["label"] for item in filters.partitions(shares, "absent")] == ["c"]


def test_a_share_that_waits_to_become_read_only_is_told_apart():
    entry = {"domain": "vm1", "reason": "mounted", "tags": ["data"], "options": {"data": ["readonly"]}}
    listed = [{"name": "data", "path": "/srv/data", "domains": ["vm1", "vm2"], "mount": "/mnt", "readonly": True}]

    def waits(result: Any, domain: str = "vm1") -> bool:
        (proof,) = filters.proofs(listed, domain, result=result)
        return "waits" in proof

    assert waits({"restart_required": [entry]})
    assert not waits({"restart_required": [entry]}, "vm2")
    assert not waits({"restart_required": [{**entry, "options": {"data": ["cache"]}}]})
    assert not waits({})


def test_who_is_who_goes_to_the_domain_as_it_is():
    pairs = [{"guest": 1000, "host": "alice"}]
    share = {"name": "homes", "domains": ["vm1"], "path": "/srv/homes", "map_users": pairs, "posix_acl": "never"}
    (listed,) = filters.domain_shares([share])
    assert (listed["map_users"], listed["posix_acl"]) == (pairs, "never")
    (leaving,) = filters.domain_shares([{**share, "state": "absent"}])
    assert "map_users" not in leaving


@pytest.mark.parametrize(
    ("pairs", "message"),
    [([{"guest": 1000}], "write guest, a number, and host, a name"), ({"alice": 1000}, "write a list")],
)
def test_a_map_of_another_shape_is_refused(pairs: Any, message: str):
    with pytest.raises(AnsibleFilterError, match="the share 'homes', map_users") as error:
        filters.read_shares([{"name": "homes", "domains": ["vm1"], "map_users": pairs}])
    assert message in str(error.value)
