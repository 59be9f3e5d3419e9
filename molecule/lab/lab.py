# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real hypervisors with real guests on this machine. Run `lab.py --help`."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import container
import disks
import footprint
import guest
import images
import keys
import topology
from machine import LabError, demand_root_and_packages, in_parallel, say, wait_until
from topology import Guest, Hypervisor


def make_images(arguments: argparse.Namespace) -> None:
    suites = [topology.SUITES.get(name, name) for name in arguments.suite] or ["trixie"]
    unknown = set(suites) - set(topology.SUITES.values())
    if unknown:
        raise LabError(f"there is no suite {', '.join(sorted(unknown))}; the lab knows 12, 13 and sid")
    kinds = ("hypervisor", "guest", "bare") if arguments.bare else ("hypervisor", "guest")
    for suite in suites:
        in_parallel([partial(images.ensure, f"{kind}-{suite}") for kind in kinds])
    images.discard_superseded()


def up(arguments: argparse.Namespace) -> None:
    hypervisors = [topology.hypervisor(name) for name in arguments.hypervisor or topology.DEFAULT]
    wanted = None if arguments.guests is None else [name for name in arguments.guests.split(",") if name]
    for name in wanted or []:
        topology.host(name)
    images.discard_superseded()
    for hypervisor in hypervisors:
        chosen = [
            one
            for one in hypervisor.guests
            if (one.name in wanted if wanted is not None else one.name not in topology.ON_REQUEST)
        ]
        _bring_up(hypervisor, chosen, arguments.guest_suite, started=not arguments.no_start)


def _bring_up(hypervisor: Hypervisor, guests: list[Guest], suite: str | None, *, started: bool) -> None:
    suites = sorted({suite or one.suite for one in guests})
    in_parallel([partial(images.ensure, name) for name in [hypervisor.image, *(f"guest-{each}" for each in suites)]])
    container.up(hypervisor)
    for one in guests:
        guest.make_files(one, suite or one.suite)
    container.wait_ready(hypervisor)
    say(f"Hypervisor {hypervisor.name} is up, ssh on port {hypervisor.port}.")
    for one in guests:
        guest.define(hypervisor, one, suite or one.suite)
        if started:
            guest.start(hypervisor, one)
    if started and guests:
        say(f"Waiting for {', '.join(one.name for one in guests)} to boot ...")
        in_parallel([partial(guest.wait_ready, hypervisor, one) for one in guests])


def down(arguments: argparse.Namespace) -> None:
    chosen = [topology.hypervisor(name) for name in arguments.hypervisor] or list(topology.HYPERVISORS)
    for hypervisor in chosen:
        container.down(hypervisor)
    if not arguments.hypervisor:
        if topology.STATE.exists():
            shutil.rmtree(topology.STATE)
            say(f"The lab is gone. Its images stay in {topology.CACHE}.")
        images.discard_superseded()


def status(_arguments: argparse.Namespace) -> None:
    for hypervisor in topology.HYPERVISORS:
        if container.init_pid(hypervisor) is None:
            left = "; an earlier run was interrupted" if container.state(hypervisor).exists() else ""
            print(f"{hypervisor.name:8} off, Debian {hypervisor.suite}{left}")
            continue
        print(f"{hypervisor.name:8} on, Debian {hypervisor.suite}, ssh on 127.0.0.1:{hypervisor.port}")
        domains = guest.states(hypervisor)
        for one in hypervisor.guests:
            if one.name in domains:
                answer = "answers ssh" if container.answers_ssh(one.port) else "does not answer ssh"
                print(f"  {one.name:6} {domains[one.name]}, {answer} on 127.0.0.1:{one.port}")
        for name, loop in disks.of(hypervisor):
            print(f"  {name} is {loop}")


def ssh(arguments: argparse.Namespace) -> None:
    command = keys.ssh_command(topology.host(arguments.host))
    os.execvp(command[0], [*command, *arguments.command])


def reboot(arguments: argparse.Namespace) -> None:
    one = topology.host(arguments.host)
    if isinstance(one, Hypervisor):
        container.reboot(one)
        say(f"Hypervisor {one.name} is back. Its guests are off (start them with: lab.py up {one.name}).")
    else:
        guest.reboot(one)
        say(f"Guest {one.name} is back.")


def attach_disk(arguments: argparse.Namespace) -> None:
    hypervisor = topology.hypervisor(arguments.hypervisor)
    size = disks.size_in_bytes(arguments.size)
    if container.init_pid(hypervisor) is None:
        raise LabError(f"hypervisor {hypervisor.name} is not running; start it with: lab.py up {hypervisor.name}")
    if arguments.fresh:
        container.let_go_of_disk(hypervisor, arguments.name)
        disks.detach(hypervisor, arguments.name)
    disks.attach(hypervisor, arguments.name, size, arguments.sector_size)
    name = disks.stable_name(hypervisor, arguments.name)
    wait_until(f"the name {name} in {hypervisor.name}", 20, lambda: container.exists(hypervisor, name))
    print(name)


