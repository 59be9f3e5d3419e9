# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smaller rooms that virtiofs_domain is made of."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils import _virtiofsd
from ansible_collections.virtio.fs.plugins.module_utils._domain import sources
from ansible_collections.virtio.fs.plugins.module_utils._domain.rules import check_host
from ansible_collections.virtio.fs.plugins.module_utils._domain.wanted import check_items
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory as domain_xml_memory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import pci_ports
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.capabilities import has_virtiofs
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.document import parse, serialised
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.options import IdMap, IdRange
from ansible_collections.virtio.fs.plugins.module_utils._errors import Gone, VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_list import DomainList
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.guest_agent import virtiofs_tags_mounted
from ansible_collections.virtio.fs.tests.unit.domain_documents import _domain
from ansible_collections.virtio.fs.tests.unit.domain_surroundings import RUST, UUID, C, absent, host, item


@pytest.mark.parametrize(
    ("version", "capabilities", "expected"),
    [
        (
            "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright\n"
            "using FUSE kernel interface version 7.36\n",
            '{\n  "type": "fs"\n}\n',
            C,
        ),
        ("virtiofsd 1.13.2\n", '{"type": "fs", "features": ["migrate-precopy", "separate-options"]}', RUST),
        ("virtiofsd backend 1.4.0\n", "", _virtiofsd.Virtiofsd(RUST.path, "rust", (1, 4, 0))),
        ("something else 1.0\n", "", None),
    ],
)
def test_each_daemon_tells_what_it_is(version: str, capabilities: str, expected: Any) -> None:
    path = C.path if expected is C else RUST.path
    assert _virtiofsd.recognised(path, version, capabilities) == expected


def test_daemons_are_tried_in_the_order_of_their_announcement() -> None:
    texts = ['{"type": "gpu", "binary": "/gpu"}', "broken", '{"type": "fs", "binary": "/opt/virtiofsd"}']
    assert _virtiofsd.candidates(texts)[:2] == ["/opt/virtiofsd", _virtiofsd.USUAL_PATHS[0]]


def test_mount_points_below_a_directory_are_those_of_no_neighbour() -> None:
    points = sorted(["/", "/srv", "/srv/a", "/srv/a b", "/srv/a-b", "/srv/a/one", "/srv/a/one/two", "/srv/a0"])
    assert sources.below("/srv/a", points) == ["/srv/a/one", "/srv/a/one/two"]
    assert sources.below("/srv/a0", points) == []
    assert sources.below("/", points) == points[1:]


@pytest.mark.parametrize(
    ("given", "cpus", "memory"),
    [
        ({}, "0-1", "524288"),
        ({"vcpu": "<vcpu>1</vcpu>"}, "0", "524288"),
        ({"vcpu": "<vcpu current='1'>8</vcpu>"}, "0-7", "524288"),
        ({"memory": "<memory unit='GiB'>1</memory><currentMemory unit='MiB'>1</currentMemory>"}, "0-1", "1048576"),
        ({"memory": "<memory unit='b'>1025</memory>"}, "0-1", "2"),
        ({"memory": "<memory unit='MB'>1</memory>"}, "0-1", "977"),
        (
            {"devices": "<memory model='virtio-mem'><target><size unit='MiB'>128</size></target></memory>"},
            "0-1",
            "393216",
        ),
    ],
)
def test_a_cell_has_all_processors_and_the_memory_at_boot(given: dict[str, str], cpus: str, memory: str) -> None:
    root = parse(_domain(**given))
    domain_xml_memory.share_memory(root, "memfd", cell=True)
    cell = root.find("cpu/numa/cell")
    assert (cell.get("cpus"), cell.get("memory"), cell.get("memAccess")) == (cpus, memory, "shared")


@pytest.mark.parametrize("cell", [True, False])
@pytest.mark.parametrize("backing", ["memfd", "file"])
def test_memory_that_becomes_shared_says_of_what_it_is(backing: str, cell: bool) -> None:
    root = parse(_domain())
    domain_xml_memory.share_memory(root, backing, cell=cell)
    assert root.find("memoryBacking/source").get("type") == backing
    assert root.find("memoryBacking/access").get("mode") == "shared"


