# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a share: what each side is asked to do, what came out, and a table of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

OK = "ok"
READ_ONLY = "read-only"
SKIPPED = "not done in check mode"
WAITS = "waits for a restart"
_WELL = (OK, READ_ONLY, WAITS)
_UNREACHED = "could not be reached"
# What a guest alone cannot mend.
_REMEDY = (
    "its virtiofsd on the hypervisor is probably dead (virtio.fs.virtiofs_info tells): stop and start the domain, a "
    "reboot of the guest is not enough (virtiofs_host_apply: restart does it, with virtiofs_host_force_off: true when "
    "the guest cannot shut down)"
)


def measurements(proofs: Sequence[Mapping[str, Any]], side: str, size: str) -> list[dict[str, Any]]:
    """What virtiofs_probe is asked to measure, on the side ``guest`` or ``host``."""
    return [{**_place(proof, side), "action": "measure", "size": size} for proof in proofs]


def probes(proofs: Sequence[Mapping[str, Any]], turn: str, nonce: str) -> list[dict[str, Any]]:
    """What virtiofs_probe is asked: the hypervisor writes, the guest reads and writes, the hypervisor reads."""
    asked: list[dict[str, Any]] = []
    for number, proof in enumerate(proofs):
        token = f"{nonce}.{number}"
        here, there = _place(proof, "host"), _place(proof, "guest")
        if turn == "hypervisor_writes":
            asked.append({**here, "action": "write", "nonce": f"{token}.host"})
        elif turn == "guest":
            asked.append({**there, "action": "check", "nonce": f"{token}.host"})
            if not proof.get("waits"):
                asked.append({**there, "action": "write", "nonce": f"{token}.guest", "readonly": proof["readonly"]})
        elif turn == "hypervisor_reads":
            if not (proof["readonly"] or proof.get("waits")):
                asked.append({**here, "action": "check", "nonce": f"{token}.guest"})
            asked.append({**here, "action": "clean", "nonce": token})
        else:
            raise AnsibleFilterError(f"nobody has the turn {turn!r}")
    return asked


def _place(proof: Mapping[str, Any], side: str) -> dict[str, str]:
    # Else a guest that has not mounted the share would fill the directory under it.
    mounted = {"tag": proof["tag"]} if side == "guest" else {}
    return {"path": proof[f"{side}_path"], **mounted}


