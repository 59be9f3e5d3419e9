# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list for ``virtiofs_host_shares`` that describes what is there. Pure.

A share that several domains have alike becomes one item. What the list cannot say is told in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import expanded
from ansible_collections.virtio.fs.plugins.module_utils._domain import readonly_bind
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Domain, Source, State
from ansible_collections.virtio.fs.plugins.module_utils._mounts.fstab import Entry
from ansible_collections.virtio.fs.plugins.module_utils._mounts.options import PARTITION_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

# A filesystem that virtiofs_partition makes.
_FSTYPES = ("ext4", "xfs", "btrfs")

# The role's own choice, which needs no saying.
_PARTITION_PASSNO = 2
_GUEST_OPTIONS = ("rw", "_netdev", "nosuid", "nodev", "nofail")
_AUTOMOUNT = "x-systemd.automount"


@dataclass(frozen=True)
class _Found:
    """A share of one domain: ``path`` is the directory behind a read-only bind mount."""

    domain: Domain
    share: Share
    path: str
    options: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        return self.share.tag, self.path, repr(sorted(self.options.items()))


def as_shares(state: State) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The list, and what it could not take up."""
    found, said = _found(state)
    groups: dict[tuple[str, str, str], list[_Found]] = {}
    for each in found:
        groups.setdefault(each.key, []).append(each)
    names = _names([group[0] for group in groups.values()])
    items = []
    stored: set[str] = set()
    for name, group in zip(names, groups.values()):
        item, sentences = _item(name, group, state, stored)
        items.append(item)
        said.extend(sentences)
    return items, tuple(said)


def _found(state: State) -> tuple[list[_Found], list[str]]:
    found, said = [], []
    for domain in state.domains:
        for tag, share in domain.config.items():
            if share.source is None:
                said.append(f"share {tag} of domain {domain.name} has a daemon of its own (a socket): it is left out")
                continue
            path, readonly = _behind(share, state.fstab)
            # Whether it is read-only, the directory behind a bind mount tells.
            told = as_given(expanded(share, state.host.scripts).options)
            options = {name: value for name, value in told.items() if name != "readonly"}
            if readonly:
                options["readonly"] = True
            found.append(_Found(domain, share, path, options))
        for tag in domain.live:
            if tag not in domain.config:
                said.append(f"share {tag} of domain {domain.name} is only in the running machine: it is left out")
    return found, said


def _behind(share: Share, fstab: Iterable[Entry]) -> tuple[str, bool]:
    path = normalized(share.source or "/")
    if readonly_bind.is_bind(path):
        for entry in fstab:
            if entry.mount_point == path and "bind" in entry.options:
                return normalized(entry.spec), True
    return path, bool(share.readonly)


def _names(found: Sequence[_Found]) -> list[str]:
    """The tag where it is the only one, and else with the first domain's name."""
    wanted = [_plain(each.share.tag) for each in found]
    times = Counter(wanted)
    names: dict[str, None] = {}
    for each, name in zip(found, wanted):
        candidate = name if times[name] == 1 else f"{name}-{_plain(each.domain.name)}"
        number = 2
        while candidate in names:
            candidate = f"{name}-{_plain(each.domain.name)}-{number}"
            number += 1
        names[candidate] = None
    return list(names)


def _plain(tag: str) -> str:
    """A tag may have a slash, a name may not."""
    name = tag.replace("/", "-").strip()
    return "share" if name in ("", ".", "..") else name


def _item(name: str, group: Sequence[_Found], state: State, stored: set[str]) -> tuple[dict[str, Any], list[str]]:
    first = group[0]
    item: dict[str, Any] = {"name": name}
    if first.share.tag != name:
        item["tag"] = first.share.tag
    item["path"] = first.path
    source = state.sources.get(first.path)
    said: list[str] = []
    # A filesystem is made once, however many shares lead to it.
    if source is not None and first.path not in stored:
        storage = _storage(source, state)
        if storage is not None:
            item["storage"] = storage
            stored.add(first.path)
    item["domains"] = [each.domain.name for each in group]
    mount, sentences = _mount(name, group)
    item.update(mount)
    said.extend(sentences)
    item.update(first.options)
    return item, said


def _storage(source: Source, state: State) -> dict[str, Any] | None:
    """For a filesystem of its own that fstab mounts by label right on the shared path."""
    entry = next((entry for entry in state.fstab if entry.mount_point == source.path), None)
    if entry is None or entry.tag is None or entry.fstype not in _FSTYPES:
        return None
    kind, label = entry.tag
    mount = source.mount
    if kind != "LABEL" or mount is None or mount.path != source.path:
        return None
    storage: dict[str, Any] = {
        "device": state.block_links.get(mount.source, mount.source),
        "label": label,
        "fstype": entry.fstype,
    }
    if set(entry.options) != set(PARTITION_OPTIONS):
        storage["mount_options"] = list(entry.options)
    for option, lacking in (("allow_suid", "nosuid"), ("allow_dev", "nodev")):
        if lacking not in entry.options:
            storage[option] = True
    if entry.passno != _PARTITION_PASSNO:
        storage["passno"] = entry.passno
    return storage


def _mount(name: str, group: Sequence[_Found]) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    seen: list[tuple[str, str, Entry | None]] = []
    for each in group:
        tag = each.share.tag
        lines = (entry for entry in each.domain.fstab or () if entry.fstype == "virtiofs")
        entry = next((entry for entry in lines if entry.spec == tag), None)
        path = next((mount.path for mount in each.domain.mounts or () if mount.source == tag), None)
        if entry is not None:
            path = path or entry.mount_point
        if path is not None and _holds_template((path, *(entry.options if entry is not None else ()))):
            what = "tells a mount point or options with a template in it: left out"
            said.append(f"share {name}: {each.domain.name} {what}")
        elif path is not None:
            seen.append((each.domain.name, path, entry))
        elif each.domain.mounts is None and each.domain.running:
            said.append(f"share {name}: the agent of {each.domain.name} does not tell where it is mounted")
        elif not each.domain.running:
            said.append(f"share {name}: domain {each.domain.name} is off, so nobody tells where it is mounted")
    if not seen:
        return {}, said
    _domain, path, entry = seen[0]
    for other, its_path, _entry in seen[1:]:
        if its_path != path:
            said.append(f"share {name}: {other} mounts it on {its_path}: say so in its virtiofs_guest_overrides")
    mount: dict[str, Any] = {"mount": normalized(path)}
    if entry is not None:
        options = [option for option in entry.options if option != _AUTOMOUNT]
        if set(options) != set(_GUEST_OPTIONS):
            mount["mount_options"] = options
        if _AUTOMOUNT in entry.options:
            mount["automount"] = True
    return mount, said


def _holds_template(words: Iterable[str]) -> bool:
    """Whether Ansible would evaluate this: root of a guest chooses the words, and the list is put into an inventory."""
    return any(opening in word for word in words for opening in ("{{", "{%", "{#"))


def as_given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a share as the list has them."""
    return {name: _as_given(value) for name, value in options.items()}


def _as_given(value: Any) -> Any:
    if isinstance(value, IdMap):
        return _idmap(value)
    return [{"guest": pair.guest, "host": pair.host} for pair in value] if isinstance(value, tuple) else value


def _idmap(mapping: IdMap) -> dict[str, list[dict[str, int]]]:
    return {
        kind: [{"start": each.start, "target": each.target, "count": each.count} for each in getattr(mapping, kind)]
        for kind in ("uid", "gid")
    }
