# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet as hostvars show it after the plays of report.yml, with everything that can be well or wrong in it."""

from __future__ import annotations

from typing import Any

GIB = 1024**3


def info(*domains: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "connection": {"uri": "qemu:///system", "driver": "QEMU", "readonly": False},
        "libvirt": "11.3.0",
        "qemu": "10.0.2",
        "virtiofsd": {"path": "/usr/libexec/virtiofsd", "flavour": "rust", "version": "1.13.2", "features": []},
        "domains": list(domains),
        "daemons": [],
        "sources": [],
        "problems": [],
        **more,
    }


def domain(name: str, *tags: str, mounts: Any = "unknown", state: str = "running", **more: Any) -> dict[str, Any]:
    """``tags`` are in the definition and, while it runs, in the machine."""
    shares = [{"tag": tag, "source": f"/shared/{tag}", "readonly": tag == "media"} for tag in tags]
    return {
        "name": name,
        "state": state,
        "config": shares,
        "live": [] if state == "off" else shares,
        "drift": [],
        "restart_required": [],
        "guest_mounts": mounts,
        **more,
    }


def proof(tag: str, path: str, to_guest: str = "ok", to_host: str = "ok") -> dict[str, Any]:
    ok = to_guest == "ok" and to_host in ("ok", "read-only")
    row = {"share": tag, "tag": tag, "host_path": f"/shared/{tag}", "guest_path": path}
    return {**row, "readonly": to_host == "read-only", "host_to_guest": to_guest, "guest_to_host": to_host, "ok": ok}


def guest(hypervisor: str, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"virtiofs_guest_hypervisor": hypervisor, "virtiofs_guest_proof": list(rows), **more}


def measured(tag: str, write: float, read: float) -> dict[str, Any]:
    return {"tag": tag, "guest": {"write_mib_per_second": write, "read_mib_per_second": read}, "host": {}}


def fleet() -> dict[str, Any]:
    sources = [
        {"path": "/shared/vm1", "size": 100 * GIB, "free": 62 * GIB},
        {"path": "/shared/media", "size": 500 * GIB, "free": 21 * GIB},
    ]
    dead = {
        "what": "daemon_dead",
        "where": "domain db1, share data",
        "message": "its virtiofsd has ended: whatever touches the share in the guest hangs",
        "remedy": "shut db1 down (by force when it hangs) and start it: virtiofs_host_apply: restart",
    }
    low = {
        "what": "open_files_low",
        "message": "its virtiofsd has 19 of at most 8192 files open, and ends when it needs more",
        "remedy": "set open_files for the share (libvirt 10.6 or newer)",
    }
    waits = {
        "domain": "db2",
        "reason": "no_shared_memory",
        "tags": ["data"],
        "message": "domain db2 must be shut down and started for data: its running memory is not shared",
    }
    drift = {
        "what": "drift",
        "where": "domain db2, share data",
        "message": "it is in the definition, but not in the running machine",
        "remedy": "shut db2 down and start it: its running memory is not shared",
    }
    return {
        "hv1.example.com": {
            "virtiofs_host_shares": [
                {"name": "vm1", "domains": ["vm1"], "mount": "/mnt"},
                {"name": "media", "domains": ["vm1", "vm2"], "mount": "/srv/media", "readonly": True},
            ],
            "virtiofs_report_info": info(
                domain("vm1", "vm1", "media", mounts=[{"tag": "vm1", "path": "/mnt"}]),
                domain("vm2", "media"),
                sources=sources,
            ),
        },
        "hv2.example.com": {
            "virtiofs_report_info": info(
                domain("db1", "data"),
                {
                    **domain("db2", "data"),
                    "live": [],
                    "restart_required": [waits],
                    "drift": [{"tag": "data", "kind": "config_only", "options": []}],
                },
                domain("spare", state="off"),
                libvirt="9.0.0",
                qemu="7.2.22",
                virtiofsd={"path": "/usr/lib/qemu/virtiofsd", "flavour": "c", "version": "7.2.22", "features": []},
                daemons=[{"domain": "db1", "tag": "data", "dead": True, "stale": False}],
                problems=[dead, drift, *({**low, "where": f"domain db{n}, share data"} for n in (1, 2, 3))],
            ),
        },
        "hv3.example.com": {
            "virtiofs_host_shares": [{"name": "backup", "path": "/srv/backup", "domains": ["b1"], "mount": "/backup"}],
            "virtiofs_report_info": {"unreachable": True, "msg": "Failed to connect to the host via ssh"},
        },
        "hv4.example.com": {"virtiofs_report_info": {"msg": "python3-libvirt must be installed on the hypervisor"}},
        "vm1": guest(
            "hv1.example.com",
            proof("vm1", "/mnt"),
            proof("media", "/srv/media", to_host="read-only"),
            virtiofs_guest_measured=[measured("vm1", 812.4, 1920.0), measured("media", 0.4, 2210.8)],
        ),
        "vm2": guest("hv1.example.com", proof("media", "/srv/media", to_host="read-only")),
        "database-1": guest(
            "hv2.example.com",
            proof("data", "/var/lib/postgresql", "the guest cannot read: /var/lib/postgresql gave no answer in 60 s"),
            virtiofs_guest_domain="db1",
        ),
        "b1": {"virtiofs_guest_hypervisor": "hv3.example.com"},
    }


HYPERVISORS = ("hv1.example.com", "hv2.example.com", "hv3.example.com", "hv4.example.com")
GUESTS = ("vm1", "vm2", "database-1", "b1")
