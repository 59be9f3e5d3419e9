# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a page and as a table. Pure: every value is escaped, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.virtio.fs.plugins.plugin_utils._report_model import Report, Row, report

_TEMPLATES = Path(__file__).resolve().parents[2] / "playbooks" / "templates"

# What Markdown or HTML inside it would take for markup.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~!&])")


def report_html(variables: Mapping[str, Any], hypervisors: Any, guests: Any, generated: str) -> str:
    """One page that needs nothing but itself."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(bytes=in_words, figure=_figure)
    model = report(variables, _names(hypervisors), _names(guests), str(generated))
    return environment.get_template("report.html.j2").render(report=model)


def report_markdown(variables: Mapping[str, Any], hypervisors: Any, guests: Any, generated: str) -> str:
    """Tables for a wiki page or a merge request."""
    model = report(variables, _names(hypervisors), _names(guests), str(generated))
    lines = ["# Shares", "", f"{_plain(model.generated)}: {_summary(model)}.", ""]
    lines += _table(
        ["hypervisor", "libvirt", "QEMU", "virtiofsd", "domains", "problems"],
        [
            [
                each.name,
                *(
                    [each.trouble, "", "", "", ""]
                    if each.trouble
                    else [each.libvirt, each.qemu, each.virtiofsd, f"{each.running} of {each.domains} run"]
                    + [str(len(each.problems))]
                ),
            ]
            for each in model.hypervisors
        ],
    )
    if model.rows:
        head = ["hypervisor", "share", "directory", "guest", "mount point", "proof", "state"]
        figures = ["write MiB/s", "read MiB/s"] if model.measured else []
        rows = [
            [each.name, *_cells(row), *([_figure(row.write), _figure(row.read)] if figures else [])]
            for each in model.hypervisors
            for row in each.rows
        ]
        lines += ["", *_table([*head, *figures], rows)]
    problems = [
        [each.name, problem.title, problem.where, problem.message, problem.remedy]
        for each in model.hypervisors
        for problem in each.problems
    ]
    if problems:
        lines += ["", "## Problems", "", *_table(["hypervisor", "what", "where", "why", "what to do"], problems)]
    return "\n".join(lines) + "\n"


def in_words(number: int | None) -> str:
    """Bytes in binary units, for a person: ``1.5 GiB``."""
    if number is None:
        return ""
    value, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def _cells(row: Row) -> list[str]:
    guest = row.guest if row.guest in ("", row.domain) else f"{row.guest} ({row.domain})"
    state = ", ".join(flag.words for flag in row.flags) or "as it should be"
    share = f"{row.share} (read-only)" if row.readonly else row.share
    proof = row.proof.words if row.proof.level != "bad" else f"{row.proof.words}: {row.proof.why}"
    return [share, row.source, guest or row.domain, row.mount, proof, state]


def _summary(model: Report) -> str:
    parts = [
        f"{model.reached} of {len(model.hypervisors)} hypervisors answered",
        f"{model.shares} shares in {model.guests} guests",
        f"{model.proven} of {len(model.rows)} proven",
        model.problems,
    ]
    return ", ".join(parts)


def _figure(number: float | None) -> str:
    return "" if number is None else f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _names(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise AnsibleFilterError(f"the hosts of a report are {value!r}: write a list of inventory names")
    return [str(name) for name in value]


class FilterModule:
    """The filters of the report."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"report_html": report_html, "report_markdown": report_markdown}
