# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two guests work in one share at the same time: nothing is lost, and only one of them wins what only one can have."""

from __future__ import annotations

import json

import pytest
from proof.machine import at_once, wait_until

HOST = "/shared/proof_common"
GUEST = "/srv/common"
UNBUFFERED_HOST = "/srv/proof/unbuffered"
UNBUFFERED_GUEST = "/srv/unbuffered"
ROUNDS = 100
MANY = 100_000
# A guest may know a name for a second longer than it is there (the daemon's default cache).
CACHE_SECONDS = 3


def python(program: str) -> str:
    return f"python3 - <<'END'\n{program}END\n"


# Each line is one write to a file that is open for appending.
APPEND = f"""\
import os, socket
me = socket.gethostname()
log = os.open("{{}}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
for number in range({ROUNDS * 5}):
    os.write(log, ("%s %06d\\n" % (me, number)).encode())
os.fsync(log)
"""
LINES = {f"{name} {number:06}" for name in ("vm1", "vm2") for number in range(ROUNDS * 5)}
# A file that is made exclusively is a lock that all machines see, as mail programs and git have it.
CLAIM = f"""\
import json, os
won = []
for number in range({ROUNDS}):
    try:
        os.close(os.open(f"{GUEST}/claims/{{number}}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        won.append(number)
    except FileExistsError:
        pass
print(json.dumps(won))
"""
# Both rename the same file to a name of their own.
RENAME = f"""\
import json, os, socket
me = socket.gethostname()
won = []
for number in range({ROUNDS}):
    try:
        os.rename(f"{GUEST}/prizes/{{number}}", f"{GUEST}/prizes/{{number}}.{{me}}")
        won.append(number)
    except FileNotFoundError:
        pass
print(json.dumps(won))
"""
# One replaces a file over and over, the other reads it: it is there at each time, and whole.
REPLACE = f"""\
import os
for number in range({ROUNDS * 2}):
    with open("{GUEST}/.page", "w") as file:
        file.write(f"{{number:05}}" * 2000)
    os.rename("{GUEST}/.page", "{GUEST}/page")
"""
READ = f"""\
import json, time
seen = []
wrong = []
until = time.monotonic() + 120
while seen[-1:] != [{ROUNDS * 2 - 1}] and time.monotonic() < until:
    try:
        with open("{GUEST}/page") as file:
            text = file.read()
    except OSError as error:
        wrong.append(str(error))
        continue
    if text != text[:5] * 2000:
        wrong.append(text[:40])
    seen.append(int(text[:5]))
print(json.dumps([wrong, seen == sorted(seen), len(set(seen))]))
"""
LOCK = f"""\
import fcntl, json
with open("{GUEST}/locked", "a") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print(json.dumps(True))
    except BlockingIOError:
        print(json.dumps(False))
    {{}}
"""
LIST = f"""\
import json, os
with os.scandir("{GUEST}/many") as entries:
    names = [entry.name for entry in entries]
print(json.dumps([len(names), len(set(names)), names[:1]]))
"""


@pytest.fixture(scope="session")
def pair(machine):
    return machine("vm1"), machine("vm2")


@pytest.fixture(scope="session")
def appended(pair, hv1):
    at_once(pair, lambda one: one.check(python(APPEND.format(GUEST)), 120))
    return hv1.check(f"cat {HOST}/log")


@pytest.fixture(scope="session")
def appended_unbuffered(pair, hv1):
    at_once(pair, lambda one: one.check(python(APPEND.format(UNBUFFERED_GUEST)), 120))
    return hv1.check(f"cat {UNBUFFERED_HOST}/log").splitlines()


@pytest.fixture(scope="session")
def claimed(pair, hv1):
    hv1.check(f"mkdir {HOST}/claims")
    return at_once(pair, lambda one: set(json.loads(one.check(python(CLAIM), 120))))


@pytest.fixture(scope="session")
def renamed(pair, hv1):
    hv1.check(f"mkdir {HOST}/prizes && cd {HOST}/prizes && touch $(seq 0 {ROUNDS - 1})")
    wins = at_once(pair, lambda one: set(json.loads(one.check(python(RENAME), 120))))
    return wins, set(hv1.check(f"ls {HOST}/prizes").split())


