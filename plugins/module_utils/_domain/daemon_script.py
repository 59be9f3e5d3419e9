# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that libvirt has no element for: the share then has a script as its binary that tells virtiofsd. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtio.fs.plugins.module_utils._daemon.arguments import problem
from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import Script, differing, is_name
from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import RemoveScript, WriteScript
from ansible_collections.virtio.fs.plugins.module_utils._domain.state import Host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import Item, asks_the_daemon
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import BY_NAME, OF_DAEMON
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError, at
from ansible_collections.virtio.fs.plugins.module_utils._system import paths

# They only hold where nobody else writes to the directory: the guest keeps what it has written, or mapped, to itself.
_ALONE = ("writeback", "allow_mmap")


def as_element(item: Item, existing: Share | None, host: Host, directory: str) -> Item:
    """Decide which program serves the share: the item as its element shall say it.

    What a script tells the daemon already and the item leaves out stays. Where nothing is left to be told, the share
    has the daemon itself.
    """
    share = item.share
    if item.absent:
        return item
    there = existing.binary if existing is not None else None
    # Also a script of ours can be named as the daemon: it says the same as its options would.
    found = host.scripts.get(share.binary or "") or host.scripts.get(there or "")
    asked = asks_the_daemon(share)
    if not asked and (found is None or (share.binary is None and share.cache is None)):
        return item
    options = _merged({} if found is None else found.script.options, share, asked)
    daemon = there if found is None else found.script.daemon
    if share.binary and share.binary not in host.scripts:
        daemon = share.binary
    if daemon is not None and is_name(daemon):
        # A script of ours that is gone, or broken.
        daemon = None
    plain: dict[str, Any] = dict.fromkeys(OF_DAEMON)
    if "cache" in options:
        plain["cache"] = BY_NAME["cache"].unsaid
    if not options:
        binary = daemon or (host.virtiofsd.path if found is not None and host.virtiofsd is not None else None)
        return replace(item, share=share.but(**plain, binary=binary))
    script = Script(options, daemon)
    return replace(item, share=share.but(**plain, binary=script.place(directory)), script=script)


def _merged(before: Mapping[str, Any], share: Share, asked: Sequence[str]) -> dict[str, Any]:
    options = dict(before)
    if share.cache is not None:
        options.pop("cache", None)
    if share.map_users is not None:
        # Groups belong to their users: left out, they are those users' own.
        options.pop("map_groups", None)
    options.update((name, getattr(share, name)) for name in asked)
    left = {name: value for name, value in options.items() if name not in BY_NAME or value != BY_NAME[name].default}
    # In the order of the table, and what it does not have behind that.
    return {name: left[name] for name in (*BY_NAME, *left) if name in left}


def check(items: Iterable[Item], host: Host) -> None:
    """Whether the daemons that are here can do what they would be told.

    :raises VirtiofsError: naming the item, the option and the version that can.
    """
    for item in items:
        if item.script is None:
            continue
        if urlsplit(host.uri).path == "/session":
            option = next(iter(item.script.options))
            raise VirtiofsError(
                at(item.label, option) + f"a script of root's tells virtiofsd, and {host.uri} is not root's"
            )
        daemon = host.daemon(item.binary)
        found = None if daemon is None else problem(item.script.options, daemon)
        if found:
            raise VirtiofsError(at(item.label, found[0]) + found[1])


def check_writers(items: Sequence[Item]) -> None:
    """Whether somebody else writes where a guest keeps what it has written to itself.

    :raises VirtiofsError: naming the item and the option.
    """
    present = [item for item in items if not item.absent and item.share.source]
    for item in present:
        option = next((name for name in _ALONE if getattr(item.share, name)), None)
        if option is None:
            continue
        if not item.sole_writer:
            raise VirtiofsError(
                at(item.label, option) + "data is lost or stale where another guest or the hypervisor writes to "
                f"{item.share.source} too: set sole_writer once you have seen that nobody does"
            )
        source = paths.normalized(item.share.source)
        for other in present:
            if other is not item and not other.share.readonly and paths.normalized(other.share.source) == source:
                raise VirtiofsError(at(item.label, option) + f"{other.label} writes to {item.share.source} too")


def words(names: Iterable[str], item: Item, found: Share | None, host: Host) -> tuple[str, ...]:
    """The options that differ, as the user knows them: a script is how virtiofsd is told."""
    there = host.scripts.get(found.binary) if found is not None and found.binary else None
    told = differing(item.script, None if there is None else there.script)
    named: list[str] = []
    for name in names:
        named.extend(told if name == "binary" and told else [name])
    return tuple(dict.fromkeys(named))


def wanted_scripts(items: Iterable[Item]) -> dict[str, Script]:
    """The scripts that these items name, by path."""
    return {item.share.binary: item.script for item in items if item.script is not None and item.share.binary}


def steps_before(wanted: Mapping[str, Script], host: Host, texts: Mapping[str, str]) -> tuple[WriteScript, ...]:
    """Those of these scripts that are not here as they shall be. One without a text waits for its daemon."""
    steps = []
    for path, script in wanted.items():
        found, text = host.scripts.get(path), texts.get(path, "")
        if found is None or not found.safe or found.text != text:
            steps.append(WriteScript(path, text, tuple(script.options)))
    return tuple(steps)


def steps_after(used: Iterable[str | None], host: Host) -> tuple[RemoveScript, ...]:
    """The scripts of ours that nothing uses any more."""
    in_use = set(used)
    return tuple(RemoveScript(path) for path in sorted(host.scripts) if path not in in_use)
