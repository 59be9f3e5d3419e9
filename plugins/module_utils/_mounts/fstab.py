# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fstab text -> fstab text. Only the line of the entry changes, every other byte stays.

The format is that of fstab(5), read as libmount and glibc read it: fields are separated by spaces and tabs,
``\\ooo`` is an octal escape, a line may end after any field, and what follows the sixth field is a comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system import files
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

# The one that systemd makes mount units of.
SYSTEM = "/etc/fstab"

_ESCAPE = re.compile(rb"\\([0-7]{3})")
_FIELD = re.compile(r"([ \t]*)([^ \t]+)")
# A comma in double quotes belongs to the value: context="system_u:object_r:x:s0:c1,c2".
_OPTION = re.compile(r'(?:[^,"]|"[^"]*"|")+')
_QUOTED = re.compile(r'"[^"]*"')
# More digits than an int of C has are no number, and Python refuses to read thousands of them.
_NUMBER = re.compile(r"[0-9]{1,10}")


def read(path: str) -> str:
    """The text of fstab, '' where it is missing.

    :raises VirtiofsError: it is not a regular file, or cannot be read.
    """
    return files.read(path)


def edit(path: str, change: Callable[[str], str]) -> bool:
    """Replace the text of fstab by ``change(text)``, under a lock; True when that made a difference.

    The only function of the collection that writes fstab. ``change`` gets the text of now, which may not be the one
    that was planned for, and raises a VirtiofsError to leave it as it is.

    :raises VirtiofsError: with the system's own message; the old file is then in place, untouched.
    """
    return files.edit(path, change)


@dataclass(frozen=True)
class Entry:
    """One line of fstab, its fields decoded."""

    spec: str
    path: str
    fstype: str
    options: tuple[str, ...]
    dump: int = 0
    passno: int = 0

    @property
    def tag(self) -> tuple[str, str] | None:
        """``('LABEL', 'data')`` for a spec ``LABEL=data`` or ``LABEL="data"``; None for anything else."""
        name, equals, value = self.spec.partition("=")
        if not equals or name not in ("LABEL", "UUID", "PARTLABEL", "PARTUUID", "ID"):
            return None
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        return name, value

    @property
    def mount_point(self) -> str:
        """The path in the one spelling that is compared; ``none`` for swap."""
        return normalized(self.path)


def entries(text: str) -> tuple[Entry, ...]:
    """The entries of an fstab text, in order; comments and lines that are no entry are left out."""
    return tuple(line.entry for line in _lines(text) if line.entry is not None)


def with_entry(text: str, entry: Entry) -> str:
    """The text with this entry: in place of the line of the same mount point, else at the end.

    A second line for the same mount point would mount over the first one, so it is removed.

    :raises VirtiofsError: a field cannot be written so that every reader of fstab gets it back.
    """
    _refuse_unwritable(entry)
    result: list[str] = []
    written = False
    last_ending = "\n"
    for line in _lines(text):
        if line.entry is None or line.entry.mount_point != entry.mount_point:
            result.append(line.raw)
        elif not written:
            result.append(line.raw if line.entry == entry else line.replaced_by(entry))
            written = True
        if line.ending.endswith("\n"):  # A last line may end with a lone carriage return, which ends no line.
            last_ending = line.ending
    if not written:
        if result and not result[-1].endswith("\n"):
            result.append(last_ending)
        result.append(" ".join(_fields(entry)) + last_ending)
    return "".join(result)


def without_entries(text: str, matches: Callable[[Entry], bool]) -> str:
    """The text without the lines whose entry matches."""
    return "".join(line.raw for line in _lines(text) if line.entry is None or not matches(line.entry))


@dataclass(frozen=True)
class _Line:
    raw: str
    ending: str
    fields: tuple[tuple[str, str], ...]  # each with the blanks before it
    rest: str
    entry: Entry | None

    def replaced_by(self, entry: Entry) -> str:
        """This line with the values of ``entry``; its layout, a trailing comment and the line's end stay."""
        result = ""
        for position, value in enumerate(_fields(entry)):
            blanks, old = self.fields[position] if position < len(self.fields) else (" ", "")
            result += blanks + (old if old and _decoded(old) == _decoded(value) else value)
        return result + self.rest + self.ending


def _lines(text: str) -> Iterator[_Line]:
    # Not splitlines(): it also splits at form feeds and Unicode separators, which fstab knows nothing of.
    for raw in re.findall(r"[^\n]*\n|[^\n]+", text):
        body = raw[:-1] if raw.endswith("\n") else raw
        body = body[:-1] if body.endswith("\r") else body
        fields, rest = _split(body)
        yield _Line(raw, raw[len(body) :], fields, rest, _entry([field for _blanks, field in fields]))


def _split(body: str) -> tuple[tuple[tuple[str, str], ...], str]:
    fields: list[tuple[str, str]] = []
    position = 0
    while len(fields) < 6:
        match = _FIELD.match(body, position)
        if match is None:
            break
        field = match.group(2)
        # The first three may contain a '#'. After them, only what cannot be a field begins a comment.
        if len(fields) in (0, 3) and field.startswith("#"):
            break
        if len(fields) in (4, 5) and not _NUMBER.fullmatch(field):
            break
        fields.append((match.group(1), field))
        position = match.end()
    return tuple(fields), body[position:]


def _entry(fields: list[str]) -> Entry | None:
    if len(fields) < 3:
        return None
    spec, path, fstype = (_decoded(field) for field in fields[:3])
    options = tuple(_OPTION.findall(_decoded(fields[3]))) if len(fields) > 3 else ()
    dump, passno = (int(fields[at]) if len(fields) > at else 0 for at in (4, 5))
    return Entry(spec, path, fstype, options, dump, passno)


def _fields(entry: Entry) -> tuple[str, ...]:
    options = ",".join(option for option in entry.options if option) or "defaults"
    texts = (entry.spec, entry.path, entry.fstype, options)
    return (*(_encoded(text) for text in texts), str(entry.dump), str(entry.passno))


def _decoded(field: str) -> str:
    # On bytes, because an escape may stand for one byte of a character of several; in one pass, because
    # an escaped backslash must not begin another escape.
    raw = field.encode("utf-8", "surrogateescape")
    raw = _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8) & 0xFF]), raw)
    return raw.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> str:
    return "".join({" ": "\\040", "\t": "\\011", "\\": "\\134"}.get(character, character) for character in text)


def _refuse_unwritable(entry: Entry) -> None:
    for name, text in (
        ("source", entry.spec),
        ("mount point", entry.path),
        ("filesystem type", entry.fstype),
        *(("option", option) for option in entry.options),
    ):
        if re.search(r"[\x00\n\r]", text):
            raise VirtiofsError(f"the {name} {text!r} has a NUL, newline or carriage return, which fstab cannot hold")
        if not text and name != "option":
            raise VirtiofsError(f"an fstab line for {entry.path or entry.spec!r} needs a {name}")
        if name == "option" and ("," in _QUOTED.sub("", text) or text.count('"') % 2):
            raise VirtiofsError(f"the option {text!r} has a comma or an open quote in it: give each option on its own")
    if entry.spec.startswith("#"):
        # libmount would read \043, glibc (and so systemd) would not.
        raise VirtiofsError(f"the source {entry.spec!r} begins with '#', and fstab would take its line for a comment")
    if not os.path.isabs(entry.path):
        raise VirtiofsError(f"the mount point {entry.path!r} is not an absolute path")