@pytest.fixture(scope="session")
def replaced(pair, hv1):
    hv1.check(f"python3 -c \"print('00000' * 2000, end='')\" >{HOST}/page")
    programs = dict(zip(pair, (REPLACE, READ)))
    return json.loads(at_once(pair, lambda one: one.check(python(programs[one]), 300))["vm2"])


@pytest.fixture(scope="session")
def crowded(pair, hv1):
    """A hundred thousand files in one directory, and how many files the daemons have open before and after."""
    hv1.check(f"mkdir {HOST}/many && cd {HOST}/many && seq -f 'a file %06.0f' {MANY} | xargs -d '\\n' touch", 300)
    before = descriptors(hv1)
    listings = at_once(pair, lambda one: json.loads(one.check(python(LIST), 600)))
    return listings, before, descriptors(hv1)


def descriptors(hv1) -> int:
    listed = "for process in $(grep -lsx virtiofsd /proc/[0-9]*/comm); do ls ${process%/comm}/fd; done 2>/dev/null"
    return int(hv1.check(f"{listed} | wc -l"))


def test_no_appended_byte_is_lost(appended):
    """A guest's page cache sends a line across the boundary of two pages as two writes: another's may come between."""
    assert sorted(appended) == sorted("".join(f"{line}\n" for line in LINES))
    torn = set(appended.splitlines()) - LINES
    print(f"{len(torn)} of {len(LINES)} lines came with another one in between")
    assert len(torn) < len(LINES) / 10


def test_without_a_cache_every_appended_line_is_whole_and_in_its_order(appended_unbuffered):
    assert len(appended_unbuffered) == len(LINES)
    assert set(appended_unbuffered) == LINES
    for name in ("vm1", "vm2"):
        mine = [line for line in appended_unbuffered if line.startswith(name)]
        assert mine == sorted(mine)


def test_a_file_is_made_exclusively_by_one_of_them(claimed):
    assert claimed["vm1"] | claimed["vm2"] == set(range(ROUNDS))
    assert claimed["vm1"] & claimed["vm2"] == set()


def test_a_file_is_renamed_by_one_of_them(renamed):
    wins, there = renamed
    assert wins["vm1"] & wins["vm2"] == set()
    assert there == {f"{number}.{name}" for name in ("vm1", "vm2") for number in wins[name]}
    assert len(there) == ROUNDS


def test_a_file_that_is_replaced_is_there_at_each_time_and_whole(replaced):
    wrong, in_order, versions = replaced
    assert wrong == []
    assert in_order
    assert versions > 1


def test_locks_are_of_one_guest(pair):
    """virtiofsd has no locks between guests (getlk, setlk: ENOSYS); who needs one makes a file exclusively."""
    vm1, vm2 = pair
    held = LOCK.format("import time; time.sleep(30)")
    vm1.check(f"cat >/root/proof-lock.py <<'END'\n{held}END\nsetsid python3 -u /root/proof-lock.py >/root/held 2>&1 &")
    wait_until("the lock is held", 30, lambda: vm1.sh("cat /root/held").text == "true")
    free = LOCK.format("")
    assert json.loads(vm1.check(python(free))) is False
    assert json.loads(vm2.check(python(free))) is True


def test_both_list_a_hundred_thousand_files_once(crowded):
    listings = crowded[0]
    for count, different, dummy in listings.values():
        assert (count, different) == (MANY, MANY)


def test_listing_them_is_survived_by_the_daemons(crowded, pair, hv1):
    dummy, before, after = crowded
    print(f"open files of the daemons: {before} before, {after} after {MANY} files were listed twice")
    for one in pair:
        assert one.check(f"cat '{GUEST}/many/a file 000001'") == ""
    hv1.check(f"rm -r {HOST}/many", 120)
    wait_until(
        "the guests see that they are gone",
        CACHE_SECONDS * 10,
        lambda: all(one.sh(f"test -e {GUEST}/many").returncode for one in pair),
    )
