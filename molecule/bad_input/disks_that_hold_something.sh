#!/bin/sh
# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Small loop devices, each with something that must not be lost; found again by their names in /run/proof.
set -e
box=/var/tmp/proof

delete() {
    umount /run/proof/mounted 2>/dev/null || true
    for file in "$box"/*; do
        for loop in $(losetup --noheadings --output NAME --associated "$file"); do
            partx --delete "$loop" 2>/dev/null || true
            losetup --detach "$loop"
        done
    done
    rm -rf $box /run/proof
}

disk() {
    truncate --size 64M "$box/$1"
    ln -sf "$(losetup --find --show "$box/$1")" "/run/proof/$1"
}

delete
[ "$1" = make ] || exit 0
mkdir -p $box /run/proof/mounted /srv/proof/there
disk mbr
echo 'label: dos
size=+' | sfdisk --quiet /run/proof/mbr
disk bare
mkfs.ext4 -q -L proof_bare /run/proof/bare
disk full
echo 'label: gpt
size=+, name=theirs' | sfdisk --quiet /run/proof/full
disk used
mkfs.ext4 -q -L proof_used /run/proof/used
# Read-only: what ext4 writes by itself must not look like a change.
mount -o ro /run/proof/used /run/proof/mounted
disk empty
