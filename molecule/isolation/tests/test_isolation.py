# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest root does its worst in a share; the hypervisor opens no device, gives nobody anything, and loses nothing."""

from __future__ import annotations

import json

import pytest
from proof import mounts
from proof.exchange import crosses
from proof.playbook import play

HERE = "/shared/proof_cage"
THERE = "/srv/cage"
LIMIT = "hv1,vm1"
OPEN_FILES = 20_000
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups --"
DAEMONS = f"""\
for process in $(grep -lsx virtiofsd /proc/[0-9]*/comm); do
    grep -lsaF {HERE} "${{process%/comm}}/cmdline"
done
"""

# A device that is there on both sides, and reads without end where it is opened as a device.
MAKE = f"""\
set -e
mkdir {THERE}/attack
cd {THERE}/attack
mknod zero c 1 5
mknod disk b {{major}} {{minor}}
cp /usr/bin/id id
chown 0:0 id
chmod 6755 id
ln -s /etc/proof-canary absolute
ln -s ../../../../../../../../etc/proof-canary relative
ln -s / slash
ln -s ../../.. above
echo secret >secret
chmod 0777 {THERE} {THERE}/attack secret
"""
FOLLOW = f"""\
cd {THERE}/attack
cat absolute relative above/etc/proof-canary slash/etc/proof-canary
echo 'changed by the guest' >absolute
echo 'planted by the guest' >slash/etc/proof-planted
rm -f {THERE}/../../etc/proof-box/x
"""
USE_UP = f"""\
import json, os
told = {{}}
os.mkdir("{THERE}/attack/inodes")
filler = os.open("{THERE}/attack/filler", os.O_WRONLY | os.O_CREAT)
try:
    for made in range(10_000):
        os.close(os.open(f"{THERE}/attack/inodes/{{made}}", os.O_WRONLY | os.O_CREAT))
except OSError as error:
    told["inodes"] = [made, error.errno]
written = 0
try:
    while written < 1 << 30:
        written += os.write(filler, bytes(1 << 18))
    os.fsync(filler)
except OSError as error:
    told["space"] = [written, error.errno]
print(json.dumps(told))
"""
OPEN = f"""\
import json, os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES} + 100, {OPEN_FILES} + 100))
error = None
opened = []
try:
    while len(opened) < {OPEN_FILES}:
        opened.append(os.open("{THERE}/attack/secret", os.O_RDONLY))
except OSError as failure:
    error = failure.errno
print(json.dumps([len(opened), error, os.read(opened[-1], 100).decode()]))
"""
# As if the mode of the parent had been loosened: what the mount itself keeps is seen alone.
OPENED = f"""\
place=$(mktemp -d /run/proof-XXXXXX) || exit 99
trap 'cd /; umount $place; rmdir $place' EXIT
chmod 755 $place
mount --bind {HERE} $place || exit 98
cd $place/attack || exit 97
"""


def python(program: str) -> str:
    return f"python3 - <<'END'\n{program}END\n"


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def daemons(hv1):
    found = hv1.check(DAEMONS)
    assert found
    return found


@pytest.fixture(scope="session")
def made(hv1, vm1, daemons):
    """A device, set-uid and set-gid programs, and links that lead out of the share."""
    major, minor = hv1.check("stat -Lc '%Hr %Lr' /dev/disk/by-id/lab-hv1-disk0").split()
    vm1.check(MAKE.format(major=major, minor=minor))


@pytest.fixture(scope="session")
def followed(made, vm1):
    return vm1.sh(FOLLOW)


@pytest.fixture(scope="session")
def used_up(followed, vm1):
    """Every inode and every block."""
    return json.loads(vm1.check(python(USE_UP), 300))


@pytest.fixture(scope="session")
def on_host(used_up, hv1):
    return hv1.read(
        {
            "live": mounts.LIVE,
            "root": "stat -c '%U %a' /shared",
            "free": f"stat -fc '%d %a' {HERE}",
            "write": "dd if=/dev/zero of=/var/tmp/proof-write bs=1M count=4 conv=fsync && rm /var/tmp/proof-write",
            "devices": f"stat -c %d / {HERE}",
            "below": f"""\
                place=$(mktemp -d /run/proof-XXXXXX) && mount --bind / $place && ls -A $place{HERE}
                umount $place && rmdir $place
                """,
            "canary": "cat /etc/proof-canary; ls -d /etc/proof-*",
        }
    )


@pytest.fixture(scope="session")
def opened(used_up, vm1):
    return json.loads(vm1.check(python(OPEN), 600))


