# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of POSIX on a directory, and what came of each, as JSON: run it on both sides and compare.

    python3 calls.py DIRECTORY

Every case has an empty directory of its own. What it returns, or the name of its error, is printed under its name.
Needs root, because some cases act as another user. Nothing here knows whether the directory is shared.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import shutil
import stat
import sys
import time

NOBODY = 65534
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def name_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def outcome(call, *arguments, **options):
    """What a call returns that JSON knows, "ok" for anything else, or the name of its error."""
    try:
        value = call(*arguments, **options)
    except OSError as error:
        return name_of(error)
    return value if isinstance(value, (int, str, list, bool)) else "ok"


def put(path, data=b"data"):
    with open(path, "wb") as file:
        file.write(data)


def get(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


def opened(path, flags, mode=0o644):
    try:
        os.close(os.open(path, flags, mode))
    except OSError as error:
        return name_of(error)
    return "ok"


def mode(path):
    return oct(stat.S_IMODE(os.lstat(path).st_mode))


def as_nobody(work):
    """What the work returns as a user without rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            told = json.dumps(work())
        except OSError as error:
            told = json.dumps(name_of(error))
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


@case
def open_what_is_not_there():
    return [opened("a", os.O_RDONLY), opened("a/b", os.O_CREAT | os.O_WRONLY), opened("", os.O_RDONLY)]


@case
def open_exclusively():
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    os.symlink("nowhere", "link")
    return [opened("a", flags), opened("a", flags), opened("link", flags)]


@case
def open_a_directory():
    os.mkdir("d")
    put("f")
    return [
        opened("d", os.O_RDONLY),
        opened("d", os.O_WRONLY),
        opened("f", os.O_RDONLY | os.O_DIRECTORY),
        opened("f/x", os.O_RDONLY),
    ]


@case
def open_a_link_itself():
    put("f")
    os.symlink("f", "link")
    os.symlink("loop", "loop")
    return [opened("link", os.O_RDONLY | os.O_NOFOLLOW), opened("loop", os.O_RDONLY)]


@case
def truncate_on_open():
    put("f", b"long content")
    return [opened("f", os.O_WRONLY | os.O_TRUNC), os.stat("f").st_size]


@case
def append():
    put("f", b"one")
    first, second = (os.open("f", os.O_WRONLY | os.O_APPEND) for dummy in range(2))
    for descriptor, word in ((first, b"two"), (second, b"three"), (first, b"four")):
        os.write(descriptor, word)
    return get("f")


@case
def names():
    long = "n" * 255
    odd = os.fsdecode(bytes(byte for byte in range(1, 256) if byte != ord("/"))[:127])
    odder = os.fsdecode(bytes(byte for byte in range(1, 256) if byte != ord("/"))[127:])
    told = [outcome(put, name) for name in (long, long + "n", odd, odder)]
    return [*told, sorted(map(len, map(os.fsencode, os.listdir("."))))]


@case
def long_paths():
    deep = "/".join(["d" * 100] * 30)
    return [outcome(os.makedirs, deep), outcome(put, f"{deep}/f"), outcome(os.stat, "/".join(["d" * 100] * 50))]


@case
def make_directories():
    return [outcome(os.mkdir, "d"), outcome(os.mkdir, "d"), outcome(os.mkdir, "no/d"), os.stat("d").st_nlink]


@case
def remove_directories():
    os.makedirs("d/e")
    put("f")
    return [outcome(os.rmdir, name) for name in ("d", "f", "no", "d/e", "d", ".")]


@case
def unlink():
    os.mkdir("d")
    put("f")
    return [outcome(os.unlink, name) for name in ("d", "f", "f")]


@case
def unlinked_and_still_open():
    put("f", b"before")
    with open("f", "r+b") as file:
        os.unlink("f")
        file.seek(0, os.SEEK_END)
        file.write(b" after")
        file.flush()
        file.seek(0)
        return [file.read().decode(), os.fstat(file.fileno()).st_nlink, os.listdir(".")]


@case
def rename_over():
    for name in ("a", "b"):
        put(name, name.encode())
    os.mkdir("d")
    os.makedirs("e/f")
    return [
        outcome(os.rename, "a", "b"),
        get("b"),
        outcome(os.rename, "b", "d"),
        outcome(os.rename, "d", "b"),
        outcome(os.rename, "d", "e"),
        outcome(os.rename, "e", "e/f/g"),
        outcome(os.rename, "e", "d"),
        sorted(os.listdir(".")),
    ]


@case
def rename_what_is_open():
    put("a", b"old")
    put("b", b"new")
    with open("a", "rb") as file:
        os.rename("b", "a")
        return [file.read().decode(), get("a")]


@case
def rename_keeps_the_inode():
    put("a")
    before = os.stat("a").st_ino
    os.rename("a", "b")
    return os.stat("b").st_ino == before


@case
def hard_links():
    put("a", b"one")
    os.mkdir("d")
    told = [outcome(os.link, "a", "b"), outcome(os.link, "a", "b"), outcome(os.link, "d", "e"), os.stat("a").st_nlink]
    put("b", b"both")
    os.unlink("a")
    return [*told, get("b"), os.stat("b").st_nlink]


@case
def symbolic_links():
    put("f", b"there")
    os.symlink("f", "link")
    return [
        os.readlink("link"),
        get("link"),
        outcome(os.symlink, "f", "link"),
        outcome(os.readlink, "f"),
        outcome(os.symlink, "t" * 4000, "long"),
        outcome(os.symlink, "t" * 5000, "longer"),
        mode("link"),
    ]


@case
def special_files():
    kinds = ((stat.S_IFIFO, 0), (stat.S_IFSOCK, 0), (stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(7, 0)))
    told = []
    for number, (kind, device) in enumerate(kinds):
        told.append(outcome(os.mknod, str(number), kind | 0o600, device))
        told.append(stat.S_IFMT(os.lstat(str(number)).st_mode) == kind)
    return told


@case
def devices_do_not_open():
    os.mknod("zero", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    return opened("zero", os.O_RDONLY)


@case
def modes():
    put("f")
    told = []
    for bits in (0o000, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o6711):
        os.chmod("f", bits)
        told.append(mode("f"))
    return told


@case
def creation_masks():
    old = os.umask(0o027)
    try:
        opened("f", os.O_CREAT | os.O_WRONLY, 0o666)
        os.mkdir("d", 0o777)
    finally:
        os.umask(old)
    return [mode("f"), mode("d")]


@case
def owners():
    put("f")
    os.chmod("f", 0o6755)
    os.chown("f", 1234, 2345)
    found = os.stat("f")
    return [found.st_uid, found.st_gid, mode("f")]


@case
def owner_of_what_a_user_makes():
    os.chmod(".", 0o777)

    def work():
        put("f")
        os.mkdir("d")
        os.symlink("f", "link")
        return [[os.lstat(name).st_uid, os.lstat(name).st_gid] for name in ("f", "d", "link")]

    return as_nobody(work)


@case
def group_of_a_set_gid_directory():
    os.mkdir("d")
    os.chown("d", 0, 3456)
    os.chmod("d", 0o2777)

    def work():
        put("d/f")
        os.mkdir("d/e")
        return [os.stat("d/f").st_gid, os.stat("d/e").st_gid, mode("d/e")]

    return as_nobody(work)


@case
def sticky_directory():
    os.mkdir("d")
    os.chmod("d", 0o1777)
    put("d/f")
    return [as_nobody(lambda: outcome(os.unlink, "d/f")), as_nobody(lambda: outcome(os.rename, "d/f", "d/g"))]


@case
def what_a_user_may_not():
    put("f")
    os.chmod("f", 0o600)
    os.mkdir("d", 0o700)
    return as_nobody(
        lambda: [
            opened("f", os.O_RDONLY),
            opened("f", os.O_WRONLY),
            opened("d/x", os.O_CREAT | os.O_WRONLY),
            outcome(os.listdir, "d"),
            outcome(os.chmod, "f", 0o777),
            outcome(os.chown, "f", NOBODY, NOBODY),
            outcome(os.utime, "f"),
            os.access("f", os.R_OK),
        ]
    )


@case
def a_user_writes_to_a_set_uid_file():
    put("f")
    os.chmod("f", 0o6777)

    def work():
        with open("f", "r+b") as file:
            file.write(b"x")
        return mode("f")

    return as_nobody(work)


@case
def truncate():
    put("f", b"0123456789")
    told = []
    for size in (4, 8, 0, 5_000_000_000):
        os.truncate("f", size)
        told.append(os.stat("f").st_size)
    os.truncate("f", 3)
    return [*told, get("f"), outcome(os.truncate, "f", -1), outcome(os.truncate, "no", 1)]


@case
def beyond_four_gibibytes():
    with open("f", "w+b") as file:
        for place in (0, (1 << 32) - 2, 5 * (1 << 30)):
            file.seek(place)
            file.write(b"mark")
        file.flush()
        file.seek((1 << 32) - 2)
        return [file.read(4).decode(), os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_blocks < 100_000]


@case
def holes():
    with open("f", "w+b") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        return [os.lseek(file.fileno(), 0, os.SEEK_DATA), os.lseek(file.fileno(), 1 << 19, os.SEEK_HOLE)]


@case
def allocate():
    with open("f", "w+b") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 16)
        found = os.fstat(file.fileno())
        return [found.st_size, found.st_blocks * 512 >= 1 << 16]


@case
def times():
    put("f")
    os.utime("f", ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
    found = os.stat("f")
    return [found.st_atime_ns, found.st_mtime_ns]


@case
def times_move_on():
    put("f")
    os.utime("f", ns=(0, 0))
    with open("f", "ab") as file:
        file.write(b"more")
    changed = abs(os.stat("f").st_mtime - time.time()) < 60
    os.utime(".", ns=(0, 0))
    os.unlink("f")
    return [changed, abs(os.stat(".").st_mtime - time.time()) < 60]


@case
def mapped():
    put("f", b"-" * 8192)
    with open("f", "r+b") as file, mmap.mmap(file.fileno(), 8192) as memory:
        memory[4094:4098] = b"seam"
        memory.flush()
        with open("f", "rb") as other:
            other.seek(4094)
            return other.read(4).decode()


@case
def positions():
    put("f", b"0123456789")
    descriptor = os.open("f", os.O_RDWR)
    told = [os.pread(descriptor, 3, 4).decode(), os.pwrite(descriptor, b"xx", 1), os.lseek(descriptor, 0, os.SEEK_CUR)]
    told += [os.pread(descriptor, 5, 20).decode(), outcome(os.lseek, descriptor, -1, os.SEEK_SET), get("f")]
    os.close(descriptor)
    return told


@case
def vectors():
    descriptor = os.open("f", os.O_RDWR | os.O_CREAT)
    written = os.writev(descriptor, [b"one ", b"two ", b"three"])
    parts = [bytearray(4), bytearray(9)]
    os.preadv(descriptor, parts, 0)
    os.close(descriptor)
    return [written, *(part.decode() for part in parts)]


@case
def copy_in_the_kernel():
    put("a", b"copied" * 1000)
    with open("a", "rb") as source, open("b", "wb") as target:
        left = 6000
        while left:
            left -= os.copy_file_range(source.fileno(), target.fileno(), left)
    return get("b") == get("a")


@case
def locks_of_one_machine():
    put("f")
    with open("f", "r+b") as first, open("f", "r+b") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        told = [outcome(fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)]
        fcntl.flock(first, fcntl.LOCK_UN)
        told.append(outcome(fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB))
        fcntl.lockf(first, fcntl.LOCK_EX, 10, 0)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, outcome(fcntl.lockf, second, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told.append(pipe.read())
    return told


@case
def list_many():
    for number in range(500):
        put(f"file{number:04}", b"")
    listed = sorted(os.listdir("."))
    return [len(listed), listed == [f"file{number:04}" for number in range(500)]]


@case
def list_while_it_changes():
    for number in range(200):
        put(str(number), b"")
    with os.scandir(".") as entries:
        seen = [next(entries).name]
        for number in range(0, 200, 2):
            os.unlink(str(number))
        seen += [entry.name for entry in entries]
    odd = {str(number) for number in range(1, 200, 2)}
    return [len(seen) == len(set(seen)), odd <= set(seen)]


@case
def sync():
    with open("f", "wb") as file:
        file.write(b"x")
        file.flush()
        told = [outcome(os.fsync, file.fileno()), outcome(os.fdatasync, file.fileno())]
    directory = os.open(".", os.O_RDONLY)
    told.append(outcome(os.fsync, directory))
    os.close(directory)
    return told


@case
def below_a_descriptor():
    os.mkdir("d")
    descriptor = os.open("d", os.O_RDONLY)
    os.rename("d", "e")
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=descriptor))
    told = [os.listdir("e"), outcome(os.stat, "f", dir_fd=descriptor), outcome(os.mkdir, "g", dir_fd=descriptor)]
    os.close(descriptor)
    return [*told, sorted(os.listdir("e"))]


@case
def in_a_directory_that_is_gone():
    os.mkdir("d")
    os.chdir("d")
    os.rmdir("../d")
    return [opened("f", os.O_CREAT | os.O_WRONLY), outcome(os.mkdir, "e"), outcome(os.listdir, ".")]


@case
def direct():
    descriptor = os.open("f", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    with mmap.mmap(-1, 4096) as page:
        page[:4] = b"page"
        written = os.write(descriptor, page)
    os.close(descriptor)
    return [written, get("f")[:4]]


@case
def space():
    found = os.statvfs(".")
    return [found.f_namemax, found.f_blocks > found.f_bavail > 0, found.f_files > found.f_favail > 0]


@case
def executes():
    put("f", b"#!/bin/sh\nexit 7\n")
    told = [os.access("f", os.X_OK)]
    os.chmod("f", 0o755)
    return [*told, os.waitstatus_to_exitcode(os.system("./f"))]


def main():
    top = os.path.join(sys.argv[1], "cases")
    os.umask(0o022)
    told = {}
    for name, function in CASES.items():
        place = os.path.join(top, name)
        os.makedirs(place)
        os.chmod(top, 0o755)
        os.chdir(place)
        try:
            told[name] = function()
        except OSError as error:
            told[name] = f"failed: {name_of(error)}"
        os.chdir("/")
    shutil.rmtree(top)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
