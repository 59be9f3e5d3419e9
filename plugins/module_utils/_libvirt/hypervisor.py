# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of libvirt: read domains, define, hot-plug, stop and start.

A daemon can go away at any moment, and what it was told can be done all the same: after an error what is there counts.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import document, share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document
from ansible_collections.virtio.fs.plugins.module_utils._errors import Gone, Lost, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import connection, guest_agent
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.connection import (
    Connection,
    available,
    failure,
    libvirt,
    message,
    translate_errors,
)
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.definition_lock import definition_lock
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_list import DomainList, read_domain_list
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Binaries, DomainState, Version
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.pid_files import DaemonFiles, state_directory

__all__ = ["Gone", "Hypervisor", "available"]

# Seconds for what the guest has to take part in.
DETACH_SECONDS = 30.0
AGENT_SECONDS = 10

_POLL_SECONDS = 0.2

# libvirt's NEWS.
_REMEMBERS_MEMORY: Version = (9, 2, 0)


class Hypervisor:
    """One connection for the whole run of a module, made at its first use: a module checks its options before that."""

    def __init__(self, uri: str, *, readonly: bool = False) -> None:
        self._asked_for = uri
        self._readonly = readonly
        self._connected: Connection | None = None

    def connect(self) -> Connection:
        """Connect now. Every other method does so by itself, and raises the same.

        :raises NotYet: libvirt, its Python binding or lxml is not installed, or its daemon does not run.
        :raises VirtiofsError: the connection is refused.
        """
        if self._connected is None:
            self._connected = Connection(self._asked_for, readonly=self._readonly)
        return self._connected

    @property
    def _connection(self) -> Connection:
        return self.connect()

    @property
    def uri(self) -> str:
        return str(self._call("the URI", "getURI"))

    @property
    def driver(self) -> str:
        """``QEMU``, ``TEST``, …"""
        return str(self._call("the driver", "getType")).upper()

    @property
    def libvirt_version(self) -> Version:
        return _version(self._call("libvirt's version", "getLibVersion"))

    @property
    def qemu_version(self) -> Version:
        """(0, 0, 0) where no QEMU is installed."""
        try:
            return _version(self._connection.raw.getVersion())
        except libvirt.libvirtError:
            return (0, 0, 0)

    def domain_capabilities(self) -> str:
        """The XML of what a default domain can have here, or an empty string where the driver cannot tell."""
        try:
            return str(self._connection.raw.getDomainCapabilities())
        except libvirt.libvirtError:
            return ""

    def states(self, names: Iterable[str], *, public: bool = False) -> dict[str, DomainState]:
        """Read domains, given by name or UUID.

        :param public: also read the definitions without secrets, for a diff.
        :raises Gone: one is not there.
        :raises VirtiofsError: a name fits two.
        """
        listed = read_domain_list(self._connection)
        uuids = {name: listed.uuid(name) for name in names}
        return {name: self._read(uuid, listed, public) for name, uuid in uuids.items()}

    def all_states(self) -> list[DomainState]:
        """Read every domain. One that goes away meanwhile is left out."""
        listed = read_domain_list(self._connection)
        found = []
        for uuid in listed.domains:
            with contextlib.suppress(Gone):
                found.append(self._read(uuid, listed, False))
        return found

    def _read(self, uuid: str, listed: DomainList, public: bool) -> DomainState:
        what = f"read domain {listed.domains[uuid].name()}"
        return self._connection.retry_once(what, lambda: self._state(uuid, listed, public))

    def _state(self, uuid: str, listed: DomainList, public: bool) -> DomainState:
        domain = listed.domains[uuid]
        if domain.connect() is not self._connection.raw:
            domain = self._connection.look_up(uuid)
        # The number is from when all were listed, and libvirt gives the document of a domain that is off none.
        live = Document(_dumped(domain, 0)) if domain.ID() != -1 else None
        if live is not None and live.root.get("id") is None:
            live = None
        inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
        secrets = 0 if self._connection.readonly else libvirt.VIR_DOMAIN_XML_SECURE
        return DomainState(
            name=domain.name(),
            uuid=uuid,
            config=Document(_dumped(domain, inactive | secrets)),
            public=Document(domain.XMLDesc(inactive)) if public else None,
            live=live,
            persistent=uuid in listed.persistent,
            paused=live is not None and uuid not in listed.running,
            memory_forgotten=live is not None and self._forgot_memory(domain.name()),
            managed_save=live is None and uuid in listed.saved,
            dead=frozenset() if live is None else self._files.dead(live),
        )

    def binaries(self) -> Mapping[str, Binaries] | None:
        """The programs that the domains name for their shares, by UUID; None where this libvirt does not tell all."""
        return self._connection.retry_once("read which virtiofsd each domain has", self._binaries)

    def _binaries(self) -> Mapping[str, Binaries] | None:
        listed = read_domain_list(self._connection)
        found = {}
        for uuid, domain in listed.domains.items():
            try:
                found[uuid] = _binaries_of(domain, saved=uuid in listed.saved)
            except Gone:
                continue
            except libvirt.libvirtError:
                return None
        return found

    def names_binary(self, path: str) -> bool:
        """Whether a domain names this program for a share; also where libvirt does not tell."""
        found = self.binaries()
        return found is None or any(path in {*one.now, *one.saved, *one.snapshots} for one in found.values())

    def mounted(self, uuid: str, tags: Iterable[str]) -> dict[str, bool | None]:
        """Whether the guest has these tags mounted; None where nobody can tell."""
        wanted = tuple(tags)
        if not wanted:
            return {}
        mounted = self._tags_mounted(uuid)
        return {tag: None if mounted is None else tag in mounted for tag in wanted}

    def agent(self, uuid: str) -> Callable[[str], str] | None:
        """What sends one command to a guest's agent and returns the answer; None where this connection cannot ask."""
        ask = getattr(connection.libvirt_qemu, "qemuAgentCommand", None)
        if ask is None or self._connection.readonly:
            return None
        domain = self._connection.domain(uuid)

        def agent_command(command: str) -> str:
            with translate_errors(f"ask the guest agent of domain {domain.name()}"):
                return str(ask(domain, command, AGENT_SECONDS, 0))

        return agent_command

    def daemon_pids(self, live: Document) -> dict[str, int]:
        """The process ids that libvirt noted for the daemons of a running domain, by tag; also of dead ones."""
        return self._files.pids(live)

    def define(self, uuid: str, xml: str, expected: Document) -> None:
        """Replace the persistent definition, unless somebody else has changed it since ``expected`` was read."""
        name = self._name(uuid)
        with definition_lock(self._state_directory):
            if self._definition(uuid, name) != expected:
                raise VirtiofsError(
                    f"the definition of domain {name} was changed by someone else in the meantime: nothing was done, "
                    "run it again"
                )
            try:
                self._connection.raw.defineXML(xml)
            except libvirt.libvirtError as error:
                _unless(lambda: self._definition(uuid, name) != expected, f"define domain {name}", error)

    def hot_plug(self, uuid: str, tag: str, xml: str, *, config: bool) -> None:
        """Hot-plug a share, into the persistent definition too when asked: then both happen, or neither."""
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE | (libvirt.VIR_DOMAIN_AFFECT_CONFIG if config else 0)
        domain = self._connection.domain(uuid)
        name = domain.name()
        with definition_lock(self._state_directory):
            try:
                domain.attachDeviceFlags(xml, flags)
            except libvirt.libvirtError as error:
                _unless(lambda: tag in self._live_tags(uuid, name), f"attach {tag} to the running domain {name}", error)
                if config:
                    what = f"write {tag}, which domain {name} runs with now, to its definition"
                    _unless(lambda: tag in share.shares_in(self._definition(uuid, name).root), what, error)
        if tag not in self._live_tags(uuid, name):
            raise VirtiofsError(f"libvirt attached {tag} to domain {name}, but its live XML does not show it")

    def detach(self, uuid: str, tag: str) -> None:
        """Hot-unplug a share, and wait until the live XML no longer has it."""
        name = self._name(uuid)
        root = self._live(uuid, name).root
        element = next((item for item in share.elements(root) if share.tag_of(item) == tag), None)
        if element is None:
            return
        try:
            self._connection.domain(uuid).detachDeviceFlags(
                document.serialised_element(element), libvirt.VIR_DOMAIN_AFFECT_LIVE
            )
        except libvirt.libvirtError as error:
            what = f"detach {tag} from the running domain {name}"
            _unless(lambda: tag not in self._live_tags(uuid, name), what, error)
        if not _comes_true(lambda: tag not in self._live_tags(uuid, name), DETACH_SECONDS):
            raise VirtiofsError(
                f"the guest of domain {name} did not release {tag} within {DETACH_SECONDS:g} seconds; "
                "it may still do so later"
            )

    def shut_down(self, uuid: str, timeout: float, *, force: bool) -> None:
        """Stop a running domain gracefully: by the guest agent, else by ACPI. ``timeout`` is in seconds.

        :raises VirtiofsError: it did not stop in time and ``force`` is not allowed.
        """
        name = self._name(uuid)
        try:
            self._stop(uuid, name, timeout, force)
        except Lost as error:
            raise Lost(
                f"domain {name} was asked to shut down, and whether it did is unknown; if it is off, start it by hand, "
                f"as no later run will: {error}"
            ) from error

    def _stop(self, uuid: str, name: str, timeout: float, force: bool) -> None:
        deadline = time.monotonic() + timeout
        asked = self._ask_to_stop(uuid, by_agent=True)
        if asked and self._stopped_by(uuid, min(deadline, time.monotonic() + timeout / 2)):
            return
        if not self._ask_to_stop(uuid, by_agent=False) and not asked and not force:
            raise VirtiofsError(f"domain {name} can be shut down neither by its guest agent nor by ACPI")
        if self._stopped_by(uuid, deadline):
            return
        if not force:
            raise VirtiofsError(
                f"domain {name} did not shut down within {timeout:g} seconds; it still runs and nothing was "
                "destroyed (force_off would)"
            )
        try:
            self._connection.domain(uuid).destroy()
        except libvirt.libvirtError as error:
            _unless(lambda: not self.is_running(uuid), f"destroy domain {name}", error)

    def start(self, uuid: str) -> bool:
        """Start a domain that is off. False: it runs, but an earlier call can have started it.

        :raises Lost: whether it runs cannot be seen.
        """
        domain = self._connection.domain(uuid)
        try:
            domain.create()
        except libvirt.libvirtError as error:
            _unless(lambda: self.is_running(uuid), f"start domain {domain.name()}", error)
            return False
        return True

    def is_running(self, uuid: str) -> bool:
        return self._connection.retry_once(
            f"read domain {uuid}", lambda: bool(self._connection.look_up(uuid).isActive())
        )

    def restore_definition(self, uuid: str, xml: str) -> None:
        """Put a definition back, whatever is there now."""
        what = f"put the old definition of domain {self._name(uuid)} back"
        self._connection.retry_once(what, lambda: self._connection.raw.defineXML(xml))

    def saved_document(self, uuid: str) -> Document:
        """What a saved domain starts with, with its secrets: the document in the image (libvirt 3.7)."""
        domain = self._connection.domain(uuid)
        with translate_errors(f"read the managed save image of domain {domain.name()}"):
            return Document(domain.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE))

    def define_saved(self, uuid: str, xml: str) -> None:
        """Replace the document in the image of a saved domain. Its memory, and whether it ran, stay as they are."""
        domain = self._connection.domain(uuid)
        with translate_errors(f"change the managed save image of domain {domain.name()}"):
            domain.managedSaveDefineXML(xml, 0)

    def remove_managed_save(self, uuid: str) -> None:
        domain = self._connection.domain(uuid)
        with translate_errors(f"remove the managed save image of domain {domain.name()}"):
            domain.managedSaveRemove(0)

    def _call(self, what: str, method: str) -> Any:
        def ask() -> Any:
            # Looked up for each try: a connection that was made anew has another object.
            return getattr(self._connection.raw, method)()

        return self._connection.retry_once(f"ask for {what}", ask)

    def _name(self, uuid: str) -> str:
        return str(self._connection.domain(uuid).name())

    def _definition(self, uuid: str, name: str) -> Document:
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return Document(
            self._connection.retry_once(f"read domain {name}", lambda: self._connection.look_up(uuid).XMLDesc(flags))
        )

    def _live(self, uuid: str, name: str) -> Document:
        return Document(
            self._connection.retry_once(f"read domain {name}", lambda: self._connection.look_up(uuid).XMLDesc(0))
        )

    def _live_tags(self, uuid: str, name: str) -> dict[str, share.Share]:
        return share.shares_in(self._live(uuid, name).root) if self.is_running(uuid) else {}

    def _ask_to_stop(self, uuid: str, *, by_agent: bool) -> bool:
        # No flag is for drivers that have but one way.
        agent, acpi, any_way = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, 0
        for way in (agent,) if by_agent else (acpi, any_way):
            try:
                self._connection.domain(uuid).shutdownFlags(way)
            except libvirt.libvirtError:
                continue
            return True
        return False

    def _stopped_by(self, uuid: str, deadline: float) -> bool:
        return _comes_true(lambda: not self.is_running(uuid), max(0.0, deadline - time.monotonic()))

    def _tags_mounted(self, uuid: str) -> frozenset[str] | None:
        command = self.agent(uuid)
        return None if command is None else guest_agent.virtiofs_tags_mounted(command)

    def _forgot_memory(self, name: str) -> bool:
        """Whether hot-plug fails with "requires shared memory" although the memory is shared (libvirt 7.9 to 9.1)."""
        return not self._remembers_memory and self._files.libvirt_is_younger(name)

    @functools.cached_property
    def _remembers_memory(self) -> bool:
        return self.libvirt_version >= _REMEMBERS_MEMORY

    @functools.cached_property
    def _files(self) -> DaemonFiles:
        return DaemonFiles(self._state_directory)

    @functools.cached_property
    def _state_directory(self) -> str | None:
        return state_directory(self.uri)


