# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only virtiofsd can be told: done by real daemons, seen on both sides, kept by a second run, taken away again."""

from __future__ import annotations

import shlex
import struct
from collections.abc import Callable
from typing import Any

import pytest
from proof.machine import Machine, wait_until
from proof.playbook import Run, play

FILES = 5000
DISK = "/dev/disk/by-id/lab-hv1-disk0"
ROOT = "/srv/proof"
SCRIPTS = "ls /usr/sbin | grep ^virtiofsd-with- | sort"
LISTED: list[dict[str, Any]] = [
    {"name": "acl", "posix_acl": "always", "inode_file_handles": "prefer"},
    {"name": "named", "xattr_map": ":map::user.virtiofs.:"},
    {"name": "direct", "direct_io": True, "log_level": "warn"},
    # Not mounted: a guest that caches names does not see the one that a second proof makes.
    {"name": "names", "cache": "metadata", "mount": None},
    # On a filesystem of its own: the lab's root is an overlay, which has no handles.
    {"name": "many", "inode_file_handles": "prefer", "path": None, "storage": {"disk": DISK, "size": "256MiB"}},
    {"name": "plain"},
]
NEW = {"virtiofs_hypervisors": "hv3", "virtiofs_guests": "new1"}


def shares(domain: str, *listed: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"path": f"{ROOT}/{one['name']}", "mount": f"/srv/{one['name']}", "domains": [domain], **one} for one in listed
    ]


def share(*listed: dict[str, Any], **more: Any) -> Run:
    extra = {"virtiofs_host_shares": shares("vm3", *listed), "virtiofs_host_apply": "restart", **more}
    return play("virtio.fs.share", extra=extra, limit="hv1,vm3")


def acl(user: int) -> str:
    """An access control list with one named user who may write, as the kernel has it in an extended attribute."""
    anyone = 0xFFFFFFFF
    entries = [(1, 6, anyone), (2, 6, user), (4, 4, anyone), (16, 6, anyone), (32, 4, anyone)]
    return (struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *each) for each in entries)).hex()


def python(text: str) -> str:
    return f"python3 -c {shlex.quote('import os; ' + text)}"


def set_acl(path: str, user: int) -> str:
    return python(f"os.setxattr({path!r}, 'system.posix_acl_access', bytes.fromhex('{acl(user)}'))")


def get_acl(path: str) -> str:
    return python(f"print(os.getxattr({path!r}, 'system.posix_acl_access').hex())")


def told(host: Machine, name: str) -> str:
    """The arguments of the daemons that serve a share."""
    return host.check(f"ps -C virtiofsd -o args= | grep -- '--shared-dir [^ ]*/{name}'")


def open_files(host: Machine, name: str) -> int:
    """Of the daemon of a share that has most open: one process holds the files, the other only its child."""
    counted = host.check(
        f"for pid in $(pgrep -f -- '--shared-dir [^ ]*/{name}'); do ls /proc/$pid/fd 2>/dev/null | wc -l; done"
    )
    return max(int(line) for line in counted.split())


@pytest.fixture(scope="module")
def vm3(machine: Callable[[str], Machine]) -> Machine:
    return machine("vm3")


@pytest.fixture(scope="module")
def hv3(machine: Callable[[str], Machine]) -> Machine:
    return machine("hv3")


@pytest.fixture(scope="module")
def first(hv1: Machine) -> Run:
    run = share(*LISTED)
    assert run.returncode == 0, run.output[-3000:]
    hv1.check(
        f"for share in /shared/many {ROOT}/plain; do cd $share && seq -f file%g {FILES} | xargs touch; done; "
        f"echo of the host >{ROOT}/acl/here; echo of the host >{ROOT}/direct/here"
    )
    return run


@pytest.fixture(scope="module")
def second(first: Run) -> Run:
    return share(*LISTED)


def test_each_request_has_a_script_and_none_is_made_unasked(hv1: Machine, first: Run) -> None:
    assert len(hv1.check(SCRIPTS).split()) == 5
    assert "virtiofsd-with-" not in told(hv1, "plain")


def test_the_daemons_were_started_with_what_was_asked(hv1: Machine, first: Run) -> None:
    assert "--posix-acl" in told(hv1, "acl")
    assert "--xattrmap=:map::user.virtiofs.:" in told(hv1, "named")
    direct = told(hv1, "direct")
    assert all(each in direct for each in ("--allow-direct-io", "--log-level=warn"))
    assert "--cache=metadata" in told(hv1, "names")
    for name in ("acl", "named", "direct", "names", "many"):
        assert "--migration-on-error=guest-error" in told(hv1, name)
    assert "guest-error" not in told(hv1, "plain")


def test_an_acl_of_the_guest_is_there_on_the_host_and_back(hv1: Machine, vm3: Machine, first: Run) -> None:
    vm3.check(f"echo of the guest >/srv/acl/there; {set_acl('/srv/acl/there', 1000)}")
    assert hv1.check(get_acl(f"{ROOT}/acl/there")).strip() == acl(1000)
    hv1.check(set_acl(f"{ROOT}/acl/here", 1001))
    assert vm3.check(get_acl("/srv/acl/here")).strip() == acl(1001)
    user = "setpriv --reuid {0} --regid {0} --clear-groups -- sh -c 'echo more >>/srv/acl/there'"
    assert vm3.sh(user.format(1000)).returncode == 0
    assert vm3.sh(user.format(1001)).returncode != 0
    assert hv1.check(f"cat {ROOT}/acl/there") == "of the guest\nmore\n"


def test_a_share_without_it_has_none(vm3: Machine, first: Run) -> None:
    refused = vm3.sh(f"touch /srv/plain/file1; {set_acl('/srv/plain/file1', 1000)}")
    assert "Operation not supported" in refused.stderr


