# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command and kill it, with everything it started, when it is about to write for the Nth time.

``killed_at.py N PREFIX COMMAND...``: only writes to files below PREFIX or to devices count, and calls that
change a tree of directories, a mount, a partition or a loop device. Exit status 137 when it was killed;
otherwise that of the command, and the number of writes goes to standard output.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long

_TRACEME, _CONT, _SETOPTIONS, _SYSCALL_INFO = 0, 7, 0x4200, 0x420E
# TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP, and EXITKILL: all die with this process.
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_STOPPED_BY_FILTER = signal.SIGTRAP | 7 << 8

# seccomp(2): a filter of the classic BPF stops the calls that matter, and all others go on at full speed.
_SET_SECCOMP, _FILTER, _RET_TRACE, _RET_ALLOW = 22, 2, 0x7FF00000, 0x7FFF0000
_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06

# By machine: calls that write to a descriptor, calls that always count, and ioctl.
_CALLS = {
    "x86_64": (
        {1, 18, 20, 296, 77, 285, 91, 93, 190},
        {82, 264, 316, 83, 258, 87, 263, 84, 165, 166, 88, 266, 90, 92, 429, 430, 431, 432, 442},
        16,
    ),
    "aarch64": (
        {64, 68, 66, 70, 46, 47, 52, 55, 7},
        {38, 276, 34, 35, 40, 39, 36, 53, 54, 429, 430, 431, 432, 442},
        29,
    ),
}
# BLKPG, FS_IOC_SETFLAGS, LOOP_SET_FD, LOOP_CLR_FD, LOOP_SET_STATUS64, LOOP_CONFIGURE, BLKDISCARD, BLKZEROOUT, and what
# enlarges a mounted ext4, xfs and btrfs.
_IOCTLS = {0x1269, 0x40086602, 0x4C00, 0x4C01, 0x4C04, 0x4C0A, 0x1277, 0x127F, 0x40086610, 0x4010586E, 0x50009403}


def main() -> int:
    limit, prefix, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    first = os.fork()
    if first == 0:
        _ptrace(_TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        _stop_at_writes()
        os.execvp(command[0], command)
    os.waitpid(first, 0)
    _ptrace(_SETOPTIONS, first, _OPTIONS)
    _ptrace(_CONT, first)
    writes = 0
    while True:
        pid, status = os.waitpid(-1, 0x40000000)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if pid == first:
                print(writes)
                return os.waitstatus_to_exitcode(status)
            continue
        stop = os.WSTOPSIG(status)
        deliver = 0
        if status >> 8 == _STOPPED_BY_FILTER:
            if _is_write(pid, prefix):
                writes += 1
                if writes == limit:
                    os._exit(137)
        elif stop not in (signal.SIGTRAP, signal.SIGSTOP):
            deliver = stop
        _ptrace(_CONT, pid, deliver)


def _stop_at_writes() -> None:
    to_descriptor, always, ioctl = _CALLS[platform.machine()]
    numbers = sorted({*to_descriptor, *always, ioctl})
    program = [(_LOAD_WORD, 0, 0, 0)]
    program += [(_JUMP_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    program += [(_RETURN, 0, 0, _RET_ALLOW), (_RETURN, 0, 0, _RET_TRACE)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    described = struct.pack("@HP", len(program), ctypes.addressof(code))
    if _LIBC.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), described, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _is_write(pid: int, prefix: str) -> bool:
    info = ctypes.create_string_buffer(88)
    # 3: PTRACE_SYSCALL_INFO_SECCOMP.
    if _LIBC.ptrace(_SYSCALL_INFO, pid, 88, ctypes.addressof(info)) < 0 or info.raw[0] != 3:
        return False
    number, first, second = struct.unpack_from("=QQQ", info.raw, 24)
    to_descriptor, always, ioctl = _CALLS[platform.machine()]
    if number in always:
        return True
    if number == ioctl:
        return second & 0xFFFFFFFF in _IOCTLS
    if number not in to_descriptor:
        return False
    try:
        place = os.readlink(f"/proc/{pid}/fd/{first & 0xFFFFFFFF}")
    except OSError:
        return False
    return place.startswith((prefix, "/dev/loop"))


def _ptrace(request: int, pid: int, data: int = 0) -> None:
    if _LIBC.ptrace(request, pid, None, data) < 0 and ctypes.get_errno() != 3:  # ESRCH: it was just killed
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


if __name__ == "__main__":
    raise SystemExit(main())
