# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a hypervisor of the lab: takes away every share, as if the collection had never been there.

Plain commands only and nothing of the collection, so that a defect there cannot spoil the next scenario.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from xml.etree import ElementTree

PACKAGES = (
    *("virtiofsd", "python3-libvirt", "python3-lxml", "python3-apt", "fdisk", "parted"),
    *("e2fsprogs", "xfsprogs", "btrfs-progs"),
)
OURS = re.compile(r"^(?!#).*(\bLABEL=\S+\s+/shared|/shared/|/srv/proof|/var/lib/virtiofs|virtiofs)")


def run(*argv, check=True, timeout=120):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    if check and done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr or done.stdout}")
    return done.stdout


def wait_until(what, seconds, test):
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds} seconds")
        time.sleep(0.3)


def definition(domain, *options):
    return ElementTree.fromstring(run("virsh", "dumpxml", domain, "--security-info", *options))


def shares(tree):
    return [fs for fs in tree.findall("devices/filesystem") if fs.find("driver[@type='virtiofs']") is not None]


def running(domain):
    return run("virsh", "domstate", domain).strip() == "running"


def stop(domain):
    run("virsh", "shutdown", domain, "--mode", "agent,acpi", check=False)
    try:
        wait_until("", 60, lambda: not running(domain))
    except SystemExit:
        run("virsh", "destroy", domain, check=False)


def with_xml(command, domain, tree, *options):
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(ElementTree.tostring(tree, encoding="unicode"))
        file.flush()
        return run("virsh", command, *([domain] if domain else []), file.name, *options, check=False)


def detach_all(domain):
    if running(domain):
        for share in shares(definition(domain)):
            with_xml("detach-device", domain, share, "--live")
        deadline = time.monotonic() + 20
        while shares(definition(domain)) and time.monotonic() < deadline:
            time.sleep(0.3)
    tree = definition(domain, "--inactive")
    found = shares(tree)
    for share in found:
        tree.find("devices").remove(share)
    if found:
        with_xml("define", None, tree)
    assert not shares(definition(domain, "--inactive")), domain
    if running(domain) and shares(definition(domain)):
        stop(domain)
        run("virsh", "start", domain)


def take_shared_memory(domain):
    """Back to a definition that shares no memory, at once."""
    tree = definition(domain, "--inactive")
    for parent, name in ((tree, "memoryBacking"), (tree.find("cpu"), "numa")):
        found = parent.find(name) if parent is not None else None
        if found is not None:
            parent.remove(found)
    with_xml("define", None, tree)
    assert definition(domain, "--inactive").find("memoryBacking") is None, domain
    if running(domain) and definition(domain).find("memoryBacking") is not None:
        stop(domain)
    if not running(domain):
        run("virsh", "start", domain)


def mounts():
    with open("/proc/self/mountinfo") as table:
        return [line.split()[4] for line in table]


def storage_gone(disk):
    for path in reversed(mounts()):
        if path.startswith(("/shared", "/srv/proof", "/var/lib/virtiofs")):
            run("umount", path)
    with open("/etc/fstab") as file:
        lines = file.readlines()
    kept = [line for line in lines if not OURS.match(line)]
    if kept != lines:
        with open("/etc/fstab", "w") as file:
            file.writelines(kept)
        run("systemctl", "daemon-reload")
    for path in ("/shared", "/srv/proof", "/var/lib/virtiofs"):
        for folder, *dummy in os.walk(path) if shutil.which("chattr") else ():
            subprocess.run(["chattr", "-i", folder], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(path, ignore_errors=True)
    if disk and os.path.exists(disk):
        run("wipefs", "--all", "--force", *sorted(glob.glob(os.path.realpath(disk) + "p*")), disk)
        run("partx", "--delete", disk, check=False)
        run("blkdiscard", "--force", disk)
        run("udevadm", "settle", "--timeout=20", check=False)


def memory_backing_dir_gone():
    path = "/etc/libvirt/qemu.conf"
    with open(path) as file:
        text = file.read()
    kept = re.sub(r"(?m)^memory_backing_dir\b.*", '#memory_backing_dir = "/var/lib/libvirt/qemu/ram"', text)
    if kept != text:
        with open(path, "w") as file:
            file.write(kept)
        run("systemctl", "restart", "libvirtd.service")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--disk")
    parser.add_argument("--as-new", action="append", default=[])
    parser.add_argument("--without-packages", action="store_true")
    wanted = parser.parse_args()
    domains = run("virsh", "list", "--all", "--name").split()
    for domain in domains:
        detach_all(domain)
    storage_gone(wanted.disk)
    memory_backing_dir_gone()
    for domain in wanted.as_new:
        take_shared_memory(domain)
    if wanted.without_packages:
        known = run("dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package}\n", *PACKAGES, check=False)
        installed = [line.split()[-1] for line in known.splitlines() if line.startswith("ii")]
        if installed:
            run("apt-get", "-qq", "-y", "--allow-remove-essential", "purge", *installed, timeout=300)


main()
