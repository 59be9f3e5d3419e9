# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report shows, from what the hosts of a run have told. Pure.

A hypervisor's part comes from virtiofs_info, the list of shares from the inventory, proof and figures from what the
guests' role has kept. Whatever a host did not tell is left open, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

BAD, WARNING, NOTE, GOOD, OPEN = "bad", "warning", "note", "good", "open"

_RANK = (BAD, WARNING, NOTE)

# What ends or endangers a guest's I/O; what is not as it was written down. The rest is worth knowing.
_BAD = (
    "daemon_dead",
    "stale_mount",
    "source_unmounted",
    "source_missing",
    "daemon_missing",
    "hypervisor_too_old",
    "memory_not_shared",
)
_NOTES = ("open_files_low", "parent_open", "migration_blocked", "save_may_not_start")

UNREACHABLE = "It could not be reached"

# What the filter proven says of a direction that is well.
_PROVEN = ("ok", "read-only")

# Of what many shares have alike, so many are named.
_PLACES_NAMED = 5

# A share with less room than that gets a warning; percent.
_NEARLY_FULL = 90


@dataclass(frozen=True)
class Flag:
    """A word or two, and how serious it is: ``bad``, ``warning``, ``note``, ``good`` or ``open``."""

    level: str
    words: str
    why: str = ""


@dataclass(frozen=True)
class Problem:
    what: str
    level: str
    where: str
    message: str
    remedy: str

    @property
    def title(self) -> str:
        return self.what.replace("_", " ")


@dataclass(frozen=True)
class Row:
    """One share in one domain. ``size`` and ``free`` are bytes; ``write`` and ``read`` are MiB a second."""

    share: str
    source: str
    domain: str
    guest: str
    mount: str
    readonly: bool
    proof: Flag
    flags: tuple[Flag, ...] = ()
    size: int | None = None
    free: int | None = None
    write: float | None = None
    read: float | None = None

    @property
    def used_percent(self) -> int | None:
        return _percent(self.size, self.free)


@dataclass(frozen=True)
class Hypervisor:
    """``trouble`` says why nothing is known of it; '' when it has told."""

    name: str
    trouble: str = ""
    unreachable: bool = False
    libvirt: str = ""
    qemu: str = ""
    virtiofsd: str = ""
    readonly: bool = False
    running: int = 0
    domains: int = 0
    rows: tuple[Row, ...] = ()
    problems: tuple[Problem, ...] = ()

    @cached_property
    def level(self) -> str:
        if self.trouble:
            return BAD
        found = {each.level for row in self.rows for each in (row.proof, *row.flags)}
        found |= {problem.level for problem in self.problems}
        return next((level for level in _RANK if level in found), GOOD)

    @cached_property
    def groups(self) -> list[tuple[str, str, list[Problem]]]:
        """The problems by their kind: its title, its level and the problems; the worst first."""
        groups: dict[str, list[Problem]] = {}
        for problem in self.problems:
            groups.setdefault(problem.what, []).append(problem)
        found = [(same[0].title, same[0].level, same) for same in groups.values()]
        return sorted(found, key=lambda group: _RANK.index(group[1]))


@dataclass(frozen=True)
class Report:
    generated: str
    hypervisors: tuple[Hypervisor, ...]

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for hypervisor in self.hypervisors for row in hypervisor.rows)

    @property
    def reached(self) -> int:
        return sum(not hypervisor.trouble for hypervisor in self.hypervisors)

    @property
    def shares(self) -> int:
        return len({(each.name, row.share, row.source) for each in self.hypervisors for row in each.rows})

    @property
    def guests(self) -> int:
        return len({(each.name, row.domain) for each in self.hypervisors for row in each.rows})

    @property
    def proven(self) -> int:
        return sum(row.proof.level == GOOD for row in self.rows)

    @property
    def unproven(self) -> int:
        return sum(row.proof.level == BAD for row in self.rows)

    def count(self, level: str) -> int:
        return sum(problem.level == level for each in self.hypervisors for problem in each.problems)

    @property
    def problems(self) -> str:
        """How many there are, beside what is only worth knowing: ``2 problems and 1 note``."""
        counted = _counted(self.count(BAD) + self.count(WARNING), "problem")
        return f"{counted} and {_counted(self.count(NOTE), 'note')}" if self.count(NOTE) else counted

    @cached_property
    def measured(self) -> bool:
        return any(row.write is not None or row.read is not None for row in self.rows)


def report(variables: Mapping[str, Any], hypervisors: Iterable[str], guests: Iterable[str], generated: str) -> Report:
    """``variables`` are hostvars: inventory, and what the plays before have registered and kept."""
    by_domain = dict(_guests(variables, guests))
    found = [_hypervisor(name, variables[name], by_domain) for name in hypervisors]
    # Who needs somebody comes first, in the order of the inventory otherwise.
    return Report(generated, tuple(sorted(found, key=lambda each: (*_RANK, GOOD).index(each.level))))


