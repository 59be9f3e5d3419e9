# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a domain looks like: nothing but the shares changes, and a second edit finds nothing to do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ansible_collections.virtio.fs.plugins.module_utils._domain.plan import edited
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, check_items
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory as domain_xml_memory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, parse
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.domain_documents import DOCUMENTS, IMPOSSIBLE
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    NEW_ITEMS,
    absent,
    edited_by,
    host,
    item,
    options,
    surroundings,
    text,
    wanted,
)

_TAGS = frozenset(each.share.tag for each in NEW_ITEMS)

# This schema knows the elements of its own libvirt, the oldest one that the collection is tested with.
_ITEMS_OF_9 = (
    item("new1", "/srv/new 1", queue=1024, cache="always", xattr=True, thread_pool=4),
    item("new2", "/srv/b"),
)


@pytest.fixture(scope="session")
def schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse("/usr/share/libvirt/schemas/domain.rng"))


def test_there_are_many_documents() -> None:
    assert len(DOCUMENTS) >= 60


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("memory", ["memfd", "file", "hugepages"])
def test_nothing_but_the_shares_and_the_memory_changes(name: str, memory: str) -> None:
    before = DOCUMENTS[name]
    after = edited_by(before, *NEW_ITEMS, memory=memory)
    if memory == "hugepages":
        after = re.sub(r"<hugepages\s*/>", "", after) if "hugepages" not in before else after
    assert surroundings(after, _TAGS) == surroundings(before, _TAGS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shares_are_there_and_the_memory_is_shared(name: str) -> None:
    root = parse(edited_by(DOCUMENTS[name], *NEW_ITEMS))
    shares = share.shares_in(root)
    assert [each.share.differences(shares[each.share.tag]) for each in NEW_ITEMS] == [(), (), ()]
    assert domain_xml_memory.is_shared(root)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("cell", ["auto", "always"])
def test_a_second_edit_finds_nothing_to_do(name: str, cell: str) -> None:
    after = edited_by(DOCUMENTS[name], *NEW_ITEMS, numa_cell=cell)
    root = Document(after).copy()
    assert edited(root, wanted(after, *NEW_ITEMS), options(numa_cell=cell), host()) == ()
    assert text(root) == text(Document(after).copy())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_was_added_can_be_taken_away_again(name: str) -> None:
    before = DOCUMENTS[name]
    after = edited_by(edited_by(before, *NEW_ITEMS), *(absent(tag) for tag in sorted(_TAGS)))
    assert share.shares_in(parse(after)) == share.shares_in(parse(before))
    assert surroundings(after, frozenset()) == surroundings(before, frozenset())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_before_means_valid_after(name: str, schema: etree.RelaxNG) -> None:
    if not schema.validate(parse(DOCUMENTS[name])):
        assert "11.3" in name, "only a newer libvirt writes what this schema does not know"
        return
    for given_options in ({}, {"memory": "file"}, {"memory": "hugepages"}, {"numa_cell": "always"}):
        after = parse(edited_by(DOCUMENTS[name], *_ITEMS_OF_9, **given_options))
        assert schema.validate(after), (given_options, schema.error_log.last_error)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_secrets_are_kept(name: str) -> None:
    secrets = re.findall(r"s3cret-\w+|uuid='ec9be0c2[^']*'", DOCUMENTS[name].replace('"', "'"))
    after = edited_by(DOCUMENTS[name], *NEW_ITEMS).replace('"', "'")
    assert [secret for secret in secrets if secret not in after] == []


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_shared_is_refused(name: str) -> None:
    with pytest.raises(VirtiofsError, match="ondemand"):
        edited_by(IMPOSSIBLE[name], *NEW_ITEMS)


_words = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), max_size=12)
_names = st.sampled_from(["disk", "interface", "filesystem", "controller", "hostdev", "x-unknown", "memory"])


@st.composite
def _elements(draw: st.DrawFn, depth: int = 2) -> etree._Element:
    element = etree.Element(draw(_names))
    for key in draw(st.lists(st.sampled_from(["type", "mode", "bus", "name", "id"]), unique=True, max_size=3)):
        element.set(key, draw(_words))
    if depth:
        for child in draw(st.lists(_elements(depth - 1), max_size=3)):
            element.append(child)
            child.tail = draw(st.sampled_from([None, "\n  ", " "]))
    if not len(element):
        element.text = draw(st.one_of(st.none(), _words))
    return element


