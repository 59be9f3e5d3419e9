# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong, or will be, and what to do about it. Pure.

Each problem is a dict of ``what`` (a code for a program), ``where``, ``message`` (a sentence) and ``remedy``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.virtio.fs.plugins.module_utils._daemon.script import expanded
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml import memory
from ansible_collections.virtio.fs.plugins.module_utils._domain_xml.share import Share
from ansible_collections.virtio.fs.plugins.module_utils._info import drift
from ansible_collections.virtio.fs.plugins.module_utils._info.state import Daemon, Domain, Source, State
from ansible_collections.virtio.fs.plugins.module_utils._libvirt.domain_state import Version, dotted
from ansible_collections.virtio.fs.plugins.module_utils._system.paths import normalized

Problem = dict[str, Any]

HYPERVISOR = "hypervisor"

_OLDEST_QEMU: Version = (5, 0, 0)
_OLDEST_LIBVIRT: Version = (6, 2, 0)

# libvirt's NEWS for 10.5.0; QEMU's for 8.2; virtiofsd says it by its feature.
_MIGRATION_LIBVIRT: Version = (10, 5, 0)
_MIGRATION_QEMU: Version = (8, 2, 0)
_MIGRATION_FEATURE = "migrate-precopy"

# What virtiofsd asks for by itself: its limits.rs, DEFAULT_NOFILE; that of QEMU alike.
_OWN_FILES = 1_000_000
# A guest that has all of them open ends the daemon, and all of the share with it.
_NEARLY_ALL = 0.8

# virtiofsd's changelog: from here on it keeps handles by itself, of filesystems that have them.
_HANDLES: Version = (1, 13, 3)
_WITH_HANDLES = ("ext4", "xfs", "btrfs")

# libvirt's NEWS for 11.2.0.
_SAVES_AT_LOGOUT: Version = (11, 2, 0)

_HARDENED = ("nosuid", "nodev")


def problems(state: State) -> list[Problem]:
    """Everything that is wrong on this hypervisor, the worst first."""
    found = [
        *_of_host(state),
        *(problem for domain in state.domains for problem in _of_domain(domain, state)),
        *_of_sources(state),
    ]
    return sorted(found, key=lambda problem: _ORDER.index(problem["what"]))


_ORDER = (
    "daemon_dead",
    "stale_mount",
    "source_unmounted",
    "source_missing",
    "daemon_missing",
    "hypervisor_too_old",
    "memory_not_shared",
    "memory_directory_small",
    "drift",
    "saved_with_shares",
    "not_mounted_in_guest",
    "left_mounted_in_guest",
    "open_files_low",
    "mount_not_hardened",
    "parent_open",
    "migration_blocked",
    "save_may_not_start",
)


def _of_host(state: State) -> Iterator[Problem]:
    host = state.host
    if host.driver != "QEMU":
        return
    if host.libvirt < _OLDEST_LIBVIRT or host.qemu < _OLDEST_QEMU:
        yield _problem(
            "hypervisor_too_old",
            HYPERVISOR,
            f"libvirt {dotted(host.libvirt)} with QEMU {dotted(host.qemu)} has no virtiofs",
            f"install libvirt {dotted(_OLDEST_LIBVIRT)} and QEMU {dotted(_OLDEST_QEMU)}, or newer",
        )
    if host.virtiofsd is None:
        yield _problem(
            "daemon_missing",
            HYPERVISOR,
            "no virtiofsd is installed: no domain with a share can start",
            "install the package virtiofsd (qemu-system-common on Debian 12), or run the role virtio.fs.virtiofs_host",
        )
    yield from _few_files(state)
    yield from _memory_directory(state)
    yield from _migration(state)


def _of_domain(domain: Domain, state: State) -> Iterator[Problem]:
    where = f"domain {domain.name}"
    if domain.config and not memory.is_shared(domain.state.config.root):
        yield _problem(
            "memory_not_shared",
            where,
            "its definition has shares and no shared memory: libvirt refuses to start it",
            "run virtio.fs.share, or add <source type='memfd'/> and <access mode='shared'/> to its <memoryBacking>",
        )
    for tag, share in {**domain.live, **domain.config}.items():
        if share.binary is not None and state.host.binaries.get(share.binary, True) is None:
            yield _problem(
                "daemon_missing",
                _share_of(domain, tag),
                f"its virtiofsd {share.binary} is not there, or is no virtiofsd",
                f"install it, or take the binary out of the share's definition: libvirt then chooses {_default(state)}",
            )
    for tag in sorted(domain.state.dead):
        yield _problem(
            "daemon_dead",
            _share_of(domain, tag),
            "its virtiofsd has ended: whatever touches the share in the guest hangs",
            f"shut {domain.name} down (by force when it hangs) and start it: virtiofs_host_apply: restart and "
            "virtiofs_host_force_off: true; the cause is in /var/log/libvirt/qemu/"
            f"{domain.name}-*-virtiofsd.log",
        )
    for daemon in domain.daemons:
        if daemon.tag not in domain.state.dead:
            yield from _of_daemon(domain, daemon, state)
    yield from _saved(domain)
    yield from _drift(domain, state)
    yield from _in_guest(domain)


