# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's relay between two network namespaces, which only root may enter."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

LAB = Path(__file__).resolve().parents[2] / "molecule/lab"
sys.path.insert(0, str(LAB))

import relay  # noqa: E402


def test_the_relay_passes_bytes_both_ways_and_says_nothing_where_nobody_listens() -> None:
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()[1]
            probe.close()
            relay.forward(here, ("127.0.0.1", free), here, server.getsockname())

            def echo() -> None:
                accepted, _peer = server.accept()
                with accepted:
                    accepted.sendall(accepted.recv(100).upper())

            threading.Thread(target=echo, daemon=True).start()
            with socket.create_connection(("127.0.0.1", free), timeout=10) as caller:
                caller.sendall(b"hello")
                assert caller.recv(100) == b"HELLO"
            server.close()
            with socket.create_connection(("127.0.0.1", free), timeout=10) as caller:
                assert caller.recv(100) == b""
    finally:
        os.close(here)