@dataclass(frozen=True)
class _Guest:
    name: str
    proofs: Mapping[str, Mapping[str, Any]]
    figures: Mapping[str, Mapping[str, Any]]
    asked: bool
    trouble: str


def _guests(variables: Mapping[str, Any], names: Iterable[str]) -> Iterator[tuple[tuple[str, str], _Guest]]:
    for name in names:
        host = variables[name]
        proof = host.get("virtiofs_guest_proof")
        yield (
            (str(host.get("virtiofs_guest_hypervisor", "")), str(host.get("virtiofs_guest_domain", name))),
            _Guest(
                name,
                {row["tag"]: row for row in proof or ()},
                {row["tag"]: row for row in host.get("virtiofs_guest_measured") or ()},
                proof is not None,
                _words(host.get("virtiofs_report_trouble", "")),
            ),
        )


def _hypervisor(name: str, host: Mapping[str, Any], guests: Mapping[tuple[str, str], _Guest]) -> Hypervisor:
    info = host.get("virtiofs_report_info") or {}
    listed = _listed(host)
    if "domains" not in info:
        unreachable = bool(info.get("unreachable"))
        trouble = UNREACHABLE if unreachable else _words(info.get("msg") or "It was not asked")
        rows = tuple(_row(name, domain, tag, listed, None, info, guests) for domain, tag in sorted(listed))
        return Hypervisor(name, trouble, unreachable, rows=rows)
    domains = {domain["name"]: domain for domain in info["domains"]}
    found = {
        (domain["name"], share["tag"]) for domain in info["domains"] for share in (*domain["config"], *domain["live"])
    }
    rows = tuple(
        _row(name, domain, tag, listed, domains.get(domain), info, guests)
        for domain, tag in sorted(found | set(listed))
    )
    daemon = info.get("virtiofsd")
    return Hypervisor(
        name,
        libvirt=str(info["libvirt"]),
        qemu=str(info["qemu"]),
        virtiofsd=f"{daemon['version']} ({daemon['flavour']})" if daemon else "none",
        readonly=bool(info["connection"]["readonly"]),
        running=sum(domain["state"] != "off" for domain in domains.values()),
        domains=len(domains),
        rows=rows,
        problems=_grouped(_problem(each) for each in info["problems"]),
    )


