# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small initial RAM disk: mounts the root disk, gives the guest its identity and hands over to systemd.

Debian's own takes several seconds more per boot without KVM. The kernel unpacks archives one after the other,
so a guest's identity (name, keys) is a second archive behind the one that all guests share.
"""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path
from typing import Dict, List, Tuple

INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules); do /bin/busybox insmod "/lib/$module"; done
tries=0
until [ -b /dev/vda ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || { echo "no root disk /dev/vda"; /bin/busybox poweroff -f; }
    /bin/busybox sleep 0.05
done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /root
/bin/busybox cp -a /identity/. /root/
/bin/busybox umount /proc
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""

Member = Tuple[str, int, bytes]  # name, mode with file type, content


def archive(members: List[Member]) -> bytes:
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
    order = _with_dependencies(modules, ["virtio_pci", "virtio_blk", "ext4"])
    members: List[Member] = [(name, 0o40755, b"") for name in ("bin", "dev", "proc", "root", "lib", "identity")]
    members.append(("bin/busybox", 0o100755, (target.parent / "busybox").read_bytes()))
    members.append(("init", 0o100755, INIT.encode()))
    for path in order:
        members.append((f"lib/{_plain_name(path)}", 0o100644, _unpacked(modules / path)))
    members.append(("modules", 0o100644, "\n".join(_plain_name(path) for path in order).encode()))
    target.write_bytes(archive(members))
    (target.parent / "busybox").unlink()


def identity(files: Dict[str, Tuple[int, str]]) -> bytes:
    """An archive of files (path in the guest: mode, text) that /init copies over the guest's root."""
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    members: List[Member] = [(f"identity/{folder}", 0o40755 if folder != "root" else 0o40700, b"") for folder in folders]
    members += [(f"identity/{name}", 0o100000 | mode, text.encode()) for name, (mode, text) in files.items()]
    return archive(members)


def _with_dependencies(modules: Path, names: List[str]) -> List[str]:
    """Module files in the order in which they can be loaded; names that are built into the kernel fall away."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {_module_name(path): path for path in needs}
    soft = {"ext4": ["crc32c_generic", "crc32c_cryptoapi"]}
    order: List[str] = []
    for name in names:
        for wanted in [*soft.get(name, []), name]:
            path = by_name.get(wanted)
            for step in [*reversed(needs.get(path, [])), path] if path else []:
                if step not in order:
                    order.append(step)
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