@pytest.mark.parametrize(
    ("device", "backing", "shared"),
    [
        ("<memory model='dimm'>", "shared", True),
        ("<memory model='dimm'>", "private", False),
        ("<memory model='dimm' access='shared'>", "shared", True),
        ("<memory model='dimm' access='private'>", "shared", False),
        ("<memory model='virtio-mem' access='private'>", "shared", False),
        ("<memory model='nvdimm' access='private'>", "shared", True),
    ],
)
def test_memory_that_is_plugged_in_must_be_shared_too(device: str, backing: str, shared: bool) -> None:
    cell = "<cpu><numa><cell id='0' cpus='0-1' memory='524288' unit='KiB'/></numa></cpu>"
    memory = f"{device}<target><size unit='MiB'>128</size><node>0</node></target></memory>"
    before = _domain(memory, cpu=cell, backing=f"<memoryBacking><access mode='{backing}'/></memoryBacking>")
    root = parse(before)
    assert domain_xml_memory.is_shared(root) is shared
    domain_xml_memory.share_memory(root, "memfd", cell=False)
    assert domain_xml_memory.is_shared(root)
    if backing == "shared":
        # Nothing but the device had to change.
        assert "memfd" not in serialised(root)
    assert root.find("devices/memory").get("access", "shared") == ("private" if "nvdimm" in device else "shared")


@pytest.mark.parametrize(
    ("models", "used", "free"),
    [
        (["pcie-root"], [], 0),
        (["pcie-root", "pcie-root-port", "pcie-root-port"], [1], 1),
        (["pcie-root", "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port"], [1], 1),
        (["pci-root"], [0], 30),
        ([], [], None),
    ],
)
def test_free_places(models: list[str], used: list[int], free: int | None) -> None:
    controllers = "".join(f"<controller type='pci' index='{at}' model='{model}'/>" for at, model in enumerate(models))
    devices = "".join(f"<rng><address type='pci' bus='0x{bus:02x}' slot='0x01'/></rng>" for bus in used)
    assert pci_ports.free_places(parse(_domain(controllers + devices))) == free


def test_a_port_that_takes_no_hot_plug_is_not_free() -> None:
    port = "<controller type='pci' index='1' model='pcie-root-port'><target hotplug='off'/></controller>"
    assert pci_ports.free_places(parse(_domain("<controller type='pci' index='0' model='pcie-root'/>" + port))) == 0


def _agent(mountinfo: str, **status: Any) -> Any:
    def say(command: str) -> str:
        if json.loads(command)["execute"] == "guest-exec":
            return '{"return": {"pid": 7}}'
        data = base64.b64encode(mountinfo.encode()).decode()
        return json.dumps({"return": {"exited": True, "exitcode": 0, "out-data": data, **status}})

    return say


_MOUNTINFO = "30 1 0:26 / /mnt rw,relatime - virtiofs my\\040tag rw\n31 1 8:1 / / rw - ext4 /dev/vda rw\n"


def test_the_guest_tells_which_tags_it_has_mounted() -> None:
    assert virtiofs_tags_mounted(_agent(_MOUNTINFO)) == {"my tag"}


@pytest.mark.parametrize("status", [{"exitcode": 1}, {"out-truncated": True}, {"out-data": "###"}, {"out-data": ""}])
def test_an_answer_that_cannot_be_trusted_is_none(status: dict[str, Any]) -> None:
    assert virtiofs_tags_mounted(_agent(_MOUNTINFO, **status)) is None


@pytest.mark.parametrize("said", ["[" * 100_000, "[]", "7", '{"return": []}', '{"return": {"pid": {}}}', "{}", ""])
def test_a_guest_that_answers_what_it_likes_tells_nothing(said: str) -> None:
    assert virtiofs_tags_mounted(lambda command: said) is None


