# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the one list of a hypervisor to partitions, domain shares, guest mounts and proofs.

Pure: values in, values out. Every filter reads the whole list first, so an error is found before anything is done.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import SHARE_OPTIONS
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

ROOT = "/shared"

# What a share hands to virtiofs_domain as it is.
DOMAIN_OPTIONS = (
    *(option.name for option in SHARE_OPTIONS),
    "require_mountpoint",
    "allow_unsafe_source",
    "sole_writer",
)
DIRECTORY_OPTIONS = ("owner", "group", "mode")
STORAGE_PLACES = ("disk", "device", "image")
# What virtiofs_partition takes; path and state are those of the share.
STORAGE_KEYS = (
    *STORAGE_PLACES,
    "label",
    "size",
    "fstype",
    "reserved_percent",
    "mkfs_options",
    "mount_options",
    "allow_suid",
    "allow_dev",
    "passno",
    *DIRECTORY_OPTIONS,
    "grow",
    "overwrite",
)

_KEYS = (
    "name",
    "tag",
    "path",
    "storage",
    "domains",
    "mount",
    "mount_options",
    "automount",
    "state",
    *DIRECTORY_OPTIONS,
    *DOMAIN_OPTIONS,
)
_OVERRIDES = ("path", "options", "automount")


@dataclass(frozen=True)
class Share:
    """One item of ``virtiofs_host_shares``, checked."""

    name: str
    tag: str
    domains: tuple[str, ...]
    path: str = ""
    storage: Mapping[str, Any] | None = None
    mount: str = ""
    mount_options: tuple[str, ...] | None = None
    automount: bool | None = None
    present: bool = True
    directory: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def host_path(self, root: str) -> str:
        """The directory on the hypervisor that the guests see."""
        if self.path:
            return self.path
        if self.storage is not None:
            return posixpath.join(root, self.storage["label"])
        return posixpath.join(root, self.name)


@dataclass(frozen=True)
class GuestMount:
    """One share as one guest mounts it."""

    share: Share
    path: str
    options: tuple[str, ...] | None
    automount: bool | None


def read_shares(raw: Any) -> tuple[Share, ...]:
    """Check the list, item by item and across items."""
    shares = tuple(_share(item, number) for number, item in enumerate(_list(raw, "virtiofs_host_shares"), 1))
    for name in _twice(share.name for share in shares):
        raise AnsibleFilterError(f"the share {name!r} is in the list twice: names are unique")
    for domain, tag in _twice((domain, share.tag) for share in shares for domain in share.domains):
        raise AnsibleFilterError(f"the domain {domain!r} gets the tag {tag!r} twice: tags are unique in a domain")
    return shares


def _share(item: Any, number: int) -> Share:
    if not isinstance(item, Mapping):
        raise AnsibleFilterError(f"item {number} of virtiofs_host_shares is {item!r}: write name, domains and so on")
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise AnsibleFilterError(f"item {number} of virtiofs_host_shares has no name, or one that is no string")
    where = f"the share {name!r}"
    _refuse_unknown(item, _KEYS, where)
    if "/" in name or name in (".", ".."):
        raise AnsibleFilterError(f"{where} would not be one directory: a name has no slash and is not '.' or '..'")
    if item.get("domains") is None:
        raise AnsibleFilterError(f"{where} has no domains: list the libvirt domains that get it, or [] for none")
    state = _or(item.get("state"), "present")
    if state not in ("present", "absent"):
        raise AnsibleFilterError(f"{where} has state {state!r}: it is present or absent")
    mount_options = item.get("mount_options")
    return Share(
        name=name,
        tag=_string(_or(item.get("tag"), name), f"{where}, tag"),
        domains=tuple(_strings(item["domains"], f"{where}, domains")),
        path=_absolute(item.get("path"), f"{where}, path"),
        storage=_storage(item.get("storage"), name, where),
        mount=_absolute(item.get("mount"), f"{where}, mount"),
        mount_options=None if mount_options is None else tuple(_strings(mount_options, f"{where}, mount_options")),
        automount=item.get("automount"),
        present=state == "present",
        directory=_given(item, DIRECTORY_OPTIONS),
        options=_options(item, where),
    )


