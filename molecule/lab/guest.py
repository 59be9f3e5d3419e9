# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest: a libvirt domain as its owner would have made it, without shared memory and without any shared directory."""

from __future__ import annotations

import hashlib
import time

import container
import images
import initrd
import keys
from machine import LabError, has_kvm, run, say, wait_until
from topology import STATE, Guest, Hypervisor

DOMAIN = """\
<domain type='{type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{images}/kernel</kernel>
    <initrd>{disks}/{name}.initrd</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  {cpu}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/>
      <source file='{disks}/{name}.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='file'>
      <source path='{disks}/{name}.console' append='on'/>
      <target port='0'/>
    </serial>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=lab0,hostfwd=tcp:127.0.0.1:{port}-:22'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=lab0,bus=pcie.0,addr=0x10,romfile='/>
  </qemu:commandline>
</domain>
"""
CMDLINE = (
    "console=ttyS0 quiet net.ifnames=0 panic=5 mitigations=off audit=0 lsm=capability nokaslr cryptomgr.notests "
    "tsc=reliable rcupdate.rcu_expedited=1 systemd.show_status=false"
)


def make_files(guest: Guest, suite: str) -> None:
    """The guest's overlay disk and initial RAM disk, unless they are there."""
    image = images.ensure(f"guest-{suite}")
    place = STATE / guest.hypervisor / "guests"
    place.mkdir(parents=True, exist_ok=True)
    keys.ensure()
    ram_disk = place / f"{guest.name}.initrd"
    if not ram_disk.exists():
        ram_disk.write_bytes((image / "initrd").read_bytes() + initrd.identity(_identity(guest)))
    disk = place / f"{guest.name}.qcow2"
    if not disk.exists():
        fresh = disk.with_suffix(".new")
        raw = f"{container.IMAGES_INSIDE}/{image.name}/disk.raw"
        size = str((image / "disk.raw").stat().st_size)
        run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", raw, "-F", "raw", str(fresh), size])
        fresh.rename(disk)


def define(hypervisor: Hypervisor, guest: Guest, suite: str) -> None:
    """Define the domain unless libvirt has it."""
    if guest.name in container.inside(hypervisor, ["virsh", "list", "--all", "--name"], timeout=180).split():
        return
    text = DOMAIN.format(
        type="kvm" if has_kvm() else "qemu", cpu="<cpu mode='host-passthrough'/>" if has_kvm() else "",
        name=guest.name, memory=guest.memory_mib, vcpus=guest.vcpus, port=guest.port, cmdline=CMDLINE,
        images=f"{container.IMAGES_INSIDE}/{images.path(f'guest-{suite}').name}", disks=container.GUESTS_INSIDE,
    )  # fmt: skip
    container.inside(hypervisor, ["virsh", "define", "/dev/stdin"], timeout=180, stdin=text)


def start(hypervisor: Hypervisor, guest: Guest) -> None:
    """Start the domain unless it runs."""
    if guest.name in container.inside(hypervisor, ["virsh", "list", "--name"], timeout=180).split():
        return
    container.inside(hypervisor, ["virsh", "start", guest.name], timeout=180)


def states(hypervisor: Hypervisor) -> dict[str, str]:
    """Every domain that libvirt knows there, and its state in libvirt's words."""
    lines = container.inside(hypervisor, ["sh", "-c", "! command -v virsh >/dev/null || virsh list --all"]).splitlines()
    words = [line.split(None, 2) for line in lines[2:] if line.strip()]
    return {found[1]: found[2].strip() for found in words}


def reboot(guest: Guest) -> None:
    """Reboot from inside, as its administrator would."""
    before = _boot_id(guest)
    run([*keys.ssh_command(guest), "systemctl reboot --no-block"], timeout=120)
    wait_until(f"the reboot of {guest.name}", 300, lambda: _boot_id(guest) not in ("", before), pause=2)


def _boot_id(guest: Guest) -> str:
    if not container.answers_ssh(guest.port):
        return ""
    return run([*keys.ssh_command(guest), "cat /proc/sys/kernel/random/boot_id"], timeout=120, check=False).strip()


def wait_ready(hypervisor: Hypervisor, guest: Guest, seconds: float = 300) -> None:
    """Wait until ssh lets us in; stop waiting when the domain has stopped."""
    begun = time.monotonic()
    looked = begun
    console = f"{STATE}/{guest.hypervisor}/guests/{guest.name}.console"

    def answered() -> bool:
        nonlocal looked
        if container.answers_ssh(guest.port):
            return True
        if time.monotonic() - looked > 20:
            looked = time.monotonic()
            if states(hypervisor).get(guest.name) != "running":
                raise LabError(f"guest {guest.name} stopped while it booted; its last words are in {console}")
        return False

    wait_until(f"an ssh answer from guest {guest.name} (its console is in {console})", seconds, answered, pause=1)
    run([*keys.ssh_command(guest), "true"], timeout=180)
    say(f"Guest {guest.name} answers ssh on port {guest.port} ({time.monotonic() - begun:.0f} s).")


def _identity(guest: Guest) -> dict[str, tuple[int, str]]:
    # The machine id must be the same at every boot and another in every guest.
    machine_id = hashlib.md5(f"{STATE}/{guest.name}".encode()).hexdigest()
    return {
        "etc/hostname": (0o644, guest.name + "\n"),
        "etc/hosts": (0o644, f"127.0.0.1 localhost\n127.0.1.1 {guest.name}\n"),
        "etc/machine-id": (0o444, machine_id + "\n"),
        "etc/ssh/ssh_host_ed25519_key": (0o600, keys.host_key()),
        "root/.ssh/authorized_keys": (0o600, keys.public_key()),
    }