def proven(
    proofs: Sequence[Mapping[str, Any]], wrote: Mapping[str, Any], guest: Mapping[str, Any], read: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What came out, for each share: the word ``ok`` or ``read-only``, or what is wrong, in each direction."""
    answers = {
        "wrote": _answers(wrote, "the hypervisor"),
        "guest": _answers(guest, "the guest"),
        "read": _answers(read, "the hypervisor"),
    }
    rows = []
    done = 0
    for proof in proofs:
        waits = bool(proof.get("waits"))
        begin, done = done, done + (1 if waits else 2)
        asked = guest.get("probes", ())[begin:done]
        host_wrote = next(answers["wrote"])
        guest_read, guest_wrote = next(answers["guest"]), WAITS if waits else next(answers["guest"])
        host_read = READ_ONLY if proof["readonly"] or waits else next(answers["read"])
        cleaned = next(answers["read"])
        to_guest = _first_wrong((("the hypervisor cannot write", host_wrote), ("the guest cannot read", guest_read)))
        to_host = _first_wrong((("the guest's write", guest_wrote), ("the hypervisor cannot read", host_read)))
        if to_host == OK:
            to_host = _first_wrong((("cannot clean up", cleaned),))
        if to_host == OK and (waits or proof["readonly"]):
            to_host = WAITS if waits else READ_ONLY
        silent = any(probe.get("errno") == "ETIMEDOUT" for probe in asked)
        row = {"host_to_guest": to_guest, "guest_to_host": to_host, "ok": _well(to_guest, to_host), "silent": silent}
        rows.append({**proof, **row})
    return rows


def _answers(result: Mapping[str, Any], who: str) -> Any:
    """``ok``, or an error, for each probe in turn; the same error for all when the call itself failed."""
    if "probes" in result:
        for probe in result["probes"]:
            yield SKIPPED if probe["skipped"] else OK if probe["ok"] else probe["error"]
        return
    while True:
        yield _silence(result, who)


def _silence(result: Mapping[str, Any], who: str) -> str:
    """Why a call has no answers at all."""
    return f"{who} {_UNREACHED}" if result.get("unreachable") else str(result.get("msg", "there was no answer"))


def _first_wrong(answers: Iterable[tuple[str, str]]) -> str:
    for what, answer in answers:
        if answer == SKIPPED:
            return SKIPPED
        if answer not in _WELL:
            return answer if answer.endswith(_UNREACHED) else f"{what}: {answer}"
    return OK


def _well(*answers: str) -> bool:
    return all(answer in (*_WELL, SKIPPED) for answer in answers)


def unproven(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each direction of each share that is not proven, and one for each that does not answer."""
    sentences = []
    for row in rows:
        name = f"{row['share']} ({row['host_path']} on {row['guest_path']})"
        if not _well(row["host_to_guest"]):
            sentences.append(f"{name}, host to guest: {row['host_to_guest']}")
        if not _well(row["guest_to_host"]):
            sentences.append(f"{name}, guest to host: {row['guest_to_host']}")
        if row.get("silent"):
            sentences.append(f"{row['share']}: {_REMEDY}")
    return sentences


def proof_table(variables: Any, guests: Iterable[str]) -> list[str]:
    """What was proven in these guests, as lines of a table."""
    rows = []
    for guest in guests:
        host = variables[guest]
        if "virtiofs_guest_proof" not in host:
            rows.append(["?", host.get("virtiofs_guest_hypervisor", "?"), guest, "?", "not proven", "not proven"])
            continue
        for row in host["virtiofs_guest_proof"]:
            directory = f"{host['virtiofs_guest_hypervisor']}:{row['host_path']}"
            rows.append([row["share"], directory, guest, row["guest_path"], row["host_to_guest"], row["guest_to_host"]])
    if not rows:
        return ["There is no share to prove."]
    return table(["share", "host directory", "guest", "mount point", "host to guest", "guest to host"], rows)


def measured_table(variables: Any, guests: Iterable[str]) -> list[str]:
    """What was measured in these guests and on the directories behind, as lines of a table."""
    rows = []
    for guest in guests:
        for row in variables[guest].get("virtiofs_guest_measured", ()):
            cells = [_figure(row, key) for key, _unit in _FIGURES]
            if row["guest"].get("error"):
                cells = [str(row["guest"]["error"]), *[""] * (len(cells) - 1)]
            rows.append([row["share"], guest, *cells])
    if not rows:
        return ["Nothing was measured."]
    return table(["share", "guest", *(unit for _key, unit in _FIGURES)], rows)


def unmeasured(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A sentence for each share that a side could not measure."""
    return [
        f"{row['share']} ({row[f'{side}_path']}): {row[side]['error']}"
        for row in rows
        for side in ("guest", "host")
        if row[side].get("error")
    ]


_FIGURES = (
    ("write_mib_per_second", "write MiB/s"),
    ("read_mib_per_second", "read MiB/s"),
    ("create_files_per_second", "create files/s"),
    ("read_files_per_second", "read files/s"),
    ("remove_files_per_second", "remove files/s"),
)


def measured(
    proofs: Sequence[Mapping[str, Any]], guest: Mapping[str, Any], host: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The figures of both sides, for each share; an ``error`` instead where there are none."""
    there, here = _measured(guest, "the guest"), _measured(host, "the hypervisor")
    return [{**proof, "guest": next(there), "host": next(here)} for proof in proofs]


def _measured(result: Mapping[str, Any], who: str) -> Iterator[dict[str, Any]]:
    for probe in result.get("probes", ()):
        yield dict(probe)
    while True:
        yield {"error": _silence(result, who)}


def _figure(row: Mapping[str, Any], key: str) -> str:
    there, here = row["guest"].get(key), row["host"].get(key)
    if there is None:
        return "?"
    if not here:
        return f"{there:.0f}"
    return f"{there:.0f} ({100 * there / here:.0f} %)"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of equal columns."""
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (head, *rows)]
    return [lines[0], "  ".join("=" * width for width in widths), *lines[1:]]


class FilterModule:
    """The filters of the proof and the benchmark."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "measured": measured,
            "measured_table": measured_table,
            "measurements": measurements,
            "probes": probes,
            "proof_table": proof_table,
            "proven": proven,
            "unmeasured": unmeasured,
            "unproven": unproven,
        }
