# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes go through every share in both directions, in all guests at the same time."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from proof.exchange import MANY, Exchange, contents, exchange
from proof.machine import at_once

WAYS = pytest.mark.parametrize("way", ["to_host", "to_guest"])


@pytest.fixture(scope="session")
def exchanged(hv1, guests, in_guest, notebook) -> dict[str, Exchange]:
    done = at_once(guests, lambda guest: exchange(hv1, f"/shared/proof_{guest.name}", guest, "/mnt"))
    notebook.write_text(
        json.dumps(
            {
                "boot": {name: in_guest[name].boot for name in in_guest},
                "contents": {name: contents(hv1, f"/shared/proof_{name}") for name in done},
            }
        )
    )
    return done


@pytest.fixture(scope="session")
def sizes(exchanged, hv1, guests):
    """Names and sizes of all that is in a share, from both sides."""
    listing = "find . -type f -printf '%s %p\\n' | sort"
    in_guests = at_once(guests, lambda guest: guest.check(f"cd /mnt && {listing}").splitlines())
    on_host = {name: hv1.check(f"cd /shared/proof_{name} && {listing}").splitlines() for name in in_guests}
    return {name: (on_host[name], in_guests[name]) for name in in_guests}


@WAYS
def test_a_file_of_64_mib_arrives_whole(exchanged, name, way):
    one = getattr(exchanged[name], way)
    assert one.read["./big"] == one.written["./big"]


@WAYS
def test_many_small_files_arrive_whole(exchanged, name, way):
    one = getattr(exchanged[name], way)
    assert len([file for file in one.read if file.startswith("./small/")]) == MANY + 1
    assert one.unlike == {}


@WAYS
def test_a_renamed_file_has_its_new_name_on_the_other_side(exchanged, name, way):
    listed = getattr(exchanged[name], way).listed_after_changes
    assert "./after_the_move" in listed
    assert "./before_the_move" not in listed


@WAYS
def test_a_deleted_file_is_gone_on_the_other_side(exchanged, name, way):
    one = getattr(exchanged[name], way)
    assert "./doomed" in one.read
    assert "./doomed" not in one.listed_after_changes


def test_no_share_sees_the_files_of_another(exchanged, name):
    theirs = {sum_ for other in exchanged if other != name for sum_ in _big_files(exchanged[other])}
    mine = set(_big_files(exchanged[name]))
    assert len(mine) == 2
    assert not mine & theirs


def test_the_guest_sees_what_the_host_has_and_nothing_else(sizes, name):
    on_host, in_guest = sizes[name]
    assert len(on_host) > 400
    assert in_guest == on_host


def _big_files(one: Exchange) -> list[str]:
    return [way["read"]["./big"] for way in asdict(one).values()]
