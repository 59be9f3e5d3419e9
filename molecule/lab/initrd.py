# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's kernel, and a small initial RAM disk: mounts the root disk, sets up the network, gives the guest its name.

Debian's own takes several seconds more per boot without KVM. The kernel unpacks archives one after the other,
so a guest's identity (name, keys) is a second archive behind the one that all guests share.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
from pathlib import Path

INIT = """\
#!/bin/busybox sh
alias bb=/bin/busybox
bb mount -t devtmpfs dev /dev
bb mount -t proc proc /proc
bb mount -t sysfs sys /sys
for module in $(bb cat /modules); do bb insmod "/lib/$module"; done
tries=0
until [ -b /dev/vda ] && [ -e /sys/class/net/eth0 ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { echo "no root disk /dev/vda or no network card"; bb poweroff -f; }
    bb sleep 0.05
done
bb mount -t ext4 -o rw,noatime /dev/vda /root
bb cp -a /identity/. /root/
# The fixed addresses of QEMU's user-mode network; systemd leaves them alone.
bb ip link set lo up
bb ip link set eth0 up
bb ip address add 10.0.2.15/24 dev eth0
bb ip route add default via 10.0.2.2
bb umount /proc
bb umount /sys
bb mount --move /dev /root/dev
# Making system call filters for its services costs systemd several seconds without KVM.
export SYSTEMD_SECCOMP=0
exec /bin/busybox switch_root /root /sbin/init
"""
LOADED = ["virtio_pci", "virtio_blk", "ext4", "virtio_rng", "virtio_net", "virtio_console"]

Member = tuple[str, int, bytes]  # name, mode with file type, content


def archive(members: list[Member]) -> bytes:
    """A cpio archive in the format that the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format)."""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*members, ("TRAILER!!!", 0, b"")], start=1):
        encoded = name.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        out += b"\0" * (-len(out) % 4)
        out += content
        out += b"\0" * (-len(out) % 4)
    return bytes(out) + b"\0" * (-len(out) % 512)


def base(root: Path, version: str, target: Path) -> None:
    """Write the archive that all guests of an image share: busybox, /init and the modules for the root disk."""
    modules = root / "usr/lib/modules" / version
    order = _with_dependencies(modules, LOADED)
    members: list[Member] = [(name, 0o40755, b"") for name in ("bin", "dev", "proc", "sys", "root", "lib", "identity")]
    members.append(("bin/busybox", 0o100755, (target.parent / "busybox").read_bytes()))
    members.append(("init", 0o100755, INIT.encode()))
    for path in order:
        members.append((f"lib/{_plain_name(path)}", 0o100644, _unpacked(modules / path)))
    members.append(("modules", 0o100644, "\n".join(_plain_name(path) for path in order).encode()))
    target.write_bytes(archive(members))
    (target.parent / "busybox").unlink()


def identity(files: dict[str, tuple[int, str]]) -> bytes:
    """An archive of files (path in the guest: mode, text) that /init copies over the guest's root."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    modes = {"root": 0o40700, "root/.ssh": 0o40700}
    members: list[Member] = [(f"identity/{folder}", modes.get(folder, 0o40755), b"") for folder in folders]
    members += [(f"identity/{name}", 0o100000 | mode, text.encode()) for name, (mode, text) in files.items()]
    return archive(members)


def _with_dependencies(modules: Path, names: list[str]) -> list[str]:
    """Module files in the order in which they can be loaded; names that are built into the kernel fall away."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, dummy, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {_module_name(path): path for path in needs}
    soft = {"ext4": ["crc32c_generic", "crc32c_cryptoapi"]}
    order: list[str] = []
    for name in names:
        for wanted in [*soft.get(name, []), name]:
            if wanted in by_name:
                path = by_name[wanted]
                order += [step for step in [*reversed(needs[path]), path] if step not in order]
    return order


def _module_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".")[0].replace("-", "_")


def _plain_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".")[0] + ".ko"


def _unpacked(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix == ".xz":
        return lzma.decompress(content)
    if file.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", str(file)], capture_output=True, check=True, timeout=60).stdout
    return content


def unpack_kernel(image: Path, target: Path) -> None:
    """Write the kernel so that QEMU boots it at once (PVH entry): unpacking itself takes a guest seconds without KVM.

    Where the packed kernel lies in a bzImage: Documentation/arch/x86/boot.rst, payload_offset and payload_length.
    A packing that we do not know stays as it is, QEMU boots that too.
    """
    content = image.read_bytes()
    offset, length = struct.unpack_from("<II", content, 0x248)
    start = ((content[0x1F1] or 4) + 1) * 512 + offset
    payload = content[start : start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        content = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        content = subprocess.run(["zstd", "-dcq"], input=payload, check=False, capture_output=True, timeout=120).stdout
    target.write_bytes(content)