@pytest.fixture(scope="session")
def trapped(opened, hv1, vm1):
    """The proof, while the place for its files is a link to a directory of the hypervisor."""
    vm1.check(f"rm -r {THERE}/attack; rm -rf {THERE}/.virtiofs-probe; ln -s /etc/proof-box {THERE}/.virtiofs-probe")
    run = play("virtio.fs.verify", limit=LIMIT)
    return run, hv1.check("ls -A /etc/proof-box; stat -c '%U %a' /etc/proof-box")


@pytest.fixture(scope="session")
def cleaned(trapped, vm1):
    vm1.check(f"rm -rf {THERE}/.virtiofs-probe; chmod 755 {THERE}")


def test_the_share_is_mounted_without_devices_and_set_uid(on_host):
    mount = mounts.on(mounts.parse(on_host["live"]), HERE)
    assert mount is not None
    assert {"nosuid", "nodev"} <= mount.options


@pytest.mark.parametrize("node", ["zero", "disk"])
def test_the_hypervisor_opens_no_device_of_the_guest(made, hv1, node):
    assert hv1.sh(f"test -c {HERE}/attack/{node} || test -b {HERE}/attack/{node}").returncode == 0
    done = hv1.sh(f"head -c 16 {HERE}/attack/{node}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr


def test_a_program_of_the_guest_gives_no_rights(made, hv1):
    """Whoever starts it stays who they are, also where the directory above would let them."""
    assert hv1.check(f"stat -c '%u %g %a' {HERE}/attack/id").split() == ["0", "0", "6755"]
    assert hv1.check(OPENED + f"{NOBODY} ./id -u; {NOBODY} ./id -g").split() == ["65534", "65534"]


@pytest.mark.parametrize("path", ["", "/attack", "/attack/secret", "/attack/id", "/attack/slash"])
@pytest.mark.parametrize("command", ["stat", "cat", "ls"])
def test_an_unprivileged_user_reaches_nothing(made, hv1, command, path):
    assert hv1.check(f"stat -c %a {HERE}").strip() == "777"
    done = hv1.sh(f"{NOBODY} {command} {HERE}{path}")
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert "Permission denied" in done.stderr


def test_the_directory_above_is_closed(on_host):
    assert on_host["root"].strip() == "root 700"


def test_links_lead_the_guest_into_itself(followed):
    assert "of the hypervisor" not in followed.stdout + followed.stderr


def test_nothing_outside_the_share_was_changed(on_host):
    assert on_host["canary"].splitlines() == ["of the hypervisor", "/etc/proof-box", "/etc/proof-canary"]


@pytest.mark.parametrize("what", ["inodes", "space"])
def test_the_guest_is_told_that_there_is_no_more(used_up, what):
    amount, error = used_up[what]
    assert amount > 0
    assert error == 28  # ENOSPC


def test_the_filesystem_of_the_share_is_full_to_the_last_inode(on_host):
    inodes, _blocks = on_host["free"].split()
    assert inodes == "0"


def test_the_hypervisors_own_filesystem_takes_no_part_in_it(on_host):
    one, other = on_host["devices"].split()
    assert one != other
    assert on_host["below"] == ""
    assert "4194304 bytes" in on_host["write"]


def test_tens_of_thousands_of_open_files(opened):
    count, error, read = opened
    assert read == "secret\n"
    # EMFILE and ENFILE: the daemon has a limit, says so, and goes on.
    assert count == OPEN_FILES or error in (23, 24)


def test_the_proof_does_not_follow_a_link_out_of_the_share(trapped):
    run, box = trapped
    assert run.returncode != 0
    assert box.splitlines() == ["root 755"]


def test_the_daemon_has_survived_all_of_it(cleaned, hv1, daemons):
    assert hv1.check(DAEMONS) == daemons


def test_the_share_works_and_is_proven(cleaned, hv1, vm1):
    assert crosses(vm1, THERE, hv1, HERE, "guest-to-host")
    assert crosses(hv1, HERE, vm1, THERE, "host-to-guest")
    run = play("virtio.fs.verify", limit=LIMIT)
    assert run.returncode == 0, run.output[-3000:]


def test_nothing_is_left_behind(cleaned, hv1, vm1):
    assert hv1.check(f"ls -A {HERE}").split() == ["lost+found"]
    assert vm1.check(f"ls -A {THERE}").split() == ["lost+found"]
    assert hv1.sh("grep proof- /proc/self/mounts").stdout == ""