def _of_daemon(domain: Domain, daemon: Daemon, state: State) -> Iterator[Problem]:
    share = domain.live[daemon.tag]
    source = state.sources.get(share.source or "")
    if source is not None and is_stale(daemon, source):
        yield _problem(
            "stale_mount",
            _share_of(domain, daemon.tag),
            f"its daemon serves another directory than the one that is on {share.source} now: the guest writes where "
            "the hypervisor does not look",
            f"unmount it in the guest, detach and attach it, or shut {domain.name} down and start it; what the guest "
            "has written meanwhile is on the filesystem that was mounted before",
        )
    limit, used = daemon.files_limit, daemon.files_open or 0
    if limit is not None and used > _NEARLY_ALL * limit:
        yield _problem(
            "open_files_low",
            _share_of(domain, daemon.tag),
            f"its virtiofsd has {used} of at most {limit} files open, and ends when it needs more",
            _fewer_open_files(domain, daemon, state),
        )


def _fewer_open_files(domain: Domain, daemon: Daemon, state: State) -> str:
    raise_it = "set open_files for the share (libvirt 10.6 or newer), or a higher LimitNOFILE for libvirt's service"
    share = expanded(domain.live[daemon.tag], state.host.scripts)
    served = state.host.daemon(domain.live[daemon.tag].binary)
    source = state.sources.get(share.source or "")
    handles = source is not None and source.mount is not None and source.mount.fstype in _WITH_HANDLES
    asked = share.inode_file_handles or ("never" if served is not None and served.version < _HANDLES else "prefer")
    if handles and asked == "never" and served is not None and served.flavour == "rust":
        return f"set inode_file_handles: prefer for the share, which keeps none of them open; or {raise_it}"
    return raise_it


def _few_files(state: State) -> Iterator[Problem]:
    """Whoever set a limit for a share meant it; else the cause is one for all daemons of the hypervisor."""
    limits = [
        daemon.files_limit
        for domain in state.domains
        for daemon in domain.daemons
        if daemon.files_limit is not None and domain.live[daemon.tag].open_files is None
    ]
    few = [limit for limit in limits if limit < _OWN_FILES]
    if few:
        yield _problem(
            "open_files_low",
            HYPERVISOR,
            f"the virtiofsd of {len(few)} {'share' if len(few) == 1 else 'shares'} may have no more than {min(few)} "
            f"files open, fewer than the {_OWN_FILES} that it asks for",
            "raise LimitNOFILE of libvirt's service with systemctl edit, and shut the domains down and start them",
        )


def is_stale(daemon: Daemon, source: Source) -> bool:
    """Whether the daemon serves something else than what is at the path now. Unknown is no."""
    if daemon.serves is None or source.mount is None:
        return False
    beyond = posixpath.relpath(source.path, source.mount.path)
    return daemon.serves != (source.mount.device, normalized(posixpath.join(source.mount.root, beyond)))


def _drift(domain: Domain, state: State) -> Iterator[Problem]:
    reasons = {each.tag: each.reason for each in drift.waiting(domain, state.host)}
    for each in drift.drift(domain, state.host.scripts):
        reason = reasons.get(each.tag)
        if each.kind == "live_only":
            remedy = "add it to virtiofs_host_shares and run virtio.fs.share to keep it; else unmount it in the guest"
        elif reason is None:
            remedy = "run virtio.fs.share: it needs no restart"
        else:
            remedy = f"shut {domain.name} down and start it (virtiofs_host_apply: restart): {reason.message}"
        yield _problem("drift", _share_of(domain, each.tag), f"it {each.message}", remedy)


def _in_guest(domain: Domain) -> Iterator[Problem]:
    if domain.mounts is None:
        return
    mounted = {mount.source: mount.path for mount in domain.mounts}
    for tag in domain.live:
        if tag not in mounted:
            yield _problem(
                "not_mounted_in_guest",
                _share_of(domain, tag),
                "the guest has it and does not mount it",
                "give the share a mount in virtiofs_host_shares and run virtio.fs.share; or leave it so",
            )
    for tag, path in mounted.items():
        if tag not in domain.live:
            yield _problem(
                "left_mounted_in_guest",
                _share_of(domain, tag),
                f"the guest has it mounted on {path}, and its machine no longer has it: every access fails",
                f"unmount {path} in the guest and take the line out of its fstab",
            )


def _of_sources(state: State) -> Iterator[Problem]:
    by_path: dict[str, list[Share]] = {}
    for domain in state.domains:
        for share in (*domain.config.values(), *domain.live.values()):
            by_path.setdefault(share.source or "", []).append(share)
    for path, source in sorted(state.sources.items()):
        shares = by_path.get(path, ())
        if not shares:
            continue
        where = f"{path} (share {', '.join(sorted({share.tag for share in shares}))})"
        if source.unmounted is not None:
            yield _problem(
                "source_unmounted",
                where,
                f"nothing is mounted on {source.unmounted}, which fstab names: guests write to the filesystem below it",
                f"stop the guests' writing, mount {source.unmounted}, then re-attach the share or restart the domain",
            )
        elif source.exists is False:
            yield _problem(
                "source_missing",
                where,
                "the shared directory does not exist: its domains cannot start",
                "make the directory (virtio.fs.share does), or take the share away",
            )
        elif not all(share.readonly for share in shares):
            # What a guest can only read, it cannot plant anything in.
            yield from _openness(source, where)


