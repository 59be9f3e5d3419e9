# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list that describes what is there: it must be one that the roles take."""

from __future__ import annotations

import dataclasses
from typing import Any

from ansible_collections.virtio.fs.plugins.filter import shares as filters
from ansible_collections.virtio.fs.plugins.module_utils._info.adopt import as_shares
from ansible_collections.virtio.fs.plugins.module_utils._info.state import State
from ansible_collections.virtio.fs.plugins.module_utils._mounts import fstab as mounts_fstab
from ansible_collections.virtio.fs.plugins.module_utils._partition.wanted import wanted
from ansible_collections.virtio.fs.tests.unit.made_up_hypervisor import document, domain, facts, filesystem, source

DATA = document(filesystem("data"))
# As virtiofs_partition writes it, so that the list of what it made says nothing of mount options.
MADE = wanted({"partitions": [{"label": "data", "disk": "/dev/vdb", "size": "1GiB"}]}).items[0]
OURS = ",".join(MADE.entry("ext4", None).options)


def listed(state: State) -> list[dict[str, Any]]:
    items, _said = as_shares(state)
    # What the roles refuse is no description.
    filters.read_shares(items)
    return items


def labelled(fstab: str, **more: Any) -> State:
    state = facts(domain(DATA), sources=(source("/shared/data", "/shared/data"),), **more)
    return dataclasses.replace(state, fstab=mounts_fstab.entries(fstab))


def test_a_plain_directory_in_two_domains_is_one_item():
    second = domain(document(filesystem("data"), name="vm2"), name="vm2")
    assert listed(facts(domain(DATA), second)) == [{"name": "data", "path": "/shared/data", "domains": ["vm1", "vm2"]}]


def test_what_two_domains_have_otherwise_is_two_items():
    other = document(filesystem("data", more="<binary><cache mode='always'/></binary>"))
    assert listed(facts(domain(DATA), domain(other, name="vm2"))) == [
        {"name": "data-vm1", "tag": "data", "path": "/shared/data", "domains": ["vm1"]},
        {"name": "data-vm2", "tag": "data", "path": "/shared/data", "domains": ["vm2"], "cache": "always"},
    ]


def test_every_option_of_the_definition_is_in_the_list():
    more = (
        "<readonly/><idmap><uid start='0' target='1000' count='10'/><gid start='0' target='1000' count='10'/></idmap>"
        "<binary path='/opt/virtiofsd' xattr='on'><cache mode='none'/><sandbox mode='chroot'/>"
        "<lock posix='on' flock='off'/><thread_pool size='4'/><openfiles max='1000'/></binary>"
    )
    (item,) = listed(facts(domain(document(filesystem("data", more=more)))))
    ids = [{"start": 0, "target": 1000, "count": 10}]
    assert item == {
        "name": "data",
        "path": "/shared/data",
        "domains": ["vm1"],
        "cache": "none",
        "xattr": True,
        "sandbox": "chroot",
        "lock_posix": True,
        "lock_flock": False,
        "thread_pool": 4,
        "open_files": 1000,
        "binary": "/opt/virtiofsd",
        "idmap": {"uid": ids, "gid": ids},
        "readonly": True,
    }


def test_a_tag_that_is_no_name_keeps_its_spelling():
    (item,) = listed(facts(domain(document(filesystem("a/b", "/srv/b")))))
    assert (item["name"], item["tag"]) == ("a-b", "a/b")


def test_a_filesystem_mounted_by_label_becomes_storage():
    state = labelled(f"LABEL=data /shared/data ext4 {OURS} 0 2", block_links={"/dev/sda1": "/dev/disk/by-partuuid/6f"})
    (item,) = listed(state)
    assert item["storage"] == {"device": "/dev/disk/by-partuuid/6f", "label": "data", "fstype": "ext4"}


def test_what_was_typed_by_hand_stays_as_it_was_typed():
    (item,) = listed(labelled("LABEL=data /shared/data ext4 defaults 0 1"))
    assert item["storage"] == {
        "device": "/dev/sda1",
        "label": "data",
        "fstype": "ext4",
        "mount_options": ["defaults"],
        "allow_suid": True,
        "allow_dev": True,
        "passno": 1,
    }


def test_what_virtiofs_partition_would_not_make_is_a_plain_path():
    for line in ("UUID=1 /shared/data ext4 rw 0 0", "LABEL=data /shared/data vfat rw 0 0", ""):
        assert "storage" not in listed(labelled(line))[0]


def test_a_filesystem_is_storage_once_however_many_share_it():
    two = document(filesystem("data"), filesystem("again", "/shared/data"))
    state = dataclasses.replace(labelled(f"LABEL=data /shared/data ext4 {OURS} 0 2"), domains=(domain(two),))
    assert ["storage" in item for item in listed(state)] == [True, False]


def test_the_guests_say_where_it_is_mounted():
    fstab = "data /mnt virtiofs rw,_netdev,nosuid,nodev,nofail 0 0"
    (item,) = listed(facts(domain(DATA, DATA, mounts={"data": "/mnt"}, fstab=fstab)))
    assert item == {"name": "data", "path": "/shared/data", "domains": ["vm1"], "mount": "/mnt"}


def test_the_guests_fstab_says_how_it_is_mounted():
    fstab = "data /mnt virtiofs rw,noatime,x-systemd.automount 0 0"
    (item,) = listed(facts(domain(DATA, DATA, mounts={}, fstab=fstab)))
    assert (item["mount"], item["mount_options"], item["automount"]) == ("/mnt", ["rw", "noatime"], True)


def test_a_readonly_bind_mount_of_ours_is_a_readonly_share():
    bind = "/var/lib/virtiofs/ro/uuid-hash"
    state = facts(domain(document(filesystem("media", bind))))
    state = dataclasses.replace(state, fstab=mounts_fstab.entries(f"/srv/media {bind} none bind,ro 0 0"))
    assert listed(state) == [{"name": "media", "path": "/srv/media", "domains": ["vm1"], "readonly": True}]
