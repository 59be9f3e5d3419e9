# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A share and its element, each made from the other."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Element, canonical, parse
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.tests.unit.domain_documents import VIRTIOFS, domain_xml

ALL = Share(
    "data",
    "/srv/data",
    queue=1024,
    cache="always",
    xattr=True,
    sandbox="chroot",
    thread_pool=4,
    open_files=5000,
    lock_posix=True,
    lock_flock=True,
    binary="/usr/libexec/virtiofsd",
    readonly=True,
    idmap=IdMap(uid=(IdRange(0, 100000, 65536),), gid=(IdRange(0, 100000, 65536),)),
)


def element_of(wanted: Share) -> Element:
    return share.new_element(parse(domain_xml()), wanted)


def test_what_is_written_is_read_again() -> None:
    assert share.read(element_of(ALL)) == ALL


def test_a_default_is_not_written_out() -> None:
    plain = share.read(element_of(Share("data", "/srv/data", xattr=False, cache="auto", readonly=False)))
    assert plain.options == {}


def test_differences_count_what_is_set_and_a_default_as_if_it_were_there() -> None:
    assert ALL.differences(ALL) == ()
    assert Share("data").differences(ALL) == ()
    assert set(Share("data", "/srv/other", cache="auto").differences(ALL)) == {"source", "cache"}
    assert Share("data", "/srv//data/", xattr=False).differences(Share("data", "/srv/data")) == ()


def test_only_what_the_share_says_changes() -> None:
    element = element_of(ALL)
    share.write(element, Share("data", cache="none"))
    assert share.read(element) == ALL.but(cache="none")


def test_what_is_taken_back_leaves_no_trace() -> None:
    root = parse(domain_xml())
    before = canonical(root)
    share.insert(root, ALL)
    share.change(root, Share("data", xattr=False))
    assert share.shares_in(root)["data"].xattr in (None, False)
    share.remove_from(root, "data")
    assert canonical(root) == before


def test_places_are_chosen_anew_and_a_name_of_the_user_stays() -> None:
    found = parse(domain_xml(VIRTIOFS.format("a", "", "", "<alias name='fs0'/><address type='pci'/>")))
    (element,) = share.elements(found)
    assert [each.tag for each in share.without_places(share.detached_copy(element))] == ["driver", "source", "target"]
    element.find("alias").set("name", "ua-mine")
    assert share.without_places(element).find("alias") is not None


@pytest.mark.parametrize(
    ("binary", "left"),
    [("<binary path='/x'/>", None), ("<binary path='/x' xattr='on'/>", {"xattr": "on"})],
)
def test_the_daemon_that_libvirt_chose_is_forgotten(binary: str, left: dict[str, str] | None) -> None:
    (element,) = share.elements(parse(domain_xml(VIRTIOFS.format("a", "", binary, ""))))
    share.forget_binary(element)
    found = element.find("binary")
    assert (None if found is None else dict(found.attrib)) == left
