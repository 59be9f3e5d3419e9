#!/usr/bin/env python3
# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real hypervisors with real guests on this machine. Run `lab.py --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parent))

import container  # noqa: E402
import device_nodes  # noqa: E402
import guest  # noqa: E402
import images  # noqa: E402
import keys  # noqa: E402
import topology  # noqa: E402
from machine import LabError, demand_root_and_packages, in_parallel, say  # noqa: E402


def up(arguments: argparse.Namespace) -> None:
    hypervisors = [topology.hypervisor(name) for name in arguments.hypervisor or topology.DEFAULT]
    for hypervisor in hypervisors:
        chosen = _chosen_guests(hypervisor, arguments.guests)
        suites = sorted({arguments.guest_suite or g.suite for g in chosen})
        in_parallel([partial(images.ensure, name) for name in [hypervisor.image, *(f"guest-{s}" for s in suites)]])
        for one in chosen:
            guest.make_files(one, arguments.guest_suite or one.suite)
        container.up(hypervisor)
        for one in chosen:  # a container that was taken down half way takes the guests' files with it
            guest.make_files(one, arguments.guest_suite or one.suite)
        container.wait_ready(hypervisor)
        say(f"Hypervisor {hypervisor.name} is up, ssh on port {hypervisor.port}.")
        for one in chosen:
            guest.define(hypervisor, one, arguments.guest_suite or one.suite)
            if not arguments.no_start:
                guest.start(hypervisor, one)
        if not arguments.no_start:
            if chosen:
                say(f"Waiting for {', '.join(g.name for g in chosen)} to boot ...")
            in_parallel([partial(guest.wait_ready, one) for one in chosen])


def _chosen_guests(hypervisor: topology.Hypervisor, names: str) -> List[topology.Guest]:
    if names is None:
        return [g for g in hypervisor.guests if g.name not in topology.ON_REQUEST]
    wanted = [name for name in names.split(",") if name]
    for name in wanted:
        topology.host(name)
    return [g for g in hypervisor.guests if g.name in wanted]


def down(arguments: argparse.Namespace) -> None:
    chosen = [topology.hypervisor(name) for name in arguments.hypervisor] or list(topology.HYPERVISORS)
    for hypervisor in chosen:
        container.down(hypervisor)
    if not any(container.state(one).exists() for one in topology.HYPERVISORS):
        device_nodes.put_back()
    if not arguments.hypervisor and topology.STATE.exists():
        shutil.rmtree(topology.STATE)
        say("The lab is gone; the cached images stay in " + str(topology.CACHE) + ".")


def ssh(arguments: argparse.Namespace) -> None:
    command = keys.ssh_command(topology.host(arguments.host))
    os.execvp(command[0], [*command, *arguments.command])


def main() -> int:
    parser = argparse.ArgumentParser(description="Real hypervisors with real guests on this machine.")
    commands = parser.add_subparsers(dest="command_name", required=True)
    one = commands.add_parser("up", help="make hypervisors (default: hv1) and their guests; can be run again at any time")
    one.add_argument("hypervisor", nargs="*")
    one.add_argument("--guests", help="only these, comma-separated; empty: none")
    one.add_argument("--guest-suite", choices=sorted(topology.SUITES.values()), help="Debian release of the guests")
    one.add_argument("--no-start", action="store_true", help="define the guests but leave them off")
    one.set_defaults(do=up)
    one = commands.add_parser("down", help="take hypervisors (default: all) away")
    one.add_argument("hypervisor", nargs="*")
    one.set_defaults(do=down)
    one = commands.add_parser("ssh", help="log in to a host of the lab, or run a command there")
    one.add_argument("host")
    one.add_argument("command", nargs=argparse.REMAINDER)
    one.set_defaults(do=ssh)
    one = commands.add_parser("keep")
    one.add_argument("hypervisor")
    one.add_argument("image_root")
    one.set_defaults(do=lambda a: sys.exit(container.keep(topology.hypervisor(a.hypervisor), a.image_root)))
    arguments = parser.parse_args()
    try:
        demand_root_and_packages()
        arguments.do(arguments)
    except (LabError, LookupError) as problem:
        print(f"lab: {problem.args[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
