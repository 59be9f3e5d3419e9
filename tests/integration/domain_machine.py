# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small machines for the embedded QEMU driver. They run, with nothing but firmware in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document

SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"


def machine(name: str = "vm1", *, memory: str = "", devices: str = "", top: str = "", ports: int = 0) -> str:
    spare = "<controller type='pci' model='pcie-root'/>" * bool(ports)
    spare += "<controller type='pci' model='pcie-root-port'/>" * ports
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>{memory}<vcpu>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>{top}<devices>{spare}{devices}
<graphics type='vnc' passwd='s3cret'/></devices></domain>"""


def share(source: str, tag: str = "data", domain: str = "vm1", **options: Any) -> dict[str, Any]:
    return {"domain": domain, "tag": tag, "source": source, **options}


def tags(xml: str) -> list[str]:
    return list(domain_xml_share.shares_in(Document(xml).root))


def broken_daemon(directory: Path) -> str:
    """A virtiofsd that tells its version and fails when it is started."""
    path = directory / "broken-virtiofsd"
    path.write_text('#!/bin/sh\n[ "$1" = --version ] && echo virtiofsd 1.13.2 && exit\nexit 1\n')
    path.chmod(0o755)
    return str(path)
