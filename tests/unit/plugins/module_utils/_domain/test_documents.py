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
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.as_running import as_running
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document, canonical, parse
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.pending_edits import pending_edits
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.tests.unit.domain_documents import DOCUMENTS, IMPOSSIBLE
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import (
    absent,
    host,
    item,
    options,
    surroundings,
    text,
    wanted,
)

_ITEMS = (
    item("new1", "/srv/new 1", queue=1024, cache="always", xattr=True, sandbox="chroot", thread_pool=4),
    item("new2", "/srv/Ñandú & <co>", idmap=IdMap(uid=(IdRange(0, 100000, 65536),)), open_files=5000),
    item("new3", "/srv/new3", lock_posix=True, lock_flock=True, binary="/usr/libexec/virtiofsd", readonly=True),
)
_TAGS = frozenset(each.share.tag for each in _ITEMS)

# This schema knows the elements of its own libvirt, the oldest one that the collection is tested with.
_ITEMS_OF_9 = (
    item("new1", "/srv/new 1", queue=1024, cache="always", xattr=True, thread_pool=4),
    item("new2", "/srv/b"),
)


@pytest.fixture(scope="session")
def schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse("/usr/share/libvirt/schemas/domain.rng"))


def _edit(xml: str, *items: object, **given_options: object) -> str:
    root = Document(xml).copy()
    edited(root, wanted(xml, *items), options(**given_options), host())  # type: ignore[arg-type]
    return text(root)


def test_there_are_many_documents() -> None:
    assert len(DOCUMENTS) >= 60


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("memory", ["memfd", "file", "hugepages"])
def test_nothing_but_the_shares_and_the_memory_changes(name: str, memory: str) -> None:
    before = DOCUMENTS[name]
    after = _edit(before, *_ITEMS, memory=memory)
    if memory == "hugepages":
        after = re.sub(r"<hugepages\s*/>", "", after) if "hugepages" not in before else after
    assert surroundings(after, _TAGS) == surroundings(before, _TAGS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shares_are_there_and_the_memory_is_shared(name: str) -> None:
    root = parse(_edit(DOCUMENTS[name], *_ITEMS))
    shares = share.shares_in(root)
    assert [each.share.differences(shares[each.share.tag]) for each in _ITEMS] == [(), (), ()]
    assert domain_xml_memory.is_shared(root)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("cell", ["auto", "always"])
def test_a_second_edit_finds_nothing_to_do(name: str, cell: str) -> None:
    after = _edit(DOCUMENTS[name], *_ITEMS, numa_cell=cell)
    root = Document(after).copy()
    assert edited(root, wanted(after, *_ITEMS), options(numa_cell=cell), host()) == ()
    assert text(root) == text(Document(after).copy())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_was_added_can_be_taken_away_again(name: str) -> None:
    before = DOCUMENTS[name]
    after = _edit(_edit(before, *_ITEMS), *(absent(tag) for tag in sorted(_TAGS)))
    assert share.shares_in(parse(after)) == share.shares_in(parse(before))
    assert surroundings(after, frozenset()) == surroundings(before, frozenset())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_valid_before_means_valid_after(name: str, schema: etree.RelaxNG) -> None:
    if not schema.validate(parse(DOCUMENTS[name])):
        assert "11.3" in name, "only a newer libvirt writes what this schema does not know"
        return
    for given_options in ({}, {"memory": "file"}, {"memory": "hugepages"}, {"numa_cell": "always"}):
        after = parse(_edit(DOCUMENTS[name], *_ITEMS_OF_9, **given_options))
        assert schema.validate(after), (given_options, schema.error_log.last_error)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_secrets_are_kept(name: str) -> None:
    secrets = re.findall(r"s3cret-\w+|uuid='ec9be0c2[^']*'", DOCUMENTS[name].replace('"', "'"))
    after = _edit(DOCUMENTS[name], *_ITEMS).replace('"', "'")
    assert [secret for secret in secrets if secret not in after] == []


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_shared_is_refused(name: str) -> None:
    with pytest.raises(VirtiofsError, match="ondemand"):
        _edit(IMPOSSIBLE[name], *_ITEMS)


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
    after = _edit(before, *_ITEMS, memory=memory, numa_cell=cell)
    root = parse(after)
    assert domain_xml_memory.is_shared(root)
    assert set(share.shares_in(root)) >= _TAGS
    again = Document(after).copy()
    assert edited(again, wanted(after, *_ITEMS), options(memory=memory, numa_cell=cell), host()) == ()
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
    after = _edit(_ODD, item("new1", "/srv/1", cache="always"), item("new2", "/srv/2"))
    assert _without_elements_of(after, "new1", "new2") == before
    assert _edit(after, absent("new1"), absent("new2")) == before


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
    after = _edit(document, asked)
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


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("cell", ["auto", "always"])
def test_going_back_to_what_runs_gives_the_old_definition(name: str, cell: str) -> None:
    before = Document(DOCUMENTS[name])
    after = Document(_edit(DOCUMENTS[name], *_ITEMS, numa_cell=cell))
    assert after != before
    assert _without_devices_made(as_running(after, before)) == before.canonical


@pytest.mark.parametrize("name", DOCUMENTS)
def test_our_own_edits_are_no_pending_edits_of_others(name: str) -> None:
    after = Document(_edit(DOCUMENTS[name], *_ITEMS, numa_cell="always"))
    assert pending_edits(Document(DOCUMENTS[name]), after) == ()


def _without_devices_made(document: Document) -> str:
    root = document.copy()
    devices = root.find("devices")
    if devices is not None and not len(devices) and not devices.attrib:
        root.remove(devices)
    return canonical(root)


def _captured_pairs() -> list[str]:
    return [name[: -len("-live")] for name in DOCUMENTS if name.startswith("captured: ") and name.endswith("-live")]


@pytest.mark.parametrize("name", _captured_pairs())
def test_a_running_machine_has_no_pending_edits_until_somebody_makes_one(name: str) -> None:
    live, config = DOCUMENTS[f"{name}-live"], DOCUMENTS[f"{name}-definition"]
    assert pending_edits(Document(live), Document(config)) == ()
    for before, after in (
        ("<vcpu placement='static'>", "<vcpu placement='static'>1"),
        ("<on_crash>destroy", "<on_crash>restart"),
        ("<devices>", "<devices><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"),
        ("<audio id='1' type='none'/>", ""),
        ("<clock offset='utc'/>", "<clock offset='utc'><timer name='hpet' present='no'/></clock>"),
    ):
        assert before in config
        assert pending_edits(Document(live), Document(config.replace(before, after))) != ()
