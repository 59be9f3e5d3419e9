# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A domain's XML: read safely, edited in place, compared as data. The only file that imports lxml."""

from __future__ import annotations

import copy
import functools
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError

try:
    from lxml import etree
except ImportError:
    etree = None  # type: ignore[assignment]

# lxml's elements carry no types on the oldest supported distribution.
Element = Any


def available() -> bool:
    """Whether python3-lxml is there."""
    return etree is not None


class Document:
    """One domain document, parsed when first looked at. ``root`` is for reading; edit a :meth:`copy` of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._root: Element | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        # The text can hold passwords, and a repr ends up in logs and test reports.
        return f"<Document of {len(self.text)} characters>"

    @property
    def root(self) -> Element:
        if self._root is None:
            self._root = parse(self.text)
        return self._root

    @property
    def canonical(self) -> str:
        return canonical(self.root)

    def copy(self) -> Element:
        """A tree of its own, to be edited."""
        return copy.deepcopy(self.root.getroottree()).getroot()


def parse(text: str) -> Element:
    """The root element. Nothing is fetched, no entity is expanded and a DOCTYPE is refused.

    :raises VirtiofsError: it is not well-formed, or has a DOCTYPE.
    """
    try:
        root: Element = etree.fromstring(text.encode("utf-8", "surrogateescape"), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise VirtiofsError(f"the domain's XML cannot be parsed: {error}") from error
    # A DOCTYPE comes before the root element. To ask lxml takes as long as planning a share.
    if not text.startswith("<domain") and root.getroottree().docinfo.doctype:
        raise VirtiofsError("the domain's XML has a DOCTYPE, which is refused")
    return root


@functools.cache
def path(expression: str) -> Callable[[Element], list[Any]]:
    """A compiled XPath, for what is asked of every domain of a fleet: it takes a third of the time of ``find``."""
    return etree.XPath(expression, smart_strings=False)  # type: ignore[return-value]


@functools.cache
def _parser() -> Any:
    """One for all documents: making one takes as long as parsing a small domain. It can be used by many threads."""
    # libvirt keeps what is below <metadata> as it was written, CDATA too.
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, strip_cdata=False
    )


def can_hold(text: str) -> bool:
    """Whether the text can be in a document: https://www.w3.org/TR/xml/#charsets, without control characters."""
    return not any("\ud800" <= character <= "\udfff" or character in "\ufffe\uffff" for character in text)


def serialised(root: Element) -> str:
    return str(etree.tostring(root.getroottree(), encoding="unicode")) + "\n"


def serialised_element(element: Element) -> str:
    """One element by itself, as libvirt takes a device."""
    return str(etree.tostring(element, encoding="unicode", with_tail=False))


def canonical(root: Element) -> str:
    """Equal for documents that mean the same: attribute order, quotes and indentation do not count."""
    copied = etree.fromstring(etree.tostring(root))
    for element in copied.iter():
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
    return str(etree.tostring(copied, method="c14n").decode())


def child(parent: Element, tag: str) -> Element:
    """The child of that name, appended when it is missing."""
    found = parent.find(tag)
    return append(parent, parent.makeelement(tag)) if found is None else found


def append(parent: Element, element: Element) -> Element:
    """Add a child at the end, indented as its siblings are."""
    if len(parent):
        return insert_after(parent[-1], element)
    depth = sum(1 for dummy in parent.iterancestors()) + 1
    parent.text = "\n" + "  " * depth
    _indent(element, depth)
    element.tail = "\n" + "  " * (depth - 1)
    parent.append(element)
    return element


def insert_after(sibling: Element, element: Element) -> Element:
    parent = sibling.getparent()
    depth = sum(1 for dummy in sibling.iterancestors())
    _indent(element, depth)
    element.tail = sibling.tail
    sibling.tail = "\n" + "  " * depth
    parent.insert(parent.index(sibling) + 1, element)
    return element


def remove(element: Element) -> None:
    """Take the element away: what :func:`insert_after` did, undone. Text around it stays, a comment beside it too."""
    parent, previous = element.getparent(), element.getprevious()
    # lxml takes the text behind an element away with it.
    behind = element.tail or ""
    if previous is None:
        if behind.strip():
            parent.text = (parent.text or "") + behind
        elif len(parent) == 1 and not (parent.text or "").strip():
            parent.text = None
    elif (previous.tail or "").strip():
        previous.tail += behind
    else:
        previous.tail = element.tail
    parent.remove(element)


def _indent(element: Element, depth: int) -> None:
    children = list(element)
    if not children or (element.text or "").strip():
        return
    element.text = "\n" + "  " * (depth + 1)
    for item in children:
        _indent(item, depth + 1)
        item.tail = "\n" + "  " * (depth + 1)
    children[-1].tail = "\n" + "  " * depth