def test_names_of_extended_attributes_are_others_on_the_host(hv1: Machine, vm3: Machine, first: Run) -> None:
    vm3.check("touch /srv/named/file; " + python("os.setxattr('/srv/named/file', 'user.colour', b'red')"))
    assert vm3.check(python("print(os.listxattr('/srv/named/file'))")).strip() == "['user.colour']"
    on_host = hv1.check(python(f"print(os.listxattr('{ROOT}/named/file'))")).strip()
    assert on_host == "['user.virtiofs.user.colour']"


def test_direct_io_writes_and_reads(hv1: Machine, vm3: Machine, first: Run) -> None:
    vm3.check("dd if=/dev/urandom of=/srv/direct/file bs=4096 count=64 oflag=direct")
    sums = [one.check(f"sha256sum <{path}") for one, path in ((vm3, "/srv/direct/file"), (hv1, f"{ROOT}/direct/file"))]
    assert sums[0] == sums[1]
    hv1.check(f"echo changed on the host >{ROOT}/direct/here")
    assert vm3.check("dd if=/srv/direct/here bs=4096 iflag=direct status=none").strip() == "changed on the host"


def test_file_handles_keep_no_file_open(hv1: Machine, vm3: Machine, first: Run) -> None:
    counted = vm3.check("for share in many plain; do ls -l /srv/$share | grep -c file; done", timeout=300)
    assert counted.split() == [str(FILES), str(FILES)]
    assert open_files(hv1, "plain") > FILES
    assert open_files(hv1, "many") < 200


def test_a_second_run_changes_nothing(second: Run) -> None:
    assert second.returncode == 0, second.output[-3000:]
    assert [one.task for one in second.results if one.changed] == []


def test_the_report_of_the_hypervisor_names_the_options(hv1: Machine, first: Run) -> None:
    run = play("virtio.fs.report", limit="hv1,vm3", extra={"virtiofs_host_shares": shares("vm3", *LISTED)})
    (info,) = run.of("virtiofs_info", "hv1")
    (domain,) = [one for one in info.returned["domains"] if one["name"] == "vm3"]
    by_tag = {one["tag"]: one for one in domain["config"]}
    assert (by_tag["acl"]["posix_acl"], by_tag["names"]["cache"]) == ("always", "metadata")
    assert "binary" not in by_tag["acl"]
    assert domain["drift"] == []


def test_options_can_be_taken_away(hv1: Machine, vm3: Machine, second: Run) -> None:
    scripts = set(hv1.check(SCRIPTS).split())
    fewer = [*LISTED]
    fewer[0] = {"name": "acl", "posix_acl": "never", "inode_file_handles": "prefer"}
    fewer[1] = {"name": "named", "xattr_map": ""}
    checked = play(
        "virtio.fs.share",
        extra={"virtiofs_host_shares": shares("vm3", *fewer), "virtiofs_host_apply": "restart"},
        limit="hv1,vm3",
        options=("--check",),
    )
    run = share(*fewer)
    assert run.returncode == 0, run.output[-3000:]
    (done,), (before,) = run.of("virtiofs_domain", "hv1"), checked.of("virtiofs_domain", "hv1")
    assert done.actions == before.actions
    assert "with new posix_acl of share acl" in " ".join(done.actions)
    wait_until("vm3 answers", 120, lambda: vm3.sh("true").returncode == 0)
    # One request is like another's now, and has the same script.
    left = set(hv1.check(SCRIPTS).split())
    assert len(left) == 3
    assert left < scripts
    assert "--posix-acl" not in told(hv1, "acl")
    assert "virtiofsd-with-" not in told(hv1, "named")
    assert vm3.check("cat /srv/acl/there").startswith("of the guest")


def test_the_last_share_takes_the_last_script(hv1: Machine, vm3: Machine, second: Run) -> None:
    run = share(*({**one, "state": "absent"} for one in LISTED))
    assert run.returncode == 0, run.output[-3000:]
    assert hv1.sh(SCRIPTS).stdout == ""
    assert hv1.check(f"cat {ROOT}/acl/there").startswith("of the guest")


def test_the_newest_daemon_leaves_it_to_the_guest(hv3: Machine, machine: Callable[[str], Machine]) -> None:
    new1 = machine("new1")
    listed = shares("new1", {"name": "acl", "posix_acl": "auto", "migration_mode": "file-handles"})
    extra = {**NEW, "virtiofs_host_shares": listed, "virtiofs_host_apply": "restart"}
    run = play("virtio.fs.share", extra=extra, limit="hv3,new1")
    assert run.returncode == 0, run.output[-3000:]
    assert "--posix-acl=auto" in told(hv3, "acl")
    new1.check(f"echo of the guest >/srv/acl/there; {set_acl('/srv/acl/there', 1000)}")
    assert hv3.check(get_acl(f"{ROOT}/acl/there")).strip() == acl(1000)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"posix_acl": "auto"}, "posix_acl: virtiofsd 1.13.2 has no 'auto' for it, virtiofsd 1.14 has"),
        ({"xattr_map": "no rule"}, "does not take --xattrmap=no rule"),
    ],
)
def test_what_this_daemon_cannot_is_refused_before_anything_changes(
    hv1: Machine, asked: dict[str, Any], sentence: str
) -> None:
    before = hv1.check("virsh dumpxml vm3 --inactive")
    run = share({"name": "refused", **asked})
    (failure,) = run.failures("hv1")
    assert sentence in failure.message
    assert hv1.check("virsh dumpxml vm3 --inactive") == before
    assert hv1.sh(SCRIPTS).stdout == ""