def _openness(source: Source, where: str) -> Iterator[Problem]:
    mount = source.mount
    if mount is not None and mount.path != "/":
        lacking = [option for option in _HARDENED if option not in mount.options]
        if lacking:
            yield _problem(
                "mount_not_hardened",
                where,
                f"{mount.path} is mounted without {' and '.join(lacking)}: root in a guest can leave set-uid programs "
                "and device nodes on the hypervisor",
                f"mount -o remount,{','.join(lacking)} {mount.path}, and the same in fstab",
            )
    if source.sheltered is False:
        yield _problem(
            "parent_open",
            where,
            "every user of the hypervisor can reach what guests put there",
            f"chmod 0700 {posixpath.dirname(source.path)} when nobody else needs it, or share below a directory of "
            "mode 0700",
        )


def _memory_directory(state: State) -> Iterator[Problem]:
    directory = state.memory_directory
    if directory is None:
        return
    using = [domain for domain in state.domains if memory.backing_of(domain.state.config.root) == "file"]
    needed = sum(memory.size_of(domain.state.config.root) for domain in using)
    if needed > directory.room:
        yield _problem(
            "memory_directory_small",
            HYPERVISOR,
            f"{', '.join(domain.name for domain in using)} keep their memory in files, {_gib(needed)} when all run, "
            f"and {directory.path} has room for {_gib(directory.room)}: a guest dies when it is full",
            "use memfd, or give memory_backing_dir in qemu.conf more room (virtiofs_host_memory_backing_dir)",
        )


def _migration(state: State) -> Iterator[Problem]:
    with_shares = [domain.name for domain in state.domains if domain.live]
    host = state.host
    if not with_shares:
        return
    lacking = []
    if host.libvirt < _MIGRATION_LIBVIRT:
        lacking.append(f"libvirt {dotted(_MIGRATION_LIBVIRT)} (this is {dotted(host.libvirt)})")
    if host.qemu < _MIGRATION_QEMU:
        lacking.append(f"QEMU {dotted(_MIGRATION_QEMU)} (this is {dotted(host.qemu)})")
    if host.virtiofsd is not None and _MIGRATION_FEATURE not in host.virtiofsd.features:
        lacking.append(f"virtiofsd 1.11 (this is {host.virtiofsd.name})")
    if not lacking:
        yield from _saves(state)
    else:
        yield _problem(
            "migration_blocked",
            f"domains {', '.join(with_shares)}" if len(with_shares) > 1 else f"domain {with_shares[0]}",
            "cannot be migrated, saved, or suspended when the hypervisor shuts down, as long as there are shares",
            f"it takes {' and '.join(lacking)}; until then shut them down instead",
        )


def _saves(state: State) -> Iterator[Problem]:
    """Seen with virtiofsd 1.13.2 and 1.14: it saves a file that is open and deleted, and cannot bring it back."""
    names = [domain.name for domain in state.domains if any(each.starts_again is False for each in domain.daemons)]
    # libvirt's NEWS and qemu.conf, auto_shutdown_try_save: by default for persistent domains of a user's own daemon.
    of_user = urlsplit(state.host.uri).path == "/session" and state.host.libvirt >= _SAVES_AT_LOGOUT
    at_logout = "; the libvirt of a user saves running domains at logout (auto_shutdown_try_save)" if of_user else ""
    if names:
        yield _problem(
            "save_may_not_start",
            f"domains {', '.join(names)}" if len(names) > 1 else f"domain {names[0]}",
            "a save can succeed and never start again, when a program in the guest has a file of a share open that was "
            "deleted",
            "set migration_on_error: guest-error for their shares, or shut guests down instead of saving them "
            "(libvirt-guests: ON_SHUTDOWN=shutdown)" + at_logout,
        )


def _saved(domain: Domain) -> Iterator[Problem]:
    if not (domain.state.managed_save and domain.config):
        return
    tags = ", ".join(domain.config)
    since = "" if domain.saved is None else f" since {domain.saved}"
    yield _problem(
        "saved_with_shares",
        f"domain {domain.name}",
        f"it is saved{since} with its shares ({tags}): leave their directories alone, and it may not start",
        "start it; when that fails with 'load of migration failed', repair_managed_save of virtiofs_domain "
        "(virtiofs_host_repair_managed_save) has it start, and nothing but a deleted file is lost",
    )


def _share_of(domain: Domain, tag: str) -> str:
    return f"domain {domain.name}, share {tag}"


def _default(state: State) -> str:
    return "none, as there is none" if state.host.virtiofsd is None else state.host.virtiofsd.path


def _gib(number: int) -> str:
    return f"{number / 1024**3:.1f} GiB"


def _problem(what: str, where: str, message: str, remedy: str) -> Problem:
    return {"what": what, "where": where, "message": message, "remedy": remedy}
