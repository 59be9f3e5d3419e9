# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document is read safely, and edited so that nothing else changes."""

from __future__ import annotations

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import (
    Document,
    append,
    can_hold,
    canonical,
    child,
    insert_after,
    parse,
    remove,
    serialised,
)
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError


@pytest.mark.parametrize(
    "xml",
    [
        "<!DOCTYPE domain><domain/>",
        "<?xml version='1.0'?><!DOCTYPE domain><domain/>",
        "\n <!-- a --><!DOCTYPE domain><domain/>",
        '<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain><name>&x;</name></domain>',
        "<domain><name></domain>",
    ],
)
def test_doctypes_entities_and_broken_documents_are_refused(xml: str) -> None:
    with pytest.raises(VirtiofsError):
        parse(xml)


def test_a_document_means_the_same_however_it_is_written() -> None:
    one, two = Document("<a x='1' y='2'><b/></a>"), Document('<a y="2" x="1">\n  <b></b>\n</a>')
    assert one == two
    assert hash(one) == hash(two)
    assert one != Document("<a x='1' y='2'><b>text</b></a>")


def test_a_document_never_shows_what_is_in_it() -> None:
    assert repr(Document("<graphics passwd='s3cret'/>")) == "<Document of 27 characters>"


def test_an_edit_is_made_on_a_copy() -> None:
    document = Document("<a><b/></a>")
    remove(document.copy().find("b"))
    assert document.canonical == "<a><b></b></a>"


def test_what_is_added_is_indented_as_its_siblings_are_and_goes_without_a_trace() -> None:
    before = "<a>\n  <b/>\n  <!-- c -->\n</a>\n"
    root = parse(before)
    added = insert_after(root.find("b"), root.makeelement("d"))
    append(added, added.makeelement("e"))
    assert serialised(root) == "<a>\n  <b/>\n  <d>\n    <e/>\n  </d>\n  <!-- c -->\n</a>\n"
    remove(added)
    assert serialised(root) == before


def test_a_child_is_made_once() -> None:
    root = parse("<a/>")
    assert child(root, "b") is child(root, "b")
    assert canonical(root) == "<a><b></b></a>"


@pytest.mark.parametrize(("text", "possible"), [("ä 😀", True), ("\ud800", False), ("\uffff", False), ("", True)])
def test_what_a_document_can_hold(text: str, possible: bool) -> None:
    assert can_hold(text) is possible
