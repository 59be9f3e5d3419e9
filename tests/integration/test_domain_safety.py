# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtiofs_domain refuses, what it warns of, and read-only shares: against the real QEMU driver."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from domain_machine import SHARED_MEMORY, machine, share, tags
from libvirt_lab import Libvirt, LibvirtError

from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import share as domain_xml_share
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import Document

_RESTART = {"apply": "restart", "shutdown_timeout": 1, "force_off": True}


@pytest.fixture
def bind_root(libvirt: Libvirt, tmp_path: Path) -> Iterator[Path]:
    """Where read-only bind mounts stand, away from the machine's own."""
    root = tmp_path / "ro"
    libvirt.ask("set", room="_domain.readonly_bind", name="ROOT", value=str(root))
    yield root
    if root.exists():
        subprocess.run(["chattr", "-R", "-i", str(root)], check=True)


def _source(libvirt: Libvirt) -> str | None:
    return domain_xml_share.shares_in(Document(libvirt.config("vm1")).root)["data"].source


def test_a_read_only_share_is_a_bind_mount_on_an_old_libvirt(
    libvirt: Libvirt, source: str, bind_root: Path, tmp_path: Path
) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text("# mine\n")
    libvirt.ask("define", xml=machine())
    wanted = {"shares": [share(source, readonly=True)], "fstab": str(fstab)}
    predicted = libvirt.domain_module(check=True, **wanted)
    assert (fstab.read_text(), bind_root.exists()) == ("# mine\n", False)
    result = libvirt.domain_module(**wanted)
    assert predicted["actions"] == result["actions"]
    target = _source(libvirt)
    assert target is not None
    assert target.startswith(f"{bind_root}/{result['domains'][0]['uuid']}-")
    lines = fstab.read_text().splitlines()
    assert lines[0] == "# mine"
    assert lines[1].split()[:3] == [source, target, "none"]
    assert lines[1].split()[3].startswith("bind,ro,")
    # The mount is in the worker's namespace; out here is what a missing bind mount leaves.
    with pytest.raises(OSError, match="not permitted"):
        (Path(target) / "written").write_text("")
    assert not libvirt.domain_module(**wanted)["changed"]
    assert not libvirt.domain_module(shares=[share(source)], fstab=str(fstab))["changed"]


def test_the_bind_mount_goes_when_the_share_becomes_writable(
    libvirt: Libvirt, source: str, bind_root: Path, tmp_path: Path
) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text("")
    libvirt.ask("define", xml=machine())
    libvirt.domain_module(shares=[share(source, readonly=True)], fstab=str(fstab))
    result = libvirt.domain_module(shares=[share(source, readonly=False)], fstab=str(fstab))
    assert [action.split()[0] for action in result["actions"]] == ["define", "remove"]
    assert (_source(libvirt), fstab.read_text(), list(bind_root.iterdir())) == (source, "", [])


