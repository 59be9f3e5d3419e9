#!/bin/sh
# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y install virtiofsd python3-libvirt python3-lxml fdisk e2fsprogs >/dev/null

disk=/dev/disk/by-id/lab-hv1-disk0
echo 'label: gpt
size=2GiB' | sfdisk --quiet --wipe always $disk
partx --update $disk || true
udevadm settle --timeout=20
mkfs.ext4 -q -m 1 -L proof_vm3 "$(readlink -f $disk)p1"
udevadm settle --timeout=20
install --directory --mode=0700 /shared
mkdir --parents /shared/proof_vm3
echo 'LABEL=proof_vm3 /shared/proof_vm3 ext4 rw,noatime,nosuid,nodev 0 2' >>/etc/fstab
systemctl daemon-reload
mount /shared/proof_vm3

virsh dumpxml vm3 --inactive --security-info >/run/proof.xml
python3 - <<'EDIT'
import re

with open("/run/proof.xml") as file:
    text = file.read()
memory = re.search(r"<memory unit='(\w+)'>(\d+)</memory>", text)
vcpus = int(re.search(r"<vcpu[^>]*>(\d+)</vcpu>", text).group(1))
cell = f"<cell id='0' cpus='0-{vcpus - 1}' memory='{memory.group(2)}' unit='{memory.group(1)}' memAccess='shared'/>"
numa = f"<numa>{cell}</numa>"
share = (
    "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
    "<source dir='/shared/proof_vm3'/><target dir='vm3'/></filesystem>"
)
text = re.sub(r"<cpu\b([^>]*)/>", rf"<cpu\1>{numa}</cpu>", text)
text = text.replace("</cpu>", f"{numa}</cpu>") if numa not in text and "</cpu>" in text else text
text = text if numa in text else text.replace("<clock", f"<cpu>{numa}</cpu><clock", 1)
text = text.replace("<currentMemory", "<memoryBacking><source type='memfd'/></memoryBacking><currentMemory", 1)
# Room for one hot-plug, beside the port that the share itself takes.
ports = "<controller type='pci' model='pcie-root-port'/>" * 2
text = text.replace("</devices>", share + ports + "</devices>")
with open("/run/proof.xml", "w") as file:
    file.write(text)
EDIT
virsh define /run/proof.xml
rm /run/proof.xml
virsh shutdown vm3 --mode agent,acpi
timeout 120 sh -c "until virsh domstate vm3 | grep -q 'shut off'; do sleep 0.5; done"
virsh start vm3
