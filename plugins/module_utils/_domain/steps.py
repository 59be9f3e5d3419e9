# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effects on a domain, one dataclass each. XML with secrets never shows in their repr."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._errors import Lost, VirtiofsError

_PAUSE_SECONDS = 1.0


class Target(Protocol):
    """The part of a hypervisor that is used here."""

    def define(self, uuid: str, xml: str, expected: Document) -> None:
        """Make this the definition, unless it has changed from what was expected."""

    def restore_definition(self, uuid: str, xml: str) -> None:
        """Make this the definition again."""

    def hot_plug(self, uuid: str, tag: str, xml: str, *, config: bool) -> None:
        """Attach the share to the running domain, and to its definition if config says so."""

    def detach(self, uuid: str, tag: str) -> None:
        """Take the share from the running domain, and wait until it has gone."""

    def shut_down(self, uuid: str, timeout: float, *, force: bool) -> None:
        """Wait until the domain is off. ``force``: destroy one that is not by then."""

    def start(self, uuid: str) -> bool:
        """Start it. False: it runs, but an earlier call can have started it."""

    def is_running(self, uuid: str) -> bool:
        """Whether it runs now."""

    def remove_managed_save(self, uuid: str) -> None:
        """Delete its saved state."""

    def define_saved(self, uuid: str, xml: str) -> None:
        """Replace the document that it starts with from its saved state."""


@dataclass(frozen=True)
class Define:
    """Replace the persistent definition. ``what`` says in words what is different."""

    name: str
    uuid: str
    what: str
    xml: Document
    expected: Document

    @property
    def summary(self) -> str:
        return f"define {self.name}: {self.what}"

    def apply(self, target: Target) -> None:
        target.define(self.uuid, self.xml.text, self.expected)


@dataclass(frozen=True)
class HotPlug:
    """Hot-plug a share; ``config``: into the persistent definition in the same call."""

    name: str
    uuid: str
    tag: str
    xml: str
    config: bool

    @property
    def summary(self) -> str:
        return f"attach {self.tag} to the running {self.name}" + (" and to its definition" if self.config else "")

    def apply(self, target: Target) -> None:
        target.hot_plug(self.uuid, self.tag, self.xml, config=self.config)


@dataclass(frozen=True)
class Detach:
    name: str
    uuid: str
    tag: str

    @property
    def summary(self) -> str:
        return f"detach {self.tag} from the running {self.name}"

    def apply(self, target: Target) -> None:
        target.detach(self.uuid, self.tag)


@dataclass(frozen=True)
class Reattach:
    """Change a running share, which libvirt cannot do in place. The old one comes back when the new one fails."""

    name: str
    uuid: str
    tag: str
    options: tuple[str, ...]
    old_xml: str
    new_xml: str

    @property
    def summary(self) -> str:
        return f"attach {self.tag} to the running {self.name} again to change {' and '.join(self.options)}"

    def apply(self, target: Target) -> None:
        target.detach(self.uuid, self.tag)
        try:
            target.hot_plug(self.uuid, self.tag, self.new_xml, config=False)
        except VirtiofsError as error:
            try:
                target.hot_plug(self.uuid, self.tag, self.old_xml, config=False)
            except VirtiofsError as second:
                raise VirtiofsError(f"{error}; the share as it was could not be attached again: {second}") from error
            raise VirtiofsError(f"{error}; the share as it was is attached again") from error


@dataclass(frozen=True)
class RemoveManagedSave:
    name: str
    uuid: str

    @property
    def summary(self) -> str:
        return f"remove the managed save image of {self.name}"

    def apply(self, target: Target) -> None:
        target.remove_managed_save(self.uuid)


@dataclass(frozen=True)
class RepairManagedSave:
    """``xml`` names daemons for the shares that start again whatever became of their files."""

    name: str
    uuid: str
    tags: tuple[str, ...]
    xml: Document

    @property
    def summary(self) -> str:
        return f"have the managed save image of {self.name} start although a file of {', '.join(self.tags)} is lost"

    def apply(self, target: Target) -> None:
        target.define_saved(self.uuid, self.xml.text)


@dataclass(frozen=True)
class Restart:
    """Shut a domain down and start it. Each of ``older`` is a definition that it may run with, best first."""

    name: str
    uuid: str
    older: tuple[Document, ...]
    timeout: float
    force: bool = False

    @property
    def summary(self) -> str:
        return f"restart {self.name} (shut down, start)"

    def apply(self, target: Target) -> None:
        target.shut_down(self.uuid, self.timeout, force=self.force)
        try:
            target.start(self.uuid)
        except VirtiofsError as error:
            if not self._runs_all_the_same(target, error):
                raise VirtiofsError(f"{error}; {self._put_back(target)}") from error

    def _runs_all_the_same(self, target: Target, error: VirtiofsError) -> bool:
        """A start whose answer was lost can have been one."""
        try:
            return target.is_running(self.uuid)
        except VirtiofsError as second:
            raise VirtiofsError(
                f"{error}; whether domain {self.name} runs is unknown, so its new definition stays; if it is "
                f"off, start it by hand: {second}"
            ) from error

    def _put_back(self, target: Target) -> str:
        if not self.older:
            return f"domain {self.name} is off, and there is no older definition to go back to"
        problems: list[str] = []
        # libvirt can take the end of the QEMU that has just failed for that of the next one (seen with 9.0: "domain is
        # no longer running"), so what it ran with before is tried once more.
        for document in (*self.older, self.older[-1]):
            if problems:
                time.sleep(_PAUSE_SECONDS)
            try:
                target.restore_definition(self.uuid, document.text)
                known = target.start(self.uuid)
            except Lost as error:
                # An even older definition must not come below a machine that may run.
                return f"whether {self.name} runs with its old definition again is unknown: {error}"
            except VirtiofsError as error:
                problems.append(str(error))
            else:
                if not known:
                    return (
                        f"the old definition of {self.name} was put back; the domain runs, and with which definition "
                        "is not known"
                    )
                return f"the old definition of {self.name} was put back and the domain runs with it again"
        return f"with the old definition of {self.name}, which was put back, it does not start either: " + "; ".join(
            dict.fromkeys(problems)
        )


@dataclass(frozen=True)
class RestartTogether:
    """Several restarts at the same time. All are waited for, whatever happens to one of them."""

    restarts: tuple[Restart, ...] = field(default=())

    @property
    def summary(self) -> str:
        return f"restart {', '.join(restart.name for restart in self.restarts)} (shut down, start)"

    def apply(self, target: Target) -> None:
        problems = []
        with ThreadPoolExecutor(max_workers=len(self.restarts)) as pool:
            for future in [pool.submit(restart.apply, target) for restart in self.restarts]:
                try:
                    future.result()
                except VirtiofsError as error:
                    problems.append(str(error))
        if problems:
            raise VirtiofsError("; ".join(problems))