def _unless(done: Callable[[], bool], what: str, error: Exception) -> None:
    """Raise the error as a sentence, unless what it is about was done all the same: what is there now counts."""
    try:
        if done():
            return
    except VirtiofsError as second:
        raise Lost(f"cannot {what}: {message(error)}; whether it took effect anyway is unknown: {second}") from error
    raise failure(what, error) from error


def _binaries_of(domain: Any, *, saved: bool) -> Binaries:
    """The programs that one domain names for its shares.

    :raises Gone: the domain is not there any more.
    """
    now = {_dumped(domain, 0), _dumped(domain, libvirt.VIR_DOMAIN_XML_INACTIVE)}
    snapshots = [each.getXMLDesc(0) for each in domain.listAllSnapshots(0)] if domain.snapshotNum(0) else []
    return Binaries(
        now=_named_in(now),
        saved=_named_in([domain.managedSaveGetXMLDesc(0)] if saved else []),
        snapshots=_named_in(snapshots),
    )


def _named_in(documents: Iterable[str]) -> frozenset[str]:
    return frozenset(path for text in documents for path in share.binaries_in(document.parse(text)))


def _dumped(domain: Any, flags: int) -> str:
    """A document of a domain that was there when all were listed.

    :raises Gone: it is not there any more.
    """
    try:
        return str(domain.XMLDesc(flags))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            raise Gone(f"domain {domain.name()} was removed in the meantime") from error
        raise


def _comes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _version(number: int) -> Version:
    return (number // 1_000_000, number // 1000 % 1000, number % 1000)
