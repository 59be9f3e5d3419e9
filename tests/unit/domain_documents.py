# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domain documents of every age and shape that an editor of domains meets, by a name that says what is special.

Those written here follow what libvirt's own documentation shows; those in tests/fixtures/domains were captured from
running libvirts.
"""

from __future__ import annotations

from pathlib import Path

_CAPTURED = Path(__file__).parent.parent / "fixtures" / "domains"

_OS = "<os><type arch='x86_64' machine='q35'>hvm</type></os>"
_PC = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
_EMULATOR = "<emulator>/usr/bin/qemu-system-x86_64</emulator>"
PCIE = "<controller type='pci' index='0' model='pcie-root'/>"
PORT = (
    "<controller type='pci' index='{0}' model='pcie-root-port'><model name='pcie-root-port'/>"
    "<target chassis='{0}' port='0x1{0}'/>"
    "<address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x{0}'/></controller>"
)
_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/vm/a.raw'/>"
    "<target dev='{}' bus='{}'/></disk>"
)
_NINE = "<filesystem type='mount' accessmode='mapped'><source dir='/srv/nine'/><target dir='nine'/></filesystem>"
VIRTIOFS = (
    "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'{1}/>{2}<source dir='/srv/{0}'/>"
    "<target dir='{0}'/>{3}</filesystem>"
)
MEMFD = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
_CELLS = (
    "<cpu><numa><cell id='0' cpus='0-1' memory='262144' unit='KiB'{0}/>"
    "<cell id='1' cpus='2-3' memory='262144' unit='KiB'{1}/></numa></cpu>"
)


def domain_xml(
    devices: str = "",
    *,
    memory: str = "<memory unit='KiB'>524288</memory>",
    backing: str = "",
    vcpu: str = "<vcpu>2</vcpu>",
    os: str = _OS,
    cpu: str = "",
    top: str = "",
    head: str = "",
    tail: str = "",
    kind: str = "qemu",
    namespace: str = "",
    emulator: str = _EMULATOR,
) -> str:
    return (
        f"<domain type='{kind}'{namespace}><name>vm1</name><uuid>7bd53d1f-7c26-4b4f-9a6c-0f0d8b4a7b11</uuid>{head}"
        f"{memory}{backing}{vcpu}{os}{top}{cpu}<devices>{emulator}{devices}</devices>{tail}</domain>"
    )


def _four(**options: str) -> str:
    return domain_xml(vcpu="<vcpu>4</vcpu>", **options)


_WRITTEN: dict[str, str] = {
    "nothing special": domain_xml(),
    "pc machine": domain_xml(os=_PC),
    "pc machine of an old QEMU": domain_xml(os="<os><type arch='x86_64' machine='pc-i440fx-2.1'>hvm</type></os>"),
    "isapc machine": domain_xml(os="<os><type arch='i686' machine='isapc'>hvm</type></os>"),
    "microvm machine": domain_xml(os="<os><type arch='x86_64' machine='microvm'>hvm</type></os>"),
    "q35 with one port": domain_xml(PCIE + PORT.format(1)),
    "q35 with many ports": domain_xml(PCIE + "".join(PORT.format(number) for number in range(1, 8))),
    "pci bridge on a pc machine": domain_xml(
        "<controller type='pci' index='0' model='pci-root'/><controller type='pci' index='1' model='pci-bridge'/>",
        os=_PC,
    ),
    "expander buses": domain_xml(
        PCIE + "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='180'/></controller>"
        "<controller type='pci' index='2' model='pcie-root-port'>"
        "<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></controller>"
    ),
    "aarch64 virt": domain_xml(
        os="<os firmware='efi'><type arch='aarch64' machine='virt'>hvm</type></os>",
        emulator="<emulator>/usr/bin/qemu-system-aarch64</emulator>",
    ),
    "s390x ccw": domain_xml(
        "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/>"
        "<address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0000'/></disk>",
        os="<os><type arch='s390x' machine='s390-ccw-virtio'>hvm</type></os>",
        emulator="<emulator>/usr/bin/qemu-system-s390x</emulator>",
    ),
    "ppc64 pseries": domain_xml(
        "<controller type='pci' index='0' model='pci-root'><model name='spapr-pci-host-bridge'/>"
        "<target index='0'/></controller>",
        os="<os><type arch='ppc64le' machine='pseries'>hvm</type></os>",
        emulator="<emulator>/usr/bin/qemu-system-ppc64</emulator>",
    ),
    "riscv64 virt": domain_xml(
        os="<os><type arch='riscv64' machine='virt'>hvm</type></os>",
        emulator="<emulator>/usr/bin/qemu-system-riscv64</emulator>",
    ),
    "kvm": domain_xml(kind="kvm", cpu="<cpu mode='host-passthrough' check='none' migratable='on'/>"),
    "host-model processor": domain_xml(
        cpu="<cpu mode='host-model'><topology sockets='1' dies='1' cores='2' threads='1'/></cpu>"
    ),
    "custom processor": domain_xml(
        cpu="<cpu mode='custom' match='exact'><model fallback='allow'>Nehalem</model>"
        "<feature policy='disable' name='vmx'/></cpu>"
    ),
    "memory in bytes": domain_xml(memory="<memory unit='bytes'>536870912</memory>"),
    "memory in GiB, half of it now": domain_xml(
        memory="<memory unit='GiB'>1</memory><currentMemory unit='MiB'>512</currentMemory>"
    ),
    "memory without a unit": domain_xml(memory="<memory>524288</memory><currentMemory>524288</currentMemory>"),
    "decimal megabytes": domain_xml(memory="<memory unit='MB'>512</memory>"),
    "processors to be plugged in": domain_xml(vcpu="<vcpu placement='static' current='1'>4</vcpu>"),
    "single processors said one by one": domain_xml(
        vcpu="<vcpu current='1'>2</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
        "<vcpu id='1' enabled='no' hotpluggable='yes'/></vcpus>"
    ),
    "memory shared by memfd": domain_xml(backing=MEMFD),
    "memory shared in a file": domain_xml(
        backing="<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"
    ),
    "file backing, not shared": domain_xml(backing="<memoryBacking><source type='file'/></memoryBacking>"),
    "anonymous backing": domain_xml(backing="<memoryBacking><source type='anonymous'/></memoryBacking>"),
    "private access": domain_xml(backing="<memoryBacking><access mode='private'/></memoryBacking>"),
    "private file backing": domain_xml(
        backing="<memoryBacking><source type='file'/><access mode='private'/></memoryBacking>"
    ),
    "shared without a source": domain_xml(backing="<memoryBacking><access mode='shared'/></memoryBacking>"),
    "locked and not merged": domain_xml(
        backing="<memoryBacking><nosharepages/><locked/></memoryBacking>",
        tail="",
        head="<memtune><hard_limit unit='KiB'>2097152</hard_limit></memtune>",
    ),
    "discarded at the end": domain_xml(backing="<memoryBacking><source type='memfd'/><discard/></memoryBacking>"),
    "allocated at once": domain_xml(backing="<memoryBacking><allocation mode='immediate'/></memoryBacking>"),
    "huge pages": domain_xml(backing="<memoryBacking><hugepages/></memoryBacking>"),
    "huge pages of a size": domain_xml(
        backing="<memoryBacking><hugepages><page size='2048' unit='KiB'/></hugepages></memoryBacking>"
    ),
    "huge pages for some cells": _four(
        backing="<memoryBacking><hugepages><page size='2048' unit='KiB' nodeset='0'/></hugepages></memoryBacking>",
        cpu=_CELLS.format("", ""),
    ),
    "cells that say nothing": _four(cpu=_CELLS.format("", "")),
    "private cells": _four(cpu=_CELLS.format(" memAccess='private'", " memAccess='private'")),
    "one private cell": _four(cpu=_CELLS.format("", " memAccess='private'"), backing=MEMFD),
    "shared cells": _four(cpu=_CELLS.format(" memAccess='shared'", " memAccess='shared'")),
    "cells that inherit": _four(cpu=_CELLS.format("", ""), backing=MEMFD),
    "cells with distances": _four(
        cpu="<cpu><numa><cell id='0' cpus='0-1' memory='256' unit='MiB'><distances><sibling id='0' value='10'/>"
        "<sibling id='1' value='21'/></distances></cell><cell id='1' cpus='2-3' memory='256' unit='MiB'/></numa></cpu>"
    ),
    "cells tuned to host nodes": _four(
        cpu=_CELLS.format("", ""),
        top="<numatune><memory mode='strict' nodeset='0'/><memnode cellid='0' mode='strict' nodeset='0'/></numatune>",
    ),
    "memory devices": domain_xml(
        "<memory model='dimm'><target><size unit='KiB'>131072</size><node>0</node></target></memory>",
        memory="<maxMemory slots='4' unit='KiB'>4194304</maxMemory><memory unit='KiB'>655360</memory>",
        vcpu="<vcpu>4</vcpu>",
        cpu=_CELLS.format("", ""),
    ),
    "a private memory device": domain_xml(
        "<memory model='dimm' access='private'><target><size unit='KiB'>131072</size><node>0</node></target></memory>",
        memory="<maxMemory slots='4' unit='KiB'>4194304</maxMemory><memory unit='KiB'>655360</memory>",
        vcpu="<vcpu>4</vcpu>",
        cpu=_CELLS.format("", ""),
    ),
    "a shared memory device in private cells": domain_xml(
        "<memory model='dimm' access='shared'><target><size unit='KiB'>131072</size><node>1</node></target></memory>",
        memory="<maxMemory slots='4' unit='KiB'>4194304</maxMemory><memory unit='KiB'>655360</memory>",
        vcpu="<vcpu>4</vcpu>",
        cpu=_CELLS.format(" memAccess='private'", " memAccess='private'"),
    ),
    "a filesystem of another type": domain_xml(_NINE),
    "ram filesystem": domain_xml(
        "<filesystem type='ram'><source usage='10' units='MiB'/><target dir='/ram'/></filesystem>"
    ),
    "a virtiofs share of somebody": domain_xml(VIRTIOFS.format("other", "", "", ""), backing=MEMFD),
    "a share with every option": domain_xml(
        VIRTIOFS.format(
            "other",
            " queue='1024'",
            "<binary path='/usr/libexec/virtiofsd' xattr='on'><cache mode='always'/><sandbox mode='chroot'/>"
            "<lock posix='on' flock='on'/><thread_pool size='16'/></binary>",
            "<boot order='2'/><address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>",
        ),
        backing=MEMFD,
    ),
    "a share through a socket": domain_xml(
        "<filesystem type='mount'><driver type='virtiofs' queue='1024'/><source socket='/run/other.sock'/>"
        "<target dir='socket'/></filesystem>",
        backing=MEMFD,
    ),
    "many disks": domain_xml("".join(_DISK.format(f"vd{letter}", "virtio") for letter in "abcdefgh")),
    "disks on every bus": domain_xml(
        _DISK.format("sda", "scsi") + _DISK.format("hda", "sata") + "<controller type='scsi' model='virtio-scsi'/>"
    ),
    "disk from the network with a secret": domain_xml(
        "<disk type='network'><driver name='qemu' type='raw'/><auth username='libvirt'>"
        "<secret type='ceph' uuid='ec9be0c2-4d3b-4b8b-9d2e-0f5cb1b2f1ef'/></auth>"
        "<source protocol='rbd' name='pool/image'><host name='mon1.example.org' port='6321'/></source>"
        "<target dev='vda' bus='virtio'/></disk>"
    ),
    "disk with a tray and I/O limits": domain_xml(
        "<disk type='file' device='cdrom'><target dev='sda' bus='sata' tray='open'/><readonly/></disk>"
        "<disk type='block'><source dev='/dev/vg/lv'/><target dev='vda'/>"
        "<iotune><total_iops_sec>400</total_iops_sec></iotune></disk>"
    ),
    "passed-through PCI device": domain_xml(
        "<hostdev mode='subsystem' type='pci' managed='yes'><driver name='vfio'/><source><address domain='0x0000' "
        "bus='0x06' slot='0x02' function='0x0'/></source><rom bar='off'/></hostdev>"
    ),
    "passed-through USB device": domain_xml(
        "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x1234'/>"
        "<product id='0xbeef'/></source></hostdev>"
    ),
    "mediated device": domain_xml(
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
        "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
    ),
    "network cards": domain_xml(
        "<interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/><model type='virtio'/>"
        "</interface><interface type='bridge'><source bridge='br0'/><virtualport type='openvswitch'/></interface>"
        "<interface type='user'/>"
    ),
    "guest agent and serial lines": domain_xml(
        "<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
    ),
    "VNC with a password": domain_xml(
        "<graphics type='vnc' port='-1' autoport='yes' passwd='s3cret-vnc' passwdValidTo='2030-01-01T00:00:00'/>"
    ),
    "SPICE with a password": domain_xml(
        "<graphics type='spice' autoport='yes' passwd='s3cret-spice'><channel name='main' mode='secure'/></graphics>"
    ),
    "QEMU command line": domain_xml(
        tail="<qemu:commandline><qemu:arg value='-netdev'/><qemu:arg value='user,id=n0'/>"
        "<qemu:env name='TOKEN' value='s3cret-env'/></qemu:commandline>",
        namespace=" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'",
    ),
    "QEMU override": domain_xml(
        tail="<qemu:override><qemu:device alias='ua-disk'><qemu:frontend><qemu:property name='x' type='bool' "
        "value='true'/></qemu:frontend></qemu:device></qemu:override>",
        namespace=" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'",
    ),
    "metadata": domain_xml(
        head="<title>A machine</title><description>Line one\nline two &amp; &lt;three&gt;</description><metadata>"
        "<app:note xmlns:app='http://example.org/app' app:rank='1'>kept <app:b>as</app:b> it is</app:note></metadata>"
    ),
    "libosinfo": domain_xml(
        head="<metadata><libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>"
        "<libosinfo:os id='http://debian.org/debian/12'/></libosinfo:libosinfo></metadata>"
    ),
    "non-ASCII": domain_xml(
        head="<title>Größe – 仮想機械 ☃</title>",
        devices="<disk type='file'><source file='/srv/Bücher/ä b.raw'/><target dev='vda'/></disk>",
    ),
    "comments": domain_xml("<!-- kept --><input type='tablet' bus='usb'/><!-- too -->", head="<!-- do not touch -->"),
    "security labels": domain_xml(
        tail="<seclabel type='static' model='dac' relabel='no'><label>+107:+107</label></seclabel>"
        "<seclabel type='none' model='apparmor'/>"
    ),
    "launch security": domain_xml(
        tail="<launchSecurity type='sev'><cbitpos>47</cbitpos><reducedPhysBits>1</reducedPhysBits>"
        "<policy>0x0003</policy></launchSecurity>"
    ),
    "firmware with NVRAM": domain_xml(
        os="<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' secure='yes' type='pflash'>"
        "/usr/share/OVMF/OVMF_CODE.secboot.fd</loader><nvram template='/usr/share/OVMF/OVMF_VARS.fd'>"
        "/var/lib/libvirt/qemu/nvram/vm1_VARS.fd</nvram><boot dev='hd'/><bootmenu enable='yes'/></os>",
        top="<features><acpi/><apic/><smm state='on'/></features>",
    ),
    "direct kernel boot": domain_xml(
        os="<os><type arch='x86_64' machine='q35'>hvm</type><kernel>/srv/vmlinuz</kernel><initrd>/srv/initrd</initrd>"
        "<cmdline>root=/dev/vda rw quiet</cmdline></os>"
    ),
    "TPM, watchdog, random numbers and panic": domain_xml(
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm><watchdog model='i6300esb' action='reset'/>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><panic model='isa'/>"
        "<memballoon model='virtio'><stats period='10'/></memballoon>"
    ),
    "clock and timers": domain_xml(
        top="<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>"
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>coredump-destroy</on_crash>"
        "<pm><suspend-to-mem enabled='no'/></pm>"
    ),
    "Windows with enlightenments": domain_xml(
        top="<features><acpi/><apic/><hyperv mode='custom'><relaxed state='on'/><vapic state='on'/>"
        "<spinlocks state='on' retries='8191'/></hyperv><vmport state='off'/></features>"
    ),
    "I/O threads and tuned processors": domain_xml(
        head="<iothreads>2</iothreads><cputune><shares>2048</shares><vcpupin vcpu='0' cpuset='0'/></cputune>"
        "<blkiotune><weight>500</weight></blkiotune>"
    ),
    "sysinfo": domain_xml(
        os="<os><type arch='x86_64' machine='q35'>hvm</type><smbios mode='sysinfo'/></os>",
        head="<sysinfo type='smbios'><system><entry name='serial'>s3cret-serial</entry></system></sysinfo>",
    ),
    "written by hand, with odd spaces": """<domain   type = 'qemu' >

