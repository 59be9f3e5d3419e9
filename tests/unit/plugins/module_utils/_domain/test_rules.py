# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this hypervisor cannot do, and what must not be shared."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain.rules import check_host, check_images, check_sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Directory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.domain_documents import domain_xml
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import absent, host, item


def test_a_session_has_virtiofs_from_libvirt_10_on() -> None:
    session = {"uri": "qemu:///session"}
    with pytest.raises(VirtiofsError, match=r"needs libvirt 10\.0\.0 in qemu:///session, this is 9\.0\.0"):
        check_host([item()], host(libvirt=(9, 0, 0), **session))
    check_host([item()], host(libvirt=(10, 0, 0), **session))
    check_host([absent("data")], host(libvirt=(9, 0, 0), **session))


def test_another_driver_of_libvirt_is_refused() -> None:
    with pytest.raises(VirtiofsError, match="virtiofs needs libvirt's QEMU driver, lxc:///system has LXC"):
        check_host([item()], host(driver="LXC", uri="lxc:///system"))
    check_host([absent("data")], host(driver="LXC", uri="lxc:///system"))


@pytest.mark.parametrize(
    ("source", "directory", "sentence"),
    [
        ("/etc", Directory(), "/etc is a system directory"),
        ("/etc/libvirt", Directory(), "is above or below the system directory /etc"),
        ("/", Directory(), "is a system directory"),
        ("/shared", Directory(), "/shared is a system directory"),
        ("/srv/link/a", Directory(symlink="/srv/link"), "/srv/link in /srv/link/a is a symlink"),
        ("/data", Directory(), "/data holds /data/one, the source of another share"),
        ("/srv/file", Directory(directory=False), "/srv/file is not a directory"),
        ("/net/a", Directory(no_answer="no answer within 20 seconds"), "source: no answer within 20 seconds"),
    ],
)
def test_what_must_not_be_shared_is_refused_by_name(source: str, directory: Directory, sentence: str) -> None:
    items = [item(source="/data/one"), item("wrong", source)]
    with pytest.raises(VirtiofsError) as caught:
        check_sources(items, {"/data/one": Directory(), source: directory})
    assert str(caught.value).startswith("share wrong of domain vm1, source: ")
    assert sentence in str(caught.value)


def test_who_means_it_may_share_it() -> None:
    assert check_sources([item("all", "/etc", allow_unsafe_source=True)], {"/etc": Directory()}) == ()


def test_a_source_that_is_no_mount_point_yet_is_not_shared() -> None:
    wanted = item(require_mountpoint=True)
    (sentence,) = check_sources([wanted], {"/srv/data": Directory()})
    assert "is not a mount point (require_mountpoint is set)" in sentence
    assert check_sources([wanted], {"/srv/data": Directory(mountpoint=True)}) == ()


def test_a_source_with_the_disk_of_a_domain_is_refused() -> None:
    disk = "<disk type='file'><source file='/srv/data/images/vm2.qcow2'/></disk>"
    domains = {"vm2": parse(domain_xml(disk))}
    with pytest.raises(VirtiofsError, match=r"/srv/data holds the disk image /srv/data/images/vm2\.qcow2 of"):
        check_images([item()], domains)
    check_images([item(source="/srv/data2")], domains)
    check_images([item(allow_unsafe_source=True), absent("other")], domains)