def test_the_bind_mount_goes_with_the_share(libvirt: Libvirt, source: str, bind_root: Path, tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text("")
    libvirt.ask("define", xml=machine())
    libvirt.domain_module(shares=[share(source, readonly=True)], fstab=str(fstab))
    libvirt.domain_module(shares=[{"domain": "vm1", "tag": "data", "state": "absent"}], fstab=str(fstab))
    assert (fstab.read_text(), list(bind_root.iterdir())) == ("", [])


def test_the_bind_mount_stays_while_the_running_machine_uses_it(
    libvirt: Libvirt, source: str, bind_root: Path, tmp_path: Path
) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text("")
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.domain_module(shares=[share(source, readonly=True)], fstab=str(fstab))
    libvirt.ask("start", domain="vm1")
    waits = libvirt.domain_module(shares=[share(source, readonly=False)], fstab=str(fstab))
    assert [entry["reason"] for entry in waits["restart_required"]] == ["mount_unknown"]
    assert len(list(bind_root.iterdir())) == 1
    done = libvirt.domain_module(shares=[share(source, readonly=False)], fstab=str(fstab), **_RESTART)
    assert [action.split()[0] for action in done["actions"]] == ["restart", "remove"]
    assert list(bind_root.iterdir()) == []


def test_spare_ports_are_free_after_the_next_start(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    wanted: dict[str, Any] = {"shares": [share(source)], "spare_ports": 3}
    addresses = [item.attrib for item in Document(libvirt.config("vm1")).root.iterfind("devices/*/address")]
    assert libvirt.domain_module(**wanted)["changed"]
    assert not libvirt.domain_module(**wanted)["changed"]
    kept = [item.attrib for item in Document(libvirt.config("vm1")).root.iterfind("devices/*/address")]
    assert [address for address in addresses if address not in kept] == []
    libvirt.ask("start", domain="vm1")
    more = [share(source, tag) for tag in ("a", "b", "c")]
    assert libvirt.domain_module(shares=more)["restart_required"] == []
    assert sorted(tags(libvirt.live("vm1"))) == ["a", "b", "c", "data"]
    assert libvirt.domain_module(shares=[share(source, "d")])["restart_required"][0]["reason"] == "no_free_port"


def test_a_restart_does_not_activate_edits_of_others(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    libvirt.ask("define", xml=libvirt.config("vm1").replace("static'>2<", "static'>1<"))
    result = libvirt.domain_module(shares=[share(source)], **_RESTART)
    assert "allow_pending" in result["msg"]
    assert "vcpu" in result["msg"]
    assert tags(libvirt.config("vm1")) == []
    allowed = libvirt.domain_module(shares=[share(source)], allow_pending=True, **_RESTART)
    assert allowed["restart_required"] == []


def test_another_managers_domain(libvirt: Libvirt, source: str) -> None:
    nova = "<metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'/></metadata>"
    libvirt.ask("define", xml=machine(top=nova))
    result = libvirt.domain_module(shares=[share(source)])
    assert "belongs to OpenStack" in result["msg"]
    assert libvirt.domain_module(shares=[share(source)], allow_foreign=True)["changed"]


@pytest.mark.parametrize("unsafe", ["/", "/etc", "/etc/ssl", "/usr/share", "/srv", "/var", "/var/lib/libvirt/images"])
def test_system_directories(libvirt: Libvirt, unsafe: str) -> None:
    libvirt.ask("define", xml=machine())
    result = libvirt.domain_module(shares=[share(unsafe)])
    assert "allow_unsafe_source" in result["msg"]
    assert tags(libvirt.config("vm1")) == []


def test_a_symlink_on_the_way_to_the_source(libvirt: Libvirt, source: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    libvirt.ask("define", xml=machine())
    assert "is a symlink" in libvirt.domain_module(shares=[share(str(tmp_path / "link"))])["msg"]
    assert libvirt.domain_module(shares=[share(str(tmp_path / "link"), allow_unsafe_source=True)])["changed"]


def test_the_directory_of_a_disk_image(libvirt: Libvirt, source: str) -> None:
    (Path(source) / "disk.raw").write_bytes(b"")
    disk = f"<disk type='file'><source file='{source}/disk.raw'/><target dev='vda'/></disk>"
    libvirt.ask("define", xml=machine(devices=disk))
    assert "holds the disk image" in libvirt.domain_module(shares=[share(source)])["msg"]


def test_a_source_that_must_be_a_mount_point(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    result = libvirt.domain_module(shares=[share(source, require_mountpoint=True)])
    assert "is not a mount point" in result["msg"]


def test_what_a_first_share_and_a_second_domain_cost(libvirt: Libvirt, source: str) -> None:
    for name in ("vm1", "vm2"):
        libvirt.ask("define", xml=machine(name))
    wanted = [share(source), share(source, domain="vm2", cache="always")]
    warnings = libvirt.domain_module(shares=wanted)["warnings"]
    assert [warning for warning in warnings if "migration" in warning and "vm1" in warning]
    assert [warning for warning in warnings if "locks of one guest" in warning and "cache=always" in warning]
    assert libvirt.domain_module(shares=wanted)["warnings"] == []


def test_a_definition_that_changed_meanwhile_is_not_overwritten(libvirt: Libvirt) -> None:
    libvirt.ask("define", xml=machine())
    read = libvirt.config("vm1")
    libvirt.ask("define", xml=read.replace("static'>2<", "static'>1<"))
    with pytest.raises(LibvirtError, match="changed by someone else"):
        libvirt.ask("define_over", domain="vm1", xml=read, expected=read)
    assert "static'>1<" in libvirt.config("vm1")


def test_what_others_wrote_into_metadata_is_kept_to_the_byte(libvirt: Libvirt, source: str) -> None:
    metadata = (
        "<title>Größe ☃ 😀</title><description>one\n  two &amp; &lt;three&gt;</description><metadata>"
        "<m:a xmlns:m='urn:m' m:b='1&#10;2 &quot;3&quot;'><![CDATA[<x & y>]]><!-- kept --><c xmlns=''/> tail&#13;</m:a>"
        "</metadata>"
    )
    libvirt.ask("define", xml=machine(top=metadata))
    before = _metadata(libvirt)
    assert "<![CDATA[<x & y>]]>" in before
    assert libvirt.domain_module(shares=[share(source, "a")])["changed"]
    assert libvirt.domain_module(shares=[share(source, "a", cache="always"), share(source, "b")])["changed"]
    assert _metadata(libvirt) == before
    assert not libvirt.domain_module(shares=[share(source, "a", cache="always"), share(source, "b")])["changed"]


def _metadata(libvirt: Libvirt) -> str:
    xml = libvirt.config("vm1")
    return xml[xml.index("<title>") : xml.index("</metadata>")]


@pytest.mark.parametrize("tag", ["--x", "*", "a b", "'\"<&>", "é☃😀", "%s$(x)`"])
def test_odd_tags_and_paths(libvirt: Libvirt, source: str, tag: str) -> None:
    path = Path(source) / tag
    path.mkdir()
    libvirt.ask("define", xml=machine(memory=SHARED_MEMORY))
    libvirt.ask("start", domain="vm1")
    wanted = [share(f"{path}/", tag)]
    assert libvirt.domain_module(shares=wanted)["restart_required"] == []
    assert tags(libvirt.live("vm1")) == tags(libvirt.config("vm1")) == [tag]
    assert not libvirt.domain_module(shares=[share(str(path), tag)])["changed"]
    gone = [{"domain": "vm1", "tag": tag, "state": "absent"}]
    assert libvirt.domain_module(shares=gone, force_detach=True, apply="config")["changed"]
    assert tags(libvirt.config("vm1")) == []


def test_a_managed_save_image_is_in_the_way(libvirt: Libvirt, source: str) -> None:
    libvirt.ask("define", xml=machine())
    libvirt.ask("start", domain="vm1")
    libvirt.ask("call_domain", domain="vm1", name="managedSave", arguments=[0])
    result = libvirt.domain_module(shares=[share(source)])
    assert "managed save image" in result["msg"]
    allowed = libvirt.domain_module(shares=[share(source)], remove_managed_save=True)
    assert allowed["actions"][0] == "remove the managed save image of vm1"
    assert tags(libvirt.config("vm1")) == ["data"]


def test_several_domains_restart_together(libvirt: Libvirt, source: str) -> None:
    names = ["vm1", "vm2", "vm3"]
    for name in names:
        libvirt.ask("define", xml=machine(name))
        libvirt.ask("start", domain=name)
    wanted = [share(source, domain=name) for name in names]
    result = libvirt.domain_module(shares=wanted, restart_parallel=2, **_RESTART)
    assert result["actions"][-2:] == ["restart vm1, vm2 (shut down, start)", "restart vm3 (shut down, start)"]
    assert all(tags(libvirt.live(name)) == ["data"] for name in names)
