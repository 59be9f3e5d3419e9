# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real loop devices, a root for mount points and an fstab, all in one temporary directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.virtio.fs.plugins.module_utils._block.holders import read_views
from ansible_collections.virtio.fs.plugins.module_utils._block.sysfs import devnum_of
from ansible_collections.virtio.fs.plugins.module_utils._block.views import Views
from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._mounts import mountinfo
from ansible_collections.virtio.fs.plugins.module_utils._partition.run import run
from ansible_collections.virtio.fs.plugins.module_utils._partition.target import Target
from ansible_collections.virtio.fs.plugins.module_utils._system import immutable
from ansible_collections.virtio.fs.plugins.modules.virtiofs_partition import ARGUMENTS

NEIGHBOURS = "# the machine's own\nUUID=1234\t/\text4\terrors=remount-ro\t0\t1 # root\n"


@dataclass
class Outcome:
    """What the module returned."""

    values: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    warnings: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


class _Module:
    def __init__(self, params: dict[str, Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self._diff = True
        self.outcome = Outcome()

    def warn(self, warning: str) -> None:
        self.outcome.warnings.append(warning)

    def exit_json(self, **values: Any) -> None:
        self.outcome.values = values

    def fail_json(self, msg: str, **values: Any) -> None:
        self.outcome.values = {"msg": msg, **values}
        self.outcome.failed = True


class DiskLab:
    """``there``: another process has made it in this directory."""

    def __init__(self, directory: Path, *, there: bool = False) -> None:
        self.directory = directory
        self.root = directory / "shared"
        self.fstab = directory / "fstab"
        self.state = directory / "state"
        self.units = directory / "units"
        self.domains = directory / "qemu"
        if not there:
            self.fstab.write_text(NEIGHBOURS)
            self.units.mkdir()
            self.domains.mkdir()
        self.loops: list[str] = []
        # Labels are unique on a machine, and others may test on it.
        self.suffix = secrets.token_hex(2)

    def label(self, name: str = "a") -> str:
        return f"{name}_{self.suffix}"

    def disk(self, mib: int = 64, sector: int = 512) -> str:
        image = self.directory / f"disk{len(self.loops)}"
        with image.open("wb") as file:
            file.truncate(mib * 1024 * 1024)
        loop = output("losetup", "--find", "--show", "--partscan", "--sector-size", str(sector), str(image))
        self.loops.append(loop)
        return loop

    def image_of(self, disk: str) -> Path:
        return self.directory / f"disk{self.loops.index(disk)}"

    def digest(self, disk: str) -> str:
        """A checksum of every byte of a disk, as a reader of the bare device sees them."""
        output("sync", "-f", str(self.directory))
        output("blockdev", "--flushbufs", disk)
        checksum = hashlib.sha256()
        with self.image_of(disk).open("rb") as file:
            for part in iter(lambda: file.read(1024 * 1024), b""):
                checksum.update(part)
        return checksum.hexdigest()

    def look(self, disk: str) -> str:
        # A mounted ext4 goes on writing its inode tables for a while by itself; what it is and where stays.
        if not self.is_mounted(disk):
            return self.digest(disk)
        table = subprocess.run(["sfdisk", "--dump", disk], capture_output=True, text=True, timeout=60, check=False)
        nodes = [disk, *sorted(str(path) for path in Path("/dev").glob(f"{Path(disk).name}p*"))]
        return table.stdout + "".join(output("wipefs", "--noheadings", node) for node in nodes)

    def params(self, items: Sequence[Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        given = {"partitions": list(items), "root": str(self.root), "fstab": str(self.fstab), **options}
        checked = ArgumentSpecValidator(ARGUMENTS).validate(given)
        assert not checked.error_messages, checked.error_messages
        return dict(checked.validated_parameters)

    def target(self) -> Target:
        return Target(
            state_directory=str(self.state),
            unit_directory=str(self.units),
            domain_status=(str(self.domains),),
            lock_seconds=20,
        )

    def run(self, *items: Mapping[str, Any], check: bool = False, **options: Any) -> Outcome:
        """One call of the module, in this process."""
        module = _Module(self.params(items, **options), check)
        target = self.target()
        try:
            run(module, target)
        finally:
            for node in list(target.locks):
                target.unlock(node)
        return module.outcome

    def undisturbed(self, *items: Mapping[str, Any], check: bool = False, **options: Any) -> Outcome:
        """Like run, again when a process of somebody else had a short-lived namespace with our mount in it."""
        for _attempt in range(20):
            outcome = self.run(*items, check=check, **options)
            if not (outcome.failed and "(process" in outcome.msg):
                break
            time.sleep(0.5)
        return outcome

    def converged(self, *items: Mapping[str, Any], **options: Any) -> Outcome:
        """Check mode changes nothing and foresees everything; then it is done; then there is nothing left to do."""
        before = self.snapshot()
        foreseen = self.undisturbed(*items, check=True, **options)
        assert not foreseen.failed, foreseen.msg
        assert self.snapshot() == before
        done = self.undisturbed(*items, **options)
        assert not done.failed, done.msg
        assert (done.changed, done.actions) == (foreseen.changed, foreseen.actions)
        after = self.snapshot(content=False)
        again = self.run(*items, **options)
        assert not again.failed, again.msg
        assert (again.changed, again.actions) == (False, [])
        assert self.snapshot(content=False) == after
        return done

    def refused(self, *items: Mapping[str, Any], **options: Any) -> str:
        """The message of a refusal, in check mode and out of it, that leaves every byte as it was."""
        before = self.snapshot()
        messages = []
        for check in (True, False):
            outcome = self.run(*items, check=check, **options)
            assert outcome.failed, outcome.values
            assert self.snapshot() == before
            messages.append(str(outcome.msg))
        assert messages[0] == messages[1]
        return messages[0]

    def snapshot(self, content: bool = True) -> dict[str, Any]:
        return {
            "fstab": self.fstab.read_bytes() if self.fstab.exists() else None,
            "mounts": sorted(line.split(" ", 2)[2] for line in self.mountinfo()),
            "tree": sorted(
                (str(path), path.lstat().st_mode, path.lstat().st_uid)
                for path in [self.root, *self.root.glob("*"), *self.units.glob("*"), *self.state.rglob("*")]
                if path.exists()
            ),
            "disks": [self.look(loop) for loop in self.loops] if content else None,
        }

    def is_mounted(self, disk: str) -> bool:
        return any(f" {disk}" in line for line in self.mountinfo())

    def mountinfo(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return [line for line in lines if str(self.directory) in line.split(" ")[4]]

    def options(self, path: Path | str) -> set[str]:
        return set(output("findmnt", "--noheadings", "--output", "OPTIONS", "--mountpoint", str(path)).split(","))

    def clean_up(self) -> None:
        self._unmount("umount")
        # Before anything is unmounted lazily: a mount that loop devices have their files in is busy until then.
        for name in self._attached():
            quietly("partx", "--delete", name)
            output("losetup", "--detach", name)
        self._unmount("umount")
        self._unmount("umount", "--lazy")
        for path in self.directory.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(VirtiofsError):
                    immutable.set_immutable(str(path), False)
        deadline = time.monotonic() + 10
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.2)
        shutil.rmtree(self.directory)
        if left:
            raise RuntimeError(f"a test has left {', '.join(left)} attached")

    def _left(self) -> list[str]:
        """What nobody frees any more. The kernel does, when a program goes that has copied the mount meanwhile."""
        views = read_views()
        return [name for name in self._attached() if not any(self._users(views, name))]

    def _users(self, views: Views, loop: str) -> Iterator[str]:
        for node in [loop, *(str(path) for path in Path("/dev").glob(f"{Path(loop).name}p*"))]:
            yield from views.anywhere(devnum_of(node) or "", node)

    def _unmount(self, *command: str) -> None:
        for mount in reversed(mountinfo.parse("\n".join(self.mountinfo()))):
            quietly(*command, mount.path)

    def _attached(self) -> list[str]:
        """The loop devices of our files, by inode: a name lacks the directory when its mount is gone."""
        found = [path.stat() for path in self.directory.rglob("*") if path.is_file()]
        ours = {(str(one.st_ino), f"{os.major(one.st_dev)}:{os.minor(one.st_dev)}") for one in found}
        listed = output("losetup", "--list", "--noheadings", "--output", "NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE")
        loops = [line.split(maxsplit=3) for line in listed.splitlines()]
        return [
            name
            for name, inode, device, backing in loops
            if (inode, device) in ours or backing.startswith(f"{self.directory}/")
        ]


@contextlib.contextmanager
def disk_lab(directory: Path) -> Iterator[DiskLab]:
    if os.geteuid() != 0:
        raise RuntimeError("these tests make loop devices and mounts, run them as root")
    place = directory / "lab"
    place.mkdir()
    lab = DiskLab(place)
    try:
        yield lab
    finally:
        lab.clean_up()


def output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def quietly(*argv: str) -> None:
    subprocess.run(argv, capture_output=True, timeout=120, check=False)
