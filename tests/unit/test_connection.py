# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an error of libvirt means, whatever language it is told in."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest

from ansible_collections.virtio.fs.plugins.module_utils import _connection

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
    monkeypatch.setattr(_connection, "libvirt", names)
    assert _connection._daemon_is_missing(_Error(words, domain, code, number)) is missing
