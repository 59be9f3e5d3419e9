# Copyright (c) 2026 the virtio.fs authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The systemd unit that attaches an image at boot. Pure."""

from __future__ import annotations


def unit_name(label: str) -> str:
    """Its name. systemd.unit(5) allows these characters of a label but '+', '@'."""
    escaped = "".join(
        character if character.isalnum() or character in "_.:" else f"\\x{ord(character):02x}" for character in label
    )
    return f"virtiofs-image-{escaped}.service"


def unit_text(path: str, label: str, losetup: str) -> str:
    """The unit that attaches the file at boot, with this losetup. The line of fstab requires it."""
    # systemd.syntax(7): quoted, and specifiers and variables escaped.
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
    return f"""\
# Written by virtio.fs: the line of {label} in fstab requires this unit.
[Unit]
Description=Loop device of the share {label}
DefaultDependencies=no
Wants=modprobe@loop.service
After=modprobe@loop.service systemd-remount-fs.service
RequiresMountsFor={quoted}
Conflicts=umount.target
Before=umount.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={losetup} --find --nooverlap {quoted.replace("$", "$$")}
"""