def _listed(host: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The inventory's list, by domain and tag. What is no list of shares is another one's to complain about."""
    found = {}
    shares = host.get("virtiofs_host_shares")
    for item in shares if isinstance(shares, Sequence) and not isinstance(shares, str) else ():
        if not isinstance(item, Mapping) or item.get("state", "present") != "present":
            continue
        domains = item.get("domains")
        for domain in domains if isinstance(domains, Sequence) and not isinstance(domains, str) else ():
            found[str(domain), str(item.get("tag") or item.get("name"))] = item
    return found


def _row(
    hypervisor: str,
    domain: str,
    tag: str,
    listed: Mapping[tuple[str, str], Mapping[str, Any]],
    state: Mapping[str, Any] | None,
    info: Mapping[str, Any],
    guests: Mapping[tuple[str, str], _Guest],
) -> Row:
    guest, item = guests.get((hypervisor, domain)), listed.get((domain, tag))
    config, live = _share(state, "config", tag), _share(state, "live", tag)
    share = live or config or {}
    proof = guest.proofs.get(tag) if guest else None
    source = str(share.get("source") or (proof or {}).get("host_path") or (item or {}).get("path") or "")
    there: Mapping[str, Any] = next((each for each in info.get("sources", ()) if each["path"] == source), {})
    figures = (guest.figures.get(tag, {}) if guest else {}).get("guest", {})
    return Row(
        share=tag,
        source=source,
        domain=domain,
        guest=guest.name if guest else "",
        mount=_mount(tag, item, state, proof),
        readonly=bool(share.get("readonly") or (item or {}).get("readonly")),
        proof=_proof(guest, proof, item),
        flags=(
            *_flags(tag, item, state, info, config, live),
            *_unlisted(item, bool(listed)),
            *_fullness(there.get("size"), there.get("free")),
            *_unmeasured(figures),
        ),
        size=there.get("size"),
        free=there.get("free"),
        write=figures.get("write_mib_per_second"),
        read=figures.get("read_mib_per_second"),
    )


def _share(state: Mapping[str, Any] | None, half: str, tag: str) -> Mapping[str, Any] | None:
    return next((share for share in (state or {}).get(half, ()) if share["tag"] == tag), None)


def _mount(
    tag: str, item: Mapping[str, Any] | None, state: Mapping[str, Any] | None, proof: Mapping[str, Any] | None
) -> str:
    told = (state or {}).get("guest_mounts")
    if isinstance(told, Sequence) and not isinstance(told, str):
        paths = [mount["path"] for mount in told if mount["tag"] == tag]
        if paths:
            return ", ".join(paths)
    return str((proof or {}).get("guest_path") or (item or {}).get("mount") or "")


def _proof(guest: _Guest | None, proof: Mapping[str, Any] | None, item: Mapping[str, Any] | None) -> Flag:
    if proof is not None:
        to_guest, to_host = str(proof["host_to_guest"]), str(proof["guest_to_host"])
        both = (("host to guest", to_guest), ("guest to host", to_host))
        if not proof["ok"]:
            wrong = [f"{way}: {said}" for way, said in both if said not in _PROVEN]
            return Flag(BAD, "not proven", "; ".join(wrong))
        if not {to_guest, to_host} <= set(_PROVEN):
            return Flag(OPEN, "not asked", to_guest)
        words = "read-only" if to_host == "read-only" else "both ways"
        return Flag(GOOD, words, "; ".join(f"{way}: {said}" for way, said in both))
    if guest is None:
        return Flag(OPEN, "no guest", "no guest of the inventory is in this domain")
    if guest.trouble:
        return Flag(BAD, "not proven", guest.trouble)
    if not guest.asked:
        return Flag(OPEN, "not asked")
    if item is not None and not item.get("mount"):
        return Flag(OPEN, "not mounted", "the list gives it no mount point")
    return Flag(OPEN, "not asked", "the list does not have it")


def _flags(
    tag: str,
    item: Mapping[str, Any] | None,
    state: Mapping[str, Any] | None,
    info: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    live: Mapping[str, Any] | None,
) -> Iterator[Flag]:
    if "domains" not in info:
        yield Flag(OPEN, "as listed", "the hypervisor has not told")
        return
    if state is None:
        yield Flag(WARNING, "no such domain", "the list names a domain that the hypervisor does not have")
        return
    if config is None and live is None:
        yield Flag(WARNING, "listed only", "virtiofs_host_shares has it, the domain does not: run virtio.fs.share")
        return
    for daemon in info.get("daemons", ()):
        if (daemon["domain"], daemon["tag"]) == (state["name"], tag):
            if daemon["dead"]:
                yield Flag(BAD, "daemon dead", "its virtiofsd has ended")
            elif daemon["stale"]:
                yield Flag(BAD, "stale mount", "the daemon serves another directory than the one on the path")
    waiting = [each for each in state["restart_required"] if tag in each["tags"]]
    for each in waiting:
        yield Flag(WARNING, "waits for a restart", each["message"])
    for each in state["drift"]:
        if each["tag"] == tag and not waiting:
            words = {"config_only": "not running yet", "live_only": "running only"}
            options = ", ".join(each["options"])
            yield Flag(WARNING, words.get(each["kind"], "drift"), f"{options} differ" if options else "")
    if state["state"] == "off":
        yield Flag(OPEN, "domain is off")


def _unlisted(item: Mapping[str, Any] | None, listed: bool) -> Iterator[Flag]:
    if listed and item is None:
        yield Flag(NOTE, "not in the list", "virtiofs_host_shares does not have it")


def _fullness(size: int | None, free: int | None) -> Iterator[Flag]:
    used = _percent(size, free)
    if used is not None and used >= _NEARLY_FULL:
        yield Flag(WARNING, "nearly full", f"{used} % of its filesystem are used")


def _unmeasured(figures: Mapping[str, Any]) -> Iterator[Flag]:
    if figures.get("error"):
        yield Flag(NOTE, "not measured", str(figures["error"]))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _percent(size: int | None, free: int | None) -> int | None:
    return None if not size or free is None else round(100 * (size - free) / size)


def _words(message: Any) -> str:
    """Ansible's message without what it puts before each."""
    return str(message).removeprefix("Task failed: ").strip()


def _problem(given: Mapping[str, Any]) -> Problem:
    what = str(given["what"])
    level = BAD if what in _BAD else NOTE if what in _NOTES else WARNING
    return Problem(what, level, str(given["where"]), str(given["message"]), str(given["remedy"]))


def _grouped(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """What many shares have alike is one row that names them."""
    places: dict[Problem, list[str]] = {}
    for problem in problems:
        places.setdefault(replace(problem, where=""), []).append(problem.where)
    return tuple(replace(problem, where=_places(named)) for problem, named in places.items())


def _places(named: Sequence[str]) -> str:
    named = list(dict.fromkeys(named))
    shown = "; ".join(named[:_PLACES_NAMED])
    return shown if len(named) <= _PLACES_NAMED else f"{shown} and {len(named) - _PLACES_NAMED} more"