\t<name>vm1</name>
  <memory>524288</memory><vcpu>1</vcpu>
<os><type>hvm</type></os>
<devices>


<emulator>/usr/bin/qemu-system-x86_64</emulator>\t</devices>
</domain>
""",
    "the least there can be": "<domain type='qemu'><name>vm1</name><memory>524288</memory><os><type>hvm</type></os>"
    "</domain>",
    "from 2010": "<domain type='qemu' id='7'><name>vm1</name><memory>524288</memory>"
    "<currentMemory>524288</currentMemory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc-0.12'>hvm</type><boot dev='hd'/></os>"
    "<features><acpi/><apic/><pae/></features><clock offset='utc'/><on_poweroff>destroy</on_poweroff>"
    "<on_reboot>restart</on_reboot><on_crash>restart</on_crash><devices><emulator>/usr/bin/kvm</emulator>"
    "<disk type='file' device='disk'><source file='/a.img'/><target dev='hda' bus='ide'/></disk>"
    "<interface type='user'/><input type='mouse' bus='ps2'/><graphics type='vnc' port='5900' autoport='yes'/>"
    "<sound model='es1370'/><video><model type='cirrus' vram='9216'/></video></devices></domain>",
}


def _captured() -> dict[str, str]:
    return {
        f"captured: {path.stem}": "".join(
            line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if not line.startswith("<!--")
        )
        for path in sorted(_CAPTURED.glob("*.xml"))
    }


DOCUMENTS = {**_WRITTEN, **_captured()}

# Libvirt's rule cannot be met there, and the plan says so instead of editing.
IMPOSSIBLE = {
    "huge pages on demand": domain_xml(
        backing="<memoryBacking><hugepages/><allocation mode='ondemand'/></memoryBacking>"
    ),
}