def _options(item: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    given = _given(item, DOMAIN_OPTIONS)
    for key in ("map_users", "map_groups"):
        for pair in _list(given.get(key, ()), f"{where}, {key}"):
            if not isinstance(pair, Mapping) or set(pair) != {"guest", "host"}:
                raise AnsibleFilterError(f"{where}, {key} has {pair!r}: write guest, a number, and host, a name")
    return given


def _storage(raw: Any, name: str, where: str) -> Mapping[str, Any] | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise AnsibleFilterError(f"{where}, storage is {raw!r}: write disk and size, device, or image and size")
    for key, instead in (("path", "the path of the share"), ("state", "the state of the share")):
        if key in raw:
            raise AnsibleFilterError(f"{where}, storage has a {key}: {instead} says it")
    _refuse_unknown(raw, STORAGE_KEYS, f"{where}, storage")
    places = [place for place in STORAGE_PLACES if raw.get(place) is not None]
    if len(places) != 1:
        found = " and ".join(places) if places else "none of them"
        raise AnsibleFilterError(f"{where}, storage wants one of disk, device and image, and has {found}")
    label = _string(_or(raw.get("label"), name), f"{where}, storage label")
    return {**{key: value for key, value in raw.items() if value is not None}, "label": label}


def read_overrides(raw: Any) -> Mapping[str, Mapping[str, Any]]:
    """Check ``virtiofs_guest_overrides``."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise AnsibleFilterError(f"virtiofs_guest_overrides is {raw!r}: write a tag, and below it path or options")
    for tag, override in raw.items():
        if not isinstance(override, Mapping):
            raise AnsibleFilterError(f"virtiofs_guest_overrides, {tag!r} is {override!r}: write path or options")
        _refuse_unknown(override, _OVERRIDES, f"virtiofs_guest_overrides, {tag!r}")
    return raw


def mounts_of(shares: Iterable[Share], domain: str, overrides: Mapping[str, Mapping[str, Any]]) -> list[GuestMount]:
    """What the guest in this domain mounts, the absent ones included."""
    mounts = []
    for share in shares:
        if domain not in share.domains:
            continue
        override = overrides.get(share.tag, {})
        where = f"virtiofs_guest_overrides, {share.tag!r}"
        path = _absolute(override.get("path"), f"{where}, path") or share.mount
        options = override.get("options")
        if path:
            mounts.append(
                GuestMount(
                    share=share,
                    path=path,
                    options=share.mount_options if options is None else tuple(_strings(options, f"{where}, options")),
                    automount=_or(override.get("automount"), share.automount),
                )
            )
    for path in _twice(normalized(mount.path) for mount in mounts if mount.share.present):
        raise AnsibleFilterError(f"two shares want the mount point {path!r} in the guest of {domain!r}")
    return mounts


def partitions(shares: Any, state: str = "present") -> list[dict[str, Any]]:
    """The items of virtiofs_partition for the shares that are in this state.

    What another share still uses, as when a share gets a new name, is not taken from under it.
    """
    items: list[dict[str, Any]] = []
    listed = read_shares(shares)
    used = _storage_in_use(share for share in listed if share.present)
    for share in listed:
        if share.storage is None or share.present != (state == "present"):
            continue
        if not share.present and (used(share) or share.storage["label"] in (item["label"] for item in items)):
            continue
        item = {**share.directory, **share.storage, "state": state}
        if share.path:
            item["path"] = share.path
        items.append(item)
    return items


def _storage_in_use(shares: Iterable[Share]) -> Callable[[Share], bool]:
    """Whether the storage of a share is that of one of these too: it has one label, and one mount point."""
    using = [share for share in shares if share.storage is not None]
    labels = {(share.storage or {})["label"] for share in using}
    paths = {normalized(share.path) for share in using if share.path}
    return lambda share: (
        (share.storage or {}).get("label") in labels or (bool(share.path) and normalized(share.path) in paths)
    )


def directories(shares: Any, root: str = ROOT) -> list[dict[str, Any]]:
    """The plain directories to make: present shares without storage of their own.

    Their parent comes first, made closed to everybody but root, as it is above the mount points of storage. One that
    is there may hold what others use: it keeps its mode.
    """
    mounted = {normalized(share.host_path(root)) for share in read_shares(shares) if share.storage is not None}
    items: dict[str, dict[str, Any]] = {}
    for share in read_shares(shares):
        path = share.host_path(root)
        if share.storage is None and share.present and normalized(path) not in mounted:
            items.setdefault(path, {"path": path}).update(share.directory)
    closed = [{"path": root, "new_mode": "0700"}] if any(_is_in(path, root) for path in items) else []
    return closed + list(items.values())


def _is_in(path: str, root: str) -> bool:
    return posixpath.dirname(normalized(path)) == normalized(root)


def domain_shares(
    shares: Any,
    root: str = ROOT,
    unmounted: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """The items of virtiofs_domain.

    ``unmounted`` has the tags that a guest has unmounted, by domain: these may be detached from a running machine.
    """
    seen = unmounted or {}
    items = []
    for share in read_shares(shares):
        for domain in share.domains:
            item: dict[str, Any] = {"domain": domain, "tag": share.tag, "source": share.host_path(root)}
            if share.present:
                if share.storage is not None:
                    item["require_mountpoint"] = True
                item.update(share.options)
                item["state"] = "present"
            else:
                item["state"] = "absent"
                if share.tag in seen.get(domain, ()):
                    item["guest_unmounted"] = True
            items.append(item)
    return items


def guest_mounts(shares: Any, domain: str, overrides: Any = None, state: str | None = None) -> list[dict[str, Any]]:
    """The items of virtiofs_guest_mount for the guest in this domain; with ``state`` only mounted or absent ones."""
    items = []
    for mount in mounts_of(read_shares(shares), domain, read_overrides(overrides)):
        wanted = "mounted" if mount.share.present else "absent"
        if state not in (None, wanted):
            continue
        item: dict[str, Any] = {"tag": mount.share.tag, "path": mount.path, "state": wanted}
        if mount.share.present:
            if mount.options is not None:
                item["options"] = list(mount.options)
            if mount.automount is not None:
                item["automount"] = mount.automount
        items.append(item)
    return items


def leaving(shares: Any, names: Any = None) -> list[dict[str, Any]]:
    """The shares that are on their way out, as absent ones; with ``names`` exactly the named ones."""
    wanted = None if names is None else set(_strings(names, "virtiofs_unshare"))
    chosen: list[dict[str, Any]] = []
    listed = read_shares(shares)
    going = {share.name for share in listed if (not share.present if wanted is None else share.name in wanted)}
    used = _storage_in_use(share for share in listed if share.present and share.name not in going)
    for item, share in zip(shares or [], listed):
        if share.name in going:
            kept = {"storage": None} if share.storage is not None and used(share) else {}
            chosen.append({**item, **kept, "state": "absent"})
    return chosen


def shares_of(variables: Any, hypervisor: str) -> list[dict[str, Any]]:
    """The list of a hypervisor, out of ``hostvars``; an error that says why when it cannot be read."""
    name = "virtiofs_guest_hypervisor"
    if not isinstance(hypervisor, str) or not hypervisor:
        raise AnsibleFilterError(f"{name} is not set: give each guest the inventory name of its hypervisor")
    if hypervisor not in variables:
        raise AnsibleFilterError(f"{name} is {hypervisor!r}, and the inventory has no such host")
    host = variables[hypervisor]
    if "virtiofs_host_shares" not in host:
        raise AnsibleFilterError(
            f"virtiofs_host_shares of {hypervisor} cannot be read from here: put it into the inventory "
            "(host_vars, group_vars) or extra variables; play variables and role defaults of another host stay there"
        )
    shares: list[dict[str, Any]] = host["virtiofs_host_shares"]
    read_shares(shares)
    return shares


def filesystems(shares: Any) -> list[str]:
    """The filesystem types that the shares' storage asks for."""
    present = [share for share in read_shares(shares) if share.present and share.storage is not None]
    return sorted({str(_or((share.storage or {}).get("fstype"), "ext4")) for share in present})


def proofs(
    shares: Any, domain: str, overrides: Any = None, root: str = ROOT, result: Any = None
) -> list[dict[str, Any]]:
    """What there is to prove for the guest in this domain: the two ends of each mounted share.

    ``result`` is what virtiofs_domain returned in this run: whether a share that waits for a restart can be written to
    is proven after that.
    """
    waiting = {
        tag
        for entry in (result or {}).get("restart_required", ())
        for tag, options in entry.get("options", {}).items()
        if entry["domain"] == domain and "readonly" in options
    }
    return [
        {
            "share": mount.share.name,
            "tag": mount.share.tag,
            "host_path": mount.share.host_path(root),
            "guest_path": mount.path,
            "readonly": bool(mount.share.options.get("readonly", False)) or "ro" in (mount.options or ()),
            **({"waits": True} if mount.share.tag in waiting else {}),
        }
        for mount in mounts_of(read_shares(shares), domain, read_overrides(overrides))
        if mount.share.present
    ]


def _refuse_unknown(given: Iterable[Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            raise AnsibleFilterError(f"{where} has the unknown key {key!r}: {hint}")


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _given(item: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: item[key] for key in keys if item.get(key) is not None}


def _list(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise AnsibleFilterError(f"{where} is {value!r}: write a list")
    return value


def _strings(value: Any, where: str) -> list[str]:
    return [_string(item, where) for item in _list(value, where)]


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise AnsibleFilterError(f"{where} has {value!r}: write a string, in quotes where YAML would read a number")
    return value


def _absolute(value: Any, where: str) -> str:
    if value is None:
        return ""
    path = _string(value, where)
    if not path.startswith("/"):
        raise AnsibleFilterError(f"{where} is {path!r}: write an absolute path")
    return path


def _twice(keys: Iterable[Any]) -> list[Any]:
    seen: set[Any] = set()
    twice = []
    for key in keys:
        if key in seen:
            twice.append(key)
        seen.add(key)
    return twice


class FilterModule:
    """The filters of the roles and playbooks."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "directories": directories,
            "domain_shares": domain_shares,
            "filesystems": filesystems,
            "guest_mounts": guest_mounts,
            "leaving": leaving,
            "partitions": partitions,
            "proofs": proofs,
            "shares_of": shares_of,
        }
