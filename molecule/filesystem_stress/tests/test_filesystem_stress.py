# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""fio with its checksums and stress-ng's filesystem class work on a share: nothing is corrupted, and nothing breaks."""

from __future__ import annotations

import json
import re

import pytest
from proof.exchange import contents, crosses

HOST = "/shared/proof_stress"
GUEST = "/srv/stress"
STRESS_SECONDS = 1

# Each block that is written has a checksum in it, and all are read again at the end: from the daemon, because the
# guest's cache is dropped or bypassed.
FIO = f"""\
mkdir -p {GUEST}/fio && cd {GUEST}/fio
fio --output-format=json --directory=. --verify=crc32c --verify_fatal=1 --do_verify=1 --invalidate=1 \\
    --fsync_on_close=1 --randseed=4711 \\
    --name=sequential --rw=write --bs=256k --size=64M --stonewall \\
    --name=random --rw=randwrite --bs=4k --size=8M --fsync=64 --stonewall \\
    --name=direct --rw=randwrite --bs=16k --direct=1 --size=16M --stonewall \\
    --name=mapped --rw=randwrite --bs=4k --ioengine=mmap --size=8M --stonewall
"""
FIO_AGAIN = FIO.replace("--do_verify=1", "--verify_only")
JOBS = ("sequential", "random", "direct", "mapped")

# Those of the class that work on no file of the directory they are given, or on privileges of the machine.
ELSEWHERE = "binderfs,bind-mount,dup,eventfd,fd-fork,ioprio,procfs,statmount,umask"
SMALL = (
    "--chdir-dirs 64 --dentries 256 --dir-dirs 256 --dirdeep-dirs 1 --dirdeep-inodes 256 --dirmany-bytes 0"
    " --copy-file-bytes 128M --fallocate-bytes 16M --fiemap-bytes 4M --fpunch-bytes 4M --hdd-bytes 16M"
    " --iomix-bytes 16M --sync-file-bytes 16M --open-max 1000"
)
STRESS = f"""\
mkdir -p {GUEST}/stress && cd {GUEST}/stress
export LD_LIBRARY_PATH={GUEST}/tools/usr/lib/x86_64-linux-gnu
{GUEST}/tools/usr/bin/stress-ng --temp-path . --seq 1 --class filesystem --exclude {ELSEWHERE} {SMALL} \\
    --timeout {STRESS_SECONDS} --verify --metrics-brief --oomable 2>&1
"""


@pytest.fixture(scope="session")
def vm1(machine):
    return machine("vm1")


@pytest.fixture(scope="session")
def bystander(hv1, vm1):
    """Files that nobody stresses, written by each side before the storm; their checksums as the writer knows them."""
    for one, path, side in ((hv1, HOST, "host"), (vm1, GUEST, "guest")):
        one.check(f"mkdir -p {path}/quiet && head -c 8388608 /dev/urandom >{path}/quiet/{side} && sync {path}/quiet")
    return {**contents(hv1, f"{HOST}/quiet"), **contents(vm1, f"{GUEST}/quiet")}


@pytest.fixture(scope="session")
def fio(bystander, vm1):
    done = vm1.sh(FIO, 400)
    return done, _jobs(done.stdout)


@pytest.fixture(scope="session")
def stress(fio, vm1):
    return vm1.sh(STRESS, 700)


@pytest.fixture(scope="session")
def fio_again(stress, vm1):
    """fio's checksums once more, after the storm, with nothing cached."""
    vm1.check("sync; echo 3 >/proc/sys/vm/drop_caches")
    return vm1.sh(FIO_AGAIN, 400)


def _jobs(text):
    # Notes of fio may come before the document.
    return {job["jobname"]: job for job in json.loads(text[text.index("{") :])["jobs"]}


def test_fio_finds_every_block_as_it_wrote_it(fio):
    done, jobs = fio
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert set(jobs) == set(JOBS)
    for name, job in jobs.items():
        wrote, read = job["write"], job["read"]
        print(
            f"fio {name}: write {wrote['bw'] / 1024:.1f} MiB/s, {wrote['iops']:.0f} IOPS, {wrote['io_kbytes']} KiB;"
            f" verify {read['bw'] / 1024:.1f} MiB/s, {read['io_kbytes']} KiB"
        )
        assert job["error"] == 0
        assert read["io_bytes"] > 0, "nothing was verified"


def test_stress_ng_finds_nothing_wrong(stress):
    print(stress.stdout)
    # 3 and 4: what this filesystem has no support for was left out, such as file attributes.
    assert stress.returncode in (0, 3, 4), stress.stdout[-4000:]
    passed = re.search(r"passed: (\d+)", stress.stdout)
    failed = re.search(r"failed: (\d+)", stress.stdout)
    assert passed is not None, "it tells no result"
    assert failed is not None, "it tells no result"
    assert (int(passed.group(1)) > 35, int(failed.group(1))) == (True, 0)


def test_fio_finds_the_same_after_it(fio_again):
    assert fio_again.returncode == 0, fio_again.stdout[-3000:] + fio_again.stderr


@pytest.mark.parametrize("folder", ["fio", "quiet"])
def test_both_sides_see_the_same_bytes(fio_again, bystander, hv1, vm1, folder):
    here, there = contents(hv1, f"{HOST}/{folder}"), contents(vm1, f"{GUEST}/{folder}")
    assert here
    assert here == there
    if folder == "quiet":
        assert here == bystander


def test_the_daemon_and_the_mount_are_well(stress, hv1, vm1):
    assert hv1.check(f"pgrep -fc -- '--shared-dir {HOST}( |$)'").strip() != "0"
    assert crosses(vm1, GUEST, hv1, HOST, "guest-to-host")
    assert crosses(hv1, HOST, vm1, GUEST, "host-to-guest")


def test_the_filesystem_behind_is_sound(stress, hv1):
    assert "clean" in hv1.check("dumpe2fs -h $(findfs LABEL=proof_stress) 2>/dev/null | grep state")
    assert hv1.sh("dmesg | grep -i 'ext4.*error'").stdout == ""
