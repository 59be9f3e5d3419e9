# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts know of each other while a playbook runs: who waits, who unmounted what, who has which share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# The share is there, with the options of before: such a guest can mount it.
_USABLE = ("mounted", "mount_unknown")
_FORCED = ("daemon_dead",)


def waiting(variables: Any, hypervisor: str, domain: str, tags: Iterable[str] = ()) -> str:
    """Why the guest cannot have these shares before its domain restarts, and what to do; '' when it can.

    Known when the hypervisor's part of this run came before; without it, the mount itself says what is missing.
    """
    wanted = set(tags)
    sentences = []
    forced = False
    for entry in _result(variables, hypervisor).get("restart_required", ()):
        if entry["domain"] == domain and entry["reason"] not in _USABLE and wanted.intersection(entry["tags"]):
            sentences.append(entry["message"])
            forced = forced or entry["reason"] in _FORCED
    if not sentences:
        return ""
    variable = "virtiofs_host_apply: restart" + (" and virtiofs_host_force_off: true" if forced else "")
    return f"{'; '.join(sentences)}. Set {variable} to have that done, or do it yourself, and run the play again"


def held_up(variables: Any, hypervisor: str) -> str:
    """Why a guest cannot go on in this run: its hypervisor was not reached, or failed; '' when it can.

    Known when the hypervisor's part of this run came before.
    """
    if not hypervisor or hypervisor not in variables:
        return ""
    host = variables[hypervisor]
    reached = host.get("virtiofs_host_reached")
    if not isinstance(reached, Mapping):
        return ""
    if reached.get("unreachable"):
        return f"the hypervisor {hypervisor} could not be reached, nothing was changed here: run the playbook again"
    result = host.get("virtiofs_host_result")
    if not isinstance(result, Mapping) or result.get("failed"):
        return f"the hypervisor {hypervisor} failed in this run, as told above"
    return ""


def unmounted(variables: Any, guests: Iterable[str], hypervisor: str) -> dict[str, list[str]]:
    """What the guests of a hypervisor have unmounted in this run, by domain.

    Of several that say they are in the same domain, at most one is: what not all of them have unmounted may be mounted.
    """
    released: dict[str, list[str]] = {}
    for guest in guests:
        host = variables[guest]
        if host.get("virtiofs_guest_hypervisor") == hypervisor:
            domain = host.get("virtiofs_guest_domain", guest)
            tags = list(host.get("virtiofs_guest_unmounted") or ())
            released[domain] = [tag for tag in released.get(domain, tags) if tag in tags]
    return {domain: tags for domain, tags in released.items() if tags}


def refusals(variables: Any, guests: Iterable[str], hypervisor: str) -> dict[str, str]:
    """The domains of a hypervisor whose guests could not mount what they would get, with a sentence that says why.

    Each was asked before; one that was not has nothing to say.
    """
    found: dict[str, str] = {}
    for guest in guests:
        host = variables[guest]
        answer = host.get("virtiofs_guest_check")
        if host.get("virtiofs_guest_hypervisor") != hypervisor or not isinstance(answer, Mapping):
            continue
        if answer.get("skipped") or "mounts" in answer:
            continue
        why = "it could not be reached" if answer.get("unreachable") else str(answer.get("msg", "it gave no answer"))
        domain = host.get("virtiofs_guest_domain", guest)
        found[domain] = f"domain {domain} is not restarted for what its guest {guest} could not mount: {why}"
    return found


def in_use(variables: Any, guests: Iterable[str], hypervisor: str) -> dict[str, list[str]]:
    """What the guests of a hypervisor have mounted, by domain, where every guest that says it is there has told."""
    found: dict[str, set[str]] = {}
    silent: set[str] = set()
    for guest in guests:
        host = variables[guest]
        if host.get("virtiofs_guest_hypervisor") == hypervisor:
            domain = host.get("virtiofs_guest_domain", guest)
            if "virtiofs_guest_in_use" in host:
                found.setdefault(domain, set()).update(host["virtiofs_guest_in_use"])
            else:
                silent.add(domain)
    return {domain: sorted(tags) for domain, tags in found.items() if domain not in silent}


def unknown_shares(variables: Any, hypervisors: Iterable[str], names: Any) -> list[str]:
    """Of these names, those that no hypervisor has in its list."""
    if isinstance(names, (str, Mapping)) or not isinstance(names, Iterable):
        raise AnsibleFilterError(f"virtiofs_unshare is {names!r}: write a list of names")
    known: set[Any] = set()
    for hypervisor in hypervisors:
        known.update(share.get("name") for share in variables[hypervisor].get("virtiofs_host_shares", ()))
    return [name for name in names if name not in known]


def _result(variables: Any, hypervisor: str) -> Mapping[str, Any]:
    result = variables[hypervisor].get("virtiofs_host_result")
    return result if isinstance(result, Mapping) else {}


class FilterModule:
    """The filters of the playbooks that look from one host at another."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "held_up": held_up,
            "in_use": in_use,
            "refusals": refusals,
            "unknown_shares": unknown_shares,
            "unmounted": unmounted,
            "waiting": waiting,
        }
