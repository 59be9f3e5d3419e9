# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few ways between a hypervisor's own network and the machine's: ssh inwards, the Debian mirror outwards.

A hypervisor has a network namespace of its own, with nothing but a loopback. Two udev daemons in one namespace hear
each other, and systemd then takes the word of the one that does not see its disks; and what libvirt or a package does
to interfaces, firewall and settings stays inside.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

CLONE_NEWNET = 0x40000000  # sched.h
CONNECT_SECONDS = 20
_libc = ctypes.CDLL(None, use_errno=True)


def enter_network(namespace: int) -> None:
    """Move this thread into the network namespace behind a descriptor; its sockets belong there from now on."""
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def forward(listen_in: int, listen: tuple[str, int], connect_in: int, connect: tuple[str, int]) -> None:
    """Accept connections in one network namespace and pass them on in another, until the process ends."""
    ready = threading.Event()
    problems: list[OSError] = []

    def serve() -> None:
        try:
            enter_network(listen_in)
            server = socket.create_server(listen, backlog=128)
        except OSError as problem:
            problems.append(problem)
            return
        finally:
            ready.set()
        while True:
            with suppress(OSError):
                accepted, _peer = server.accept()
                _in_background(partial(_pass_on, accepted, connect_in, connect))

    _in_background(serve)
    ready.wait(CONNECT_SECONDS)
    if problems:
        raise problems[0]


def _pass_on(here: socket.socket, connect_in: int, connect: tuple[str, int]) -> None:
    with here:
        try:
            enter_network(connect_in)
            there = socket.create_connection(connect, timeout=CONNECT_SECONDS)
        except OSError:
            return  # closing our side is the answer: a caller sees that nobody is there
        there.settimeout(None)
        with there:
            back = _in_background(partial(_copy, there, here))
            _copy(here, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
