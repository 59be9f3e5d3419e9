# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error of libvirt means, whatever language it is told in, and a libvirt that stays away."""

from __future__ import annotations

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import Lost, NotYet, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt import connection as module

# libvirt/virterror.h
_RPC, _QEMU, _SYSTEM_ERROR, _AUTH_FAILED = 7, 10, 38, 45


class _Error(Exception):
    def __init__(self, words: str, domain: int, code: int, number: int) -> None:
        super().__init__(words)
        self.get_error_domain = lambda: domain
        self.get_error_code = lambda: code
        self.get_int1 = lambda: number


@pytest.mark.parametrize(
    ("words", "domain", "code", "number", "missing"),
    [
        ("Failed to connect socket to '/x': No such file or directory", _RPC, _SYSTEM_ERROR, errno.ENOENT, True),
        ("Verbindung zu Socket '/x' fehlgeschlagen: Datei nicht gefunden", _RPC, _SYSTEM_ERROR, errno.ENOENT, True),
        ("Verbindungsaufbau abgelehnt", _RPC, _SYSTEM_ERROR, errno.ECONNREFUSED, True),
        ("Failed to connect socket to '/x': Permission denied", _RPC, _SYSTEM_ERROR, errno.EACCES, False),
        ("authentication failed", _RPC, _AUTH_FAILED, -1, False),
        ("cannot open '/x': No such file or directory", _QEMU, _SYSTEM_ERROR, errno.ENOENT, False),
    ],
)
def test_a_daemon_that_does_not_run_is_known_in_every_language(
    monkeypatch: pytest.MonkeyPatch, words: str, domain: int, code: int, number: int, missing: bool
) -> None:
    names = SimpleNamespace(VIR_FROM_RPC=_RPC, VIR_ERR_SYSTEM_ERROR=_SYSTEM_ERROR)
    monkeypatch.setattr(module, "libvirt", names)
    assert module._daemon_is_missing(_Error(words, domain, code, number)) is missing


def test_a_libvirt_that_resets_the_connection_while_it_goes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = object()
    answers = [there, VirtiofsError("Cannot recv data: Connection reset by peer"), NotYet("it does not run"), there]

    def answer(self: module.Connection) -> object:
        said = answers.pop(0)
        if isinstance(said, VirtiofsError):
            raise said
        return said

    monkeypatch.setattr(module, "libvirt", SimpleNamespace(registerErrorHandler=lambda handler, context: None))
    monkeypatch.setattr(module, "_run_event_loop", lambda: None)
    monkeypatch.setattr(module.document, "available", lambda: True)
    monkeypatch.setattr(module.Connection, "_open", answer)
    connection = module.Connection("qemu:///system")
    connection._reopen(connection.raw)
    assert answers == []


def test_a_libvirt_that_does_not_come_back_is_waited_for_once_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = [0]

    def give_up(self: module.Connection) -> object:
        opened[0] += 1
        if opened[0] > 1:
            raise NotYet("it does not run")
        return object()

    monkeypatch.setattr(module, "libvirt", SimpleNamespace(registerErrorHandler=lambda handler, context: None))
    monkeypatch.setattr(module, "_run_event_loop", lambda: None)
    monkeypatch.setattr(module.document, "available", lambda: True)
    monkeypatch.setattr(module.Connection, "_open", give_up)
    monkeypatch.setattr(module, "RETURN_SECONDS", 1.0)
    connection = module.Connection("qemu:///system")
    together = threading.Barrier(4)

    def ask(broken: object) -> str:
        together.wait(10)
        with pytest.raises(Lost) as caught:
            connection._reopen(broken)
        return str(caught.value)

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        said = set(pool.map(ask, [connection.raw] * 4))
    assert time.monotonic() - began < 2.5
    (sentence,) = said
    assert "libvirt did not come back within 1 seconds" in sentence
    # Who asks later waits again.
    before = opened[0]
    with pytest.raises(Lost):
        connection._reopen(connection.raw)
    assert opened[0] > before
