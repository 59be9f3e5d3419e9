# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to libvirt that outlives a restart of its daemon, and libvirt's errors as sentences.

The only file that imports libvirt.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import document
from ansible_collections.virtio.fs.plugins.module_utils._errors import Gone, Lost, NotYet, VirtiofsError

try:
    import libvirt
except ImportError:
    libvirt = None

try:
    import libvirt_qemu
except ImportError:
    libvirt_qemu = None

__all__ = [
    "Connection",
    "available",
    "failure",
    "is_alive",
    "libvirt",
    "libvirt_qemu",
    "message",
    "translate_errors",
]

# A local daemon that does not answer for this long (interval times count) is given up.
KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 10, 6

# The keepalive begins when the connection is made, and a daemon that is stopped lets its kernel accept connections.
OPEN_SECONDS = 60.0

# What a service manager needs to start a daemon that has died or is restarted.
RETURN_SECONDS = 20.0

_POLL_SECONDS = 0.2

Answer = TypeVar("Answer")


class Connection:
    """One connection for the whole run of a module. When it breaks it is made again, once libvirt is back."""

    def __init__(self, uri: str, *, readonly: bool = False) -> None:
        """Connect.

        :raises NotYet: libvirt, its Python binding or lxml is not installed, or its daemon does not run.
        :raises VirtiofsError: the connection is refused.
        """
        missing = [
            package
            for package, there in (("python3-libvirt", available()), ("python3-lxml", document.available()))
            if not there
        ]
        if missing:
            raise NotYet(f"{' and '.join(missing)} must be installed on the hypervisor")
        # libvirt prints every error on stderr otherwise.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        _run_event_loop()
        self.asked_for = uri
        self.readonly = readonly
        self._lock = threading.Lock()
        self._gave_up: tuple[float, VirtiofsError] | None = None
        self.raw = self._open()

    def retry_once(self, what: str, action: Callable[[], Answer]) -> Answer:
        """What the action returns; done once more when the connection broke meanwhile.

        For reading, and for what may be done twice. The action looks up its domain by itself.

        :raises Lost: libvirt did not come back.
        """
        broken = self.raw
        try:
            return action()
        except libvirt.libvirtError as error:
            if is_alive(broken):
                raise failure(what, error) from error
        self._reopen(broken)
        with translate_errors(what):
            return action()

    def domain(self, uuid: str) -> Any:
        """The domain of that UUID.

        :raises Gone: there is none.
        """
        return self.retry_once(f"look up domain {uuid}", lambda: self.look_up(uuid))

    def look_up(self, uuid: str) -> Any:
        """As :meth:`domain`, with libvirt's own errors: to be part of an action."""
        try:
            return self.raw.lookupByUUIDString(uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                raise Gone(f"there is no domain {uuid} at {self.asked_for}") from error
            raise

    def _open(self) -> Any:
        try:
            connection = self._opened_in_time()
        except libvirt.libvirtError as error:
            sentence = f"cannot connect to {self.asked_for}: {message(error)}"
            if _daemon_is_missing(error):
                raise NotYet(sentence) from error
            raise VirtiofsError(sentence) from error
        with contextlib.suppress(libvirt.libvirtError):
            connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
        return connection

    def _opened_in_time(self) -> Any:
        opened = libvirt.openReadOnly if self.readonly else libvirt.open
        answers: list[Any] = []

        def ask() -> None:
            try:
                answers.append(opened(self.asked_for))
            except libvirt.libvirtError as error:
                answers.append(error)

        # One that waits for ever ends with the process.
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(OPEN_SECONDS)
        if not answers:
            raise VirtiofsError(f"cannot connect to {self.asked_for}: no answer within {OPEN_SECONDS:g} seconds")
        if isinstance(answers[0], libvirt.libvirtError):
            raise answers[0]
        return answers[0]

    def _reopen(self, broken: Any) -> None:
        began = time.monotonic()
        with self._lock:
            if self.raw is not broken:
                # Another thread was faster.
                return
            if self._gave_up is not None and self._gave_up[0] >= began:
                # Another thread has waited for this one too.
                raise Lost(str(self._gave_up[1]))
            try:
                self.raw = self._open_again()
            except VirtiofsError as error:
                self._gave_up = (time.monotonic(), error)
                raise Lost(str(error)) from error

    def _open_again(self) -> Any:
        deadline = time.monotonic() + RETURN_SECONDS
        while True:
            try:
                return self._open()
            except VirtiofsError as error:
                # A daemon that goes can take the connection first, and reset it then.
                if time.monotonic() >= deadline:
                    raise VirtiofsError(
                        f"the connection to {self.asked_for} was lost, and libvirt did not come back within "
                        f"{RETURN_SECONDS:g} seconds: {error}"
                    ) from error
            time.sleep(_POLL_SECONDS)


def available() -> bool:
    """Whether python3-libvirt is there."""
    return libvirt is not None


def is_alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive() == 1)
    except libvirt.libvirtError:
        return False


@contextlib.contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Turn libvirt's error into a sentence: cannot ``what``, and why."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise failure(what, error) from error


def failure(what: str, error: Exception) -> VirtiofsError:
    return VirtiofsError(f"cannot {what}: {message(error)}")


def message(error: Exception) -> str:
    return " ".join(str(error).split())


def _daemon_is_missing(error: Any) -> bool:
    # Not by its words: those are in the language of the hypervisor.
    kind = (error.get_error_domain(), error.get_error_code())
    return kind == (libvirt.VIR_FROM_RPC, libvirt.VIR_ERR_SYSTEM_ERROR) and error.get_int1() in (
        errno.ENOENT,
        errno.ECONNREFUSED,
    )


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
