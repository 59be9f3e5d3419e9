# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A libvirt connection: read domains, define, hot-plug, stop and start. The only file that imports libvirt."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from ansible_collections.virtio.fs.plugins.module_utils import _domain_xml, _guest_agent, _share
from ansible_collections.virtio.fs.plugins.module_utils._daemon_files import DaemonFiles
from ansible_collections.virtio.fs.plugins.module_utils._domain_state import DomainState, Version
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import Document
from ansible_collections.virtio.fs.plugins.module_utils._reconcile import NotYet, VirtiofsError

try:
    import libvirt
except ImportError:
    libvirt = None

try:
    import libvirt_qemu
except ImportError:
    libvirt_qemu = None

# A local daemon that does not answer for this long (interval times count) is given up.
_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 10, 6

# Seconds for what the guest has to take part in.
DETACH_SECONDS = 30.0
AGENT_SECONDS = 10

_POLL_SECONDS = 0.2

# libvirt's NEWS.
_REMEMBERS_MEMORY: Version = (9, 2, 0)


class Gone(VirtiofsError):
    """There is no such domain."""


def available() -> bool:
    """Whether python3-libvirt is there."""
    return libvirt is not None


class Hypervisor:
    """One connection for the whole run of a module."""

    def __init__(self, uri: str, *, readonly: bool = False) -> None:
        """Connect.

        :raises NotYet: libvirt, its Python binding or lxml is not installed, or its daemon does not run.
        :raises VirtiofsError: the connection is refused.
        """
        missing = [
            package
            for package, there in (("python3-libvirt", available()), ("python3-lxml", _domain_xml.available()))
            if not there
        ]
        if missing:
            raise NotYet(f"{' and '.join(missing)} must be installed on the hypervisor")
        # libvirt prints every error on stderr otherwise.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        _run_event_loop()
        self._uri, self._readonly = uri, readonly
        self._connection = self._open()

    def close(self) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    @property
    def uri(self) -> str:
        return str(self._connection.getURI())

    @property
    def driver(self) -> str:
        """``QEMU``, ``TEST``, …"""
        return str(self._connection.getType()).upper()

    @property
    def libvirt_version(self) -> Version:
        return _version(self._connection.getLibVersion())

    @property
    def qemu_version(self) -> Version:
        """(0, 0, 0) where no QEMU is installed."""
        try:
            return _version(self._connection.getVersion())
        except libvirt.libvirtError:
            return (0, 0, 0)

    def domain_capabilities(self) -> str:
        """The XML of what a default domain can have here, or an empty string where the driver cannot tell."""
        try:
            return str(self._connection.getDomainCapabilities())
        except libvirt.libvirtError:
            return ""

    def names(self) -> list[str]:
        """The UUIDs of all domains."""
        with _doing("list the domains"):
            return [domain.UUIDString() for domain in self._connection.listAllDomains()]

    def state(self, name: str, *, public: bool = False) -> DomainState:
        """Read a domain, given by name or UUID.

        :param public: also read the definition without secrets, for a diff.
        :raises VirtiofsError: it is not there, or the name fits two.
        """
        domain = self._domain(name)
        with _doing(f"read domain {name}"):
            persistent = bool(domain.isPersistent())
            live, status = None, libvirt.VIR_DOMAIN_SHUTOFF
            if domain.isActive():
                live, status = Document(domain.XMLDesc(0)), domain.state()[0]
            inactive = libvirt.VIR_DOMAIN_XML_INACTIVE
            secrets = 0 if self._readonly else libvirt.VIR_DOMAIN_XML_SECURE
            return DomainState(
                name=domain.name(),
                uuid=domain.UUIDString(),
                config=Document(domain.XMLDesc(inactive | secrets)),
                public=Document(domain.XMLDesc(inactive)) if public else None,
                live=live,
                persistent=persistent,
                paused=live is not None and status != libvirt.VIR_DOMAIN_RUNNING,
                memory_forgotten=live is not None and self._forgot_memory(domain.name()),
                managed_save=live is None and persistent and _managed_save(domain),
                dead=frozenset() if live is None else self._files.dead(live),
            )

    def mounted(self, name: str, tags: Iterable[str]) -> dict[str, bool | None]:
        """Whether the guest has these tags mounted; None where nobody can tell."""
        wanted = tuple(tags)
        if not wanted:
            return {}
        mounted = self._tags_mounted(name)
        return {tag: None if mounted is None else tag in mounted for tag in wanted}

    def agent(self, name: str) -> Callable[[str], str] | None:
        """Says one command to a guest's agent and returns the answer; None where this connection cannot ask."""
        if libvirt_qemu is None or self._readonly:
            return None
        domain = self._domain(name)

        def say(command: str) -> str:
            try:
                return str(libvirt_qemu.qemuAgentCommand(domain, command, AGENT_SECONDS, 0))
            except libvirt.libvirtError as error:
                raise _failure(f"ask the guest agent of domain {name}", error) from error

        return say

    def daemon_pids(self, live: Document) -> dict[str, int]:
        """The process ids that libvirt noted for the daemons of a running domain, by tag; also of dead ones."""
        return self._files.pids(live)

    def define(self, uuid: str, xml: str, expected: Document) -> None:
        """Replace the persistent definition, unless somebody else has changed it since ``expected`` was read."""
        domain = self._domain(uuid)
        name = domain.name()
        with _doing(f"read domain {name}"):
            found = self._definition(domain)
        if found != expected:
            raise VirtiofsError(
                f"the definition of domain {name} was changed by somebody else meanwhile; nothing was done to it, "
                "run again"
            )
        try:
            self._connection.defineXML(xml)
        except libvirt.libvirtError as error:
            # A define can complete after its client gave up: what is there now counts.
            if not self._changed_after_all(uuid, expected):
                raise _failure(f"define domain {name}", error) from error

    def attach(self, uuid: str, tag: str, xml: str, *, config: bool) -> None:
        """Hot-plug a share, into the persistent definition too when asked: then both happen, or neither."""
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE | (libvirt.VIR_DOMAIN_AFFECT_CONFIG if config else 0)
        domain = self._domain(uuid)
        name = domain.name()
        try:
            domain.attachDeviceFlags(xml, flags)
        except libvirt.libvirtError as error:
            if tag not in self._live_tags(uuid):
                raise _failure(f"attach {tag} to the running domain {name}", error) from error
        if tag not in self._live_tags(uuid):
            raise VirtiofsError(f"libvirt attached {tag} to domain {name}, but its live XML does not show it")

    def detach(self, uuid: str, tag: str) -> None:
        """Hot-unplug a share, and wait until the live XML no longer has it."""
        domain = self._domain(uuid)
        name = domain.name()
        with _doing(f"read domain {name}"):
            root = Document(domain.XMLDesc(0)).root
        element = next((item for item in _share.elements(root) if _share.tag_of(item) == tag), None)
        if element is None:
            return
        try:
            domain.detachDeviceFlags(_domain_xml.serialised_element(element), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except libvirt.libvirtError as error:
            if tag in self._live_tags(uuid):
                raise _failure(f"detach {tag} from the running domain {name}", error) from error
        if not _comes_true(lambda: tag not in self._live_tags(uuid), DETACH_SECONDS):
            raise VirtiofsError(
                f"the guest of domain {name} did not let go of {tag} within {DETACH_SECONDS:g} seconds; "
                "it can still do so later"
            )

    def shut_down(self, uuid: str, timeout: float, *, force: bool) -> None:
        """Stop a running domain gracefully: by the guest agent, else by ACPI. ``timeout`` is in seconds.

        :raises VirtiofsError: it did not stop in time and ``force`` is not allowed.
        """
        domain = self._domain(uuid)
        name = domain.name()
        deadline = time.monotonic() + timeout
        asked = self._ask_to_stop(domain, by_agent=True)
        if asked and self._stopped_by(domain, min(deadline, time.monotonic() + timeout / 2)):
            return
        if not self._ask_to_stop(domain, by_agent=False) and not asked and not force:
            raise VirtiofsError(f"domain {name} can be shut down neither by its guest agent nor by ACPI")
        if self._stopped_by(domain, deadline):
            return
        if not force:
            raise VirtiofsError(
                f"domain {name} did not shut down within {timeout:g} seconds; it still runs and nothing was "
                "destroyed (force_off would)"
            )
        with _doing(f"destroy domain {name}"):
            if domain.isActive():
                domain.destroy()

    def start(self, uuid: str) -> None:
        domain = self._domain(uuid)
        with _doing(f"start domain {domain.name()}"):
            domain.create()

    def is_running(self, uuid: str) -> bool:
        domain = self._domain(uuid)
        with _doing(f"read domain {domain.name()}"):
            return bool(domain.isActive())

    def restore_definition(self, uuid: str, xml: str) -> None:
        """Put a definition back, whatever is there now."""
        domain = self._domain(uuid)
        with _doing(f"put the old definition of domain {domain.name()} back"):
            self._connection.defineXML(xml)

    def remove_managed_save(self, uuid: str) -> None:
        domain = self._domain(uuid)
        with _doing(f"remove the managed save image of domain {domain.name()}"):
            domain.managedSaveRemove(0)

    def _open(self) -> Any:
        opened = libvirt.openReadOnly if self._readonly else libvirt.open
        try:
            connection = opened(self._uri)
        except libvirt.libvirtError as error:
            sentence = f"cannot connect to {self._uri}: {_words(error)}"
            if _daemon_is_missing(error):
                raise NotYet(sentence) from error
            raise VirtiofsError(sentence) from error
        with contextlib.suppress(libvirt.libvirtError):
            connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
        return connection

    def _domain(self, name: str) -> Any:
        """The domain of that name or UUID, also after the daemon was restarted in between."""
        try:
            return self._look_up(name)
        except libvirt.libvirtError as error:
            if self._connection.isAlive() == 1:
                raise _failure(f"look up domain {name}", error) from error
        self._connection = self._open()
        with _doing(f"look up domain {name}"):
            return self._look_up(name)

    def _look_up(self, name: str) -> Any:
        by_uuid = None
        if len(name) >= 32:
            by_uuid = _none_if_gone(self._connection.lookupByUUIDString, name)
        by_name = _none_if_gone(self._connection.lookupByName, name)
        if by_uuid is not None and by_name is not None and by_uuid.UUIDString() != by_name.UUIDString():
            raise VirtiofsError(f"{name} is the name of one domain and the UUID of another")
        found = by_name or by_uuid
        if found is None:
            raise Gone(f"there is no domain {name} at {self._uri}")
        return found

    def _definition(self, domain: Any) -> Document:
        return Document(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def _changed_after_all(self, uuid: str, expected: Document) -> bool:
        with contextlib.suppress(libvirt.libvirtError, VirtiofsError):
            return self._definition(self._domain(uuid)) != expected
        return False

    def _live_tags(self, uuid: str) -> dict[str, _share.Share]:
        domain = self._domain(uuid)
        with _doing(f"read domain {domain.name()}"):
            return _share.shares_in(Document(domain.XMLDesc(0)).root) if domain.isActive() else {}

    def _ask_to_stop(self, domain: Any, *, by_agent: bool) -> bool:
        # No flag is for drivers that have but one way.
        agent, acpi, any_way = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, 0
        for way in (agent,) if by_agent else (acpi, any_way):
            try:
                domain.shutdownFlags(way)
            except libvirt.libvirtError:
                continue
            return True
        return False

    def _stopped_by(self, domain: Any, deadline: float) -> bool:
        def stopped() -> bool:
            with _doing(f"wait for domain {domain.name()} to stop"):
                return not domain.isActive()

        return _comes_true(stopped, max(0.0, deadline - time.monotonic()))

    def _tags_mounted(self, name: str) -> frozenset[str] | None:
        say = self.agent(name)
        return None if say is None else _guest_agent.virtiofs_tags_mounted(say)

    def _forgot_memory(self, name: str) -> bool:
        """Whether hot-plug fails with "requires shared memory" although the memory is shared (libvirt 7.9 to 9.1)."""
        return not self._remembers_memory and self._files.libvirt_is_younger(name)

    @functools.cached_property
    def _remembers_memory(self) -> bool:
        return self.libvirt_version >= _REMEMBERS_MEMORY

    @functools.cached_property
    def _files(self) -> DaemonFiles:
        return DaemonFiles(self.uri)


def _managed_save(domain: Any) -> bool:
    try:
        return bool(domain.hasManagedSaveImage(0))
    except libvirt.libvirtError:
        return False


def _none_if_gone(look_up: Any, name: str) -> Any:
    try:
        return look_up(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG):
            return None
        raise


def _comes_true(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _version(number: int) -> Version:
    return (number // 1_000_000, number // 1000 % 1000, number % 1000)


@contextlib.contextmanager
def _doing(what: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        raise _failure(what, error) from error


def _failure(what: str, error: Exception) -> VirtiofsError:
    return VirtiofsError(f"cannot {what}: {_words(error)}")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _daemon_is_missing(error: Any) -> bool:
    words = str(error)
    return "Failed to connect socket" in words and ("No such file" in words or "Connection refused" in words)


@functools.cache
def _run_event_loop() -> None:
    """Keepalive and the embedded driver need one. It ends with the process."""
    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while True:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError:
                time.sleep(_POLL_SECONDS)

    threading.Thread(target=turn, daemon=True).start()