@st.composite
def _domains(draw: st.DrawFn) -> str:
    root = etree.Element("domain", {"type": "qemu"})
    etree.SubElement(root, "name").text = "vm1"
    etree.SubElement(root, "memory", unit=draw(st.sampled_from(["KiB", "MiB", "b"]))).text = "524288"
    etree.SubElement(root, "vcpu").text = str(draw(st.integers(1, 64)))
    if draw(st.booleans()):
        backing = etree.SubElement(root, "memoryBacking")
        for tag, attribute, values in (
            ("access", "mode", ["shared", "private"]),
            ("source", "type", ["memfd", "file", "anonymous"]),
            ("nosharepages", None, []),
            ("locked", None, []),
        ):
            if draw(st.booleans()):
                attributes = {attribute: draw(st.sampled_from(values))} if attribute else {}
                etree.SubElement(backing, tag, attributes)
    for number in range(draw(st.integers(0, 2))):
        numa = root.find("cpu/numa")
        if numa is None:
            numa = etree.SubElement(etree.SubElement(root, "cpu"), "numa")
        cell = etree.SubElement(numa, "cell", id=str(number), cpus=str(number), memory="1024", unit="KiB")
        access = draw(st.sampled_from([None, "shared", "private"]))
        if access:
            cell.set("memAccess", access)
    if draw(st.booleans()):
        root.append(etree.Comment(draw(st.from_regex(r"[a-z ]*", fullmatch=True))))
    devices = etree.SubElement(root, "devices")
    for element in draw(st.lists(_elements(), max_size=4)):
        if element.tag != "memory":
            devices.append(element)
    for element in draw(st.lists(_elements(), max_size=2)):
        if element.tag != "memory":
            root.append(element)
    return etree.tostring(root, encoding="unicode", pretty_print=draw(st.booleans()))


@settings(max_examples=150, deadline=None)
@given(_domains(), st.sampled_from(["memfd", "file"]), st.sampled_from(["auto", "always"]))
def test_any_shape_of_document(before: str, memory: str, cell: str) -> None:
    after = edited_by(before, *NEW_ITEMS, memory=memory, numa_cell=cell)
    root = parse(after)
    assert domain_xml_memory.is_shared(root)
    assert set(share.shares_in(root)) >= _TAGS
    again = Document(after).copy()
    assert edited(again, wanted(after, *NEW_ITEMS), options(memory=memory, numa_cell=cell), host()) == ()
    if cell == "always" and "<numa>" not in before:
        cpu = root.find("cpu")
        cpu.remove(cpu.find("numa"))
        root.remove(cpu)
        after = text(root)
    assert surroundings(after, _TAGS) == surroundings(before, _TAGS)


_ODD = """<!-- before --><?xml-stylesheet href="a"?>
<domain type="qemu" xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm1</name>
  <!-- a - free comment: <memoryBacking/> -->
  <description>one&#13;\ntwo &amp; &lt;three&gt; &#128512; ]]&gt;</description>
  <metadata>
      <a:b xmlns:a='urn:a' xmlns='urn:default' a:c='1&#10;2&#9;3 &quot;4&quot;'><![CDATA[<not & xml>]]>
   <c xmlns=''/> tail <?pi some thing?></a:b>
  </metadata>
  <memory>524288</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <devices>
    <filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/x'/><target dir='x'/></filesystem>
      <!-- odd place -->
  </devices><q:commandline><q:arg value='-x'/></q:commandline>
</domain>
<!-- after -->"""


def test_what_is_not_ours_is_kept_to_the_byte() -> None:
    before = text(Document(_ODD).copy())
    assert "<![CDATA[<not & xml>]]>" in before
    assert "&#13;" in before
    after = edited_by(_ODD, item("new1", "/srv/1", cache="always"), item("new2", "/srv/2"))
    assert _without_elements_of(after, "new1", "new2") == before
    assert edited_by(after, absent("new1"), absent("new2")) == before


def _without_elements_of(document: str, *tags: str) -> str:
    for tag in tags:
        pattern = rf"\n *<filesystem (?:(?!</filesystem>).)*<target dir=.{tag}.(?:(?!</filesystem>).)*</filesystem>"
        document = re.sub(pattern, "", document, count=1, flags=re.S)
    return document


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20), st.text(max_size=30), st.sampled_from(["/srv/", "/srv/a b/", "//srv/./", "/"]))
def test_any_words_are_refused_or_kept_as_they_are(tag: str, name: str, parent: str) -> None:
    _refused_or_kept(item(tag, parent + name))


@pytest.mark.parametrize(
    "tag", ["--x", "*", "-", " ", "a b", "'\"<&>", "]]>", "%s{0}$(x)`", "é" * 18, "仮想", "😀", "#", "\\040"]
)
def test_odd_tags_and_paths(tag: str) -> None:
    assert _refused_or_kept(item(tag, f"/srv/{tag}"))


@pytest.mark.parametrize("odd", ["\n", "\0", "\x1b", "\udcff", "\ufffe", "\uffff", "\x7f"])
def test_what_xml_or_fstab_cannot_hold_is_refused(odd: str) -> None:
    assert not _refused_or_kept(item(f"a{odd}b", "/srv/a"))
    assert not _refused_or_kept(item("a", f"/srv/a{odd}b"))
    assert not _refused_or_kept(item("a", "/srv/a", binary=f"/usr/bin/a{odd}b"))


def _refused_or_kept(asked: Item) -> bool:
    """Whether it was kept: then a document holds it to the letter, and a second edit finds nothing to do."""
    problem = _problem(asked)
    if problem:
        assert problem.isprintable()
        return False
    document = DOCUMENTS["a virtiofs share of somebody"]
    after = edited_by(document, asked)
    found = share.shares_in(parse(after))[asked.share.tag]
    assert (found.tag, found.source) == (asked.share.tag, asked.share.source)
    assert edited(Document(after).copy(), wanted(after, asked), options(), host()) == ()
    return True


def _problem(asked: Item) -> str | None:
    try:
        check_items([asked])
    except VirtiofsError as error:
        return str(error)
    return None
