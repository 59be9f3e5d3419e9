# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hypervisor keeps of the shares that its list has made: by this they are known when the list has them no more.

Pure: the text of the record, the list and what libvirt has now come in, rows and sentences go out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtio.fs.plugins.filter.shares import Share
from ansible_collections.virtio.fs.plugins.module_utils._domain.readonly_bind import is_bind
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

NO_LONGER = "made from virtiofs_host_shares of {}, and no longer in it"
REMEDY = "virtiofs_host_prune: true takes it away and keeps the data, as does listing it with state: absent"


@dataclass(frozen=True)
class Row:
    """One share of one domain. ``mount`` is where the list had the guest mount it, '' for nowhere."""

    uri: str
    domain: str
    uuid: str
    tag: str
    source: str
    mount: str
    name: str

    @property
    def place(self) -> str:
        """Where it is, for a sentence."""
        there = f", in the guest on {self.mount}" if self.mount else ""
        return f"{self.tag} (domain {self.domain}, {self.source}{there})"


def parsed(text: str, path: str) -> tuple[Row, ...]:
    """The rows of a record; none where there is none yet."""
    if not text.strip():
        return ()
    try:
        rows = tuple(Row(**row) for row in json.loads(text)["shares"])
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(
            f"{path} is not what this role has written to it: repair it, or remove it, and what was shared before is "
            f"no longer known as made from the list ({error})"
        ) from error
    if not all(isinstance(value, str) for row in rows for value in asdict(row).values()):
        raise AnsibleFilterError(f"{path} is not what this role has written to it: a value is no text")
    return rows


def written(rows: Iterable[Row]) -> str:
    """The text of a record with these rows, the same for the same rows."""
    return json.dumps({"shares": [asdict(row) for row in sorted(set(rows), key=_order)]}, indent=2) + "\n"


def _order(row: Row) -> tuple[str, ...]:
    return (row.uri, row.domain, row.tag, row.uuid)


def unlisted(rows: Iterable[Row], shares: Iterable[Share], uri: str) -> tuple[Row, ...]:
    """The rows of this libvirt that no item of the list names, present or absent."""
    listed = {(domain, share.tag) for share in shares for domain in share.domains}
    return tuple(row for row in rows if row.uri == uri and not {(row.domain, row.tag), (row.uuid, row.tag)} & listed)


def still_there(rows: Iterable[Row], domains: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Those whose domain still has that share of that directory; ``domains`` as virtiofs_info returns them.

    A domain of the same name and another UUID is another one, and a share of the same tag and another directory too.
    """
    by_uuid = {domain["uuid"]: domain for domain in domains}
    return tuple(
        replace(row, domain=by_uuid[row.uuid]["name"])
        for row in rows
        if row.uuid in by_uuid and any(_is_of(row, share) for share in _shares(by_uuid[row.uuid]))
    )


def _shares(domain: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (*domain["config"], *domain["live"])


def _is_of(row: Row, share: Mapping[str, Any]) -> bool:
    source = share.get("source")
    if share.get("tag") != row.tag or not source:
        return False
    # Where libvirt cannot share read-only itself, the domain has a bind mount of the directory.
    return normalized(source) == normalized(row.source) or is_bind(normalized(source))


def updated(
    rows: Iterable[Row],
    shares: Iterable[Share],
    root: str,
    uri: str,
    domains: Iterable[Mapping[str, Any]],
    kept: Iterable[Row],
) -> tuple[Row, ...]:
    """The rows after a run: the present shares of the list, and what is ``kept`` of those that it has no more.

    ``domains`` as virtiofs_domain returns them: a domain that is not among them keeps the rows that it has.
    """
    before = tuple(rows)
    known = {name: (one["domain"], one["uuid"]) for one in domains for name in (one["domain"], one["uuid"])}
    old = {(row.domain, row.tag): row for row in before if row.uri == uri}
    made: list[Row] = []
    for share in shares:
        for listed in share.domains if share.present else ():
            if listed in known:
                domain, uuid = known[listed]
                made.append(Row(uri, domain, uuid, share.tag, share.host_path(root), share.mount, share.name))
            elif (listed, share.tag) in old:
                made.append(old[listed, share.tag])
    return (*(row for row in before if row.uri != uri), *made, *kept)


def waits(row: Row, domains: Iterable[Mapping[str, Any]]) -> bool:
    """Whether it is still there: until a restart, or because the domain stands on it.

    ``domains`` are as virtiofs_domain returns them.
    """
    own = [domain for domain in domains if domain["uuid"] == row.uuid]
    return any(row.tag in (*domain["waiting"], *domain.get("kept", ())) for domain in own)


def refusal(rows: Iterable[Row], left: Iterable[Row], shares: Iterable[Share], root: str) -> str:
    """Why the run must not go on: a new share wants the mount point of one that the list has no more; '' when it may.

    The guest would refuse it, when its domain was restarted for it already. ``rows`` are the whole record, ``left``
    those that no item names.
    """
    known = {(row.domain, row.tag) for row in rows} | {(row.uuid, row.tag) for row in rows}
    for row in left:
        for share in shares:
            wants = share.present and share.mount and row.mount and normalized(share.mount) == normalized(row.mount)
            domains = [domain for domain in share.domains if domain in (row.domain, row.uuid)]
            if not wants or not domains or (domains[0], share.tag) in known:
                continue
            remedy = (
                f"nothing was changed for it. List {row.name!r} too, with state: absent, or set "
                "virtiofs_host_prune: true, and the old one goes first"
            )
            if row.name == share.name:
                return (
                    f"the share {row.name!r} has a new tag, {share.tag!r} for {row.tag!r}, on the same mount point "
                    f"{share.mount} in domain {row.domain}: nothing was changed for it. List one more share, with "
                    f"tag: {row.tag} and state: absent, or set virtiofs_host_prune: true, and the old one goes first"
                )
            if normalized(share.host_path(root)) == normalized(row.source):
                return (
                    f"the share {row.name!r} has a new name, {share.name!r}, with the same directory and the same "
                    f"mount point {share.mount} in domain {row.domain}: {remedy}"
                )
            return (
                f"the share {share.name!r} is to be mounted on {share.mount} in domain {row.domain}, where "
                f"{row.name!r} is, which is no longer in the list: {remedy}"
            )
    return ""