def test_a_guest_that_forbids_it_tells_nothing() -> None:
    def say(command: str) -> str:
        raise VirtiofsError("the command guest-exec has been disabled")

    assert virtiofs_tags_mounted(say) is None


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("", None),
        ("<domainCapabilities><devices/></domainCapabilities>", None),
        ("<domainCapabilities><devices><filesystem supported='no'/></devices></domainCapabilities>", False),
        (
            "<domainCapabilities><devices><filesystem supported='yes'><enum name='driverType'><value>path</value>"
            "</enum></filesystem></devices></domainCapabilities>",
            False,
        ),
        (
            "<domainCapabilities><devices><filesystem supported='yes'><enum name='driverType'><value>path</value>"
            "<value>virtiofs</value></enum></filesystem></devices></domainCapabilities>",
            True,
        ),
    ],
)
def test_whether_this_qemu_has_the_device(xml: str, expected: bool | None) -> None:
    assert has_virtiofs(xml) is expected


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tag": ""}, "tag is empty"),
        ({"tag": "ä" * 19}, "tag has 38 bytes"),
        ({"tag": "a\x7f"}, "cannot be printed"),
        ({"queue": 0}, "queue must be a power of two"),
        ({"queue": 2048}, "queue must be a power of two"),
        ({"queue": 3}, "queue must be a power of two"),
        ({"thread_pool": -1}, "thread_pool must not be negative"),
        ({"open_files": 0}, "open_files must be at least 1"),
        ({"source": "/srv/../etc"}, "contains '..'"),
        ({"binary": "virtiofsd"}, "binary: 'virtiofsd' is not an absolute path"),
        ({"idmap": IdMap(uid=(IdRange(0, 100, 0),))}, "idmap: uid"),
    ],
)
def test_items_are_refused_by_name_and_option(options: dict[str, Any], sentence: str) -> None:
    wrong = item(**options)
    with pytest.raises(VirtiofsError) as caught:
        check_items([item("right"), wrong])
    assert str(caught.value).startswith(f"{wrong.label}: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize("options", [{"tag": "x" * 36}, {"tag": "ein Tag"}, {"tag": "ä" * 18}, {"queue": 1}])
def test_items_that_are_right(options: dict[str, Any]) -> None:
    check_items([item(**options)])


_OTHER = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize("name", ["vm1", UUID, UUID.upper(), UUID.replace("-", "")])
def test_a_domain_is_found_by_its_name_and_by_its_uuid(name: str) -> None:
    nobody: frozenset[str] = frozenset()
    listed = DomainList("qemu:///system", {UUID: 1, _OTHER: 2}, {"vm1": UUID, "vm2": _OTHER}, nobody, nobody, nobody)
    assert listed.uuid(name) == UUID
    for unknown in ("vm", "VM1", UUID[:-1], "*", ""):
        with pytest.raises(Gone, match="there is no domain"):
            listed.uuid(unknown)


def test_a_name_that_is_the_uuid_of_another_domain_is_refused() -> None:
    nobody: frozenset[str] = frozenset()
    listed = DomainList("qemu:///system", {UUID: 1, _OTHER: 2}, {UUID: _OTHER}, nobody, nobody, nobody)
    with pytest.raises(VirtiofsError, match="the name of one domain and the UUID of another"):
        listed.uuid(UUID)


def test_a_session_has_virtiofs_from_libvirt_10_on() -> None:
    session = {"uri": "qemu:///session"}
    with pytest.raises(VirtiofsError, match=r"needs libvirt 10\.0\.0 in qemu:///session, this is 9\.0\.0"):
        check_host([item()], host(libvirt=(9, 0, 0), **session))
    check_host([item()], host(libvirt=(10, 0, 0), **session))
    check_host([absent("data")], host(libvirt=(9, 0, 0), **session))


def test_another_driver_of_libvirt_is_refused() -> None:
    with pytest.raises(VirtiofsError, match="virtiofs needs libvirt's QEMU driver, lxc:///system has LXC"):
        check_host([item()], host(driver="LXC", uri="lxc:///system"))
    check_host([absent("data")], host(driver="LXC", uri="lxc:///system"))