def detach_disk(arguments: argparse.Namespace) -> None:
    hypervisor = topology.hypervisor(arguments.hypervisor)
    if container.init_pid(hypervisor) is not None:
        container.let_go_of_disk(hypervisor, arguments.name)
    disks.detach(hypervisor, arguments.name)


def print_footprint(_arguments: argparse.Namespace) -> None:
    for line in footprint.lines():
        print(line)


def keep(arguments: argparse.Namespace) -> None:
    sys.exit(container.keep(topology.hypervisor(arguments.hypervisor), arguments.image_root, arguments.network))


@contextmanager
def alone() -> Iterator[None]:
    """One at a time for each state directory: a second run waits for the first."""
    folder = Path("/run/lock") if Path("/run/lock").is_dir() else Path("/tmp")
    name = f"virtio-fs-lab-{hashlib.sha256(str(topology.STATE).encode()).hexdigest()[:8]}.lock"
    with open(folder / name, "w") as lock:
        deadline = time.monotonic() + 1800
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say(f"Another run is at work on the lab in {topology.STATE}; waiting for its end ...")
                    told = True
                if time.monotonic() > deadline:
                    raise LabError("another run has been at work on this lab for half an hour") from None
                time.sleep(0.5)
        yield


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description="Real hypervisors with real guests on this machine.")
    commands = top.add_subparsers(dest="command_name", required=True, metavar="COMMAND")

    one = commands.add_parser("images", help="make the cached images now (default: Debian 13)")
    one.add_argument("suite", nargs="*", help="12, 13, sid")
    one.add_argument("--bare", action="store_true", help="also a hypervisor without libvirt and QEMU")
    one.set_defaults(do=make_images, alone=False)

    one = commands.add_parser("up", help="make hypervisors (default: hv1) and their guests; run it again at any time")
    one.add_argument("hypervisor", nargs="*")
    one.add_argument("--guests", metavar="NAME,...", help="only these; empty: none")
    one.add_argument("--guest-suite", choices=sorted(topology.SUITES.values()), help="Debian release of the guests")
    one.add_argument("--no-start", action="store_true", help="define the guests but leave them off")
    one.set_defaults(do=up, alone=True)

    one = commands.add_parser("down", help="take hypervisors (default: all, and the lab's state) away")
    one.add_argument("hypervisor", nargs="*")
    one.set_defaults(do=down, alone=True)

    one = commands.add_parser("status", help="what runs, and on which ports")
    one.set_defaults(do=status, alone=False)

    one = commands.add_parser("ssh", help="log in to a host, or run a command there")
    one.add_argument("host")
    one.add_argument("command", nargs=argparse.REMAINDER)
    one.set_defaults(do=ssh, alone=False)

    one = commands.add_parser("reboot", help="reboot a host from inside and wait until it is back")
    one.add_argument("host")
    one.set_defaults(do=reboot, alone=True)

    one = commands.add_parser("attach-disk", help="give a hypervisor another blank disk; prints its stable name inside")
    one.add_argument("hypervisor")
    one.add_argument("name", help="such as disk1 (disk0 is there from the beginning)")
    one.add_argument("--size", default="4G", help="binary units (default: 4G); the file is sparse")
    one.add_argument("--sector-size", type=int, choices=(512, 4096), default=512)
    one.add_argument("--fresh", action="store_true", help="a blank one also when there is a disk of that name")
    one.set_defaults(do=attach_disk, alone=True)

    one = commands.add_parser("detach-disk", help="take a disk away, with its content")
    one.add_argument("hypervisor")
    one.add_argument("name")
    one.set_defaults(do=detach_disk, alone=True)

    one = commands.add_parser("footprint", help="what a lab could change on this machine, to compare before and after")
    one.set_defaults(do=print_footprint, alone=False)

    one = commands.add_parser("keep")  # what `up` starts; not for people
    one.add_argument("hypervisor")
    one.add_argument("image_root")
    one.add_argument("network", type=int)
    one.set_defaults(do=keep, alone=False)
    return top


def main() -> int:
    arguments = parser().parse_args()
    try:
        demand_root_and_packages()
        if arguments.alone:
            with alone():
                arguments.do(arguments)
        else:
            arguments.do(arguments)
    except (LabError, LookupError) as problem:
        print(f"lab: {problem.args[0]}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has seen enough
    except KeyboardInterrupt:
        print("lab: interrupted; run the same command again to go on, or `lab.py down`", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
