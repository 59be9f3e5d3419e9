# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, made from packages and kept in the cache under a hash of their recipe."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import recipe
from machine import LabError, say
from topology import CACHE


def path(image: str) -> Path:
    """Where this recipe's image is, or will be."""
    digest = hashlib.sha256(json.dumps(recipe.fingerprint(image), sort_keys=True).encode()).hexdigest()[:12]
    return CACHE / f"{image}-{digest}"


def ensure(image: str) -> Path:
    """The image's folder in the cache, made now if this recipe was never built."""
    place = path(image)
    if place.exists():
        return place
    with _locked(image):
        if not place.exists():
            _discard_leftovers(image)
            begun = time.monotonic()
            say(f"Building image {image} from the machine's Debian mirror (only the first time) ...")
            fresh = CACHE / f".building-{image}"
            fresh.mkdir(parents=True)
            recipe.build(image, fresh)
            fresh.rename(place)
            say(f"Image {image} is built ({time.monotonic() - begun:.0f} s).")
    return place


def _discard_leftovers(image: str) -> None:
    place = CACHE / f".building-{image}"
    if any(line.split()[4].startswith(f"{place}/") for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        raise LabError(f"something is mounted below {place}, which an interrupted build left; unmount it first")
    if place.exists():
        shutil.rmtree(place)


def discard_superseded() -> None:
    """Remove images of recipes that are no more, unless some lab on this machine may still run from them."""
    if not CACHE.exists():
        return
    with open(CACHE / ".in-use", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for place in CACHE.iterdir():
            match = re.fullmatch(r"((hypervisor|bare|guest)-[a-z]+)-[0-9a-f]{12}", place.name)
            if match and place != path(match[1]):
                shutil.rmtree(place, ignore_errors=True)


def hold() -> int:
    """Keep images from being removed for as long as this process has the returned descriptor open."""
    CACHE.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(CACHE / ".in-use", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


@contextmanager
def _locked(image: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f".{image}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another run is building image {image}; waiting for it ...")
            deadline = time.monotonic() + 1800
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LabError(f"another run has been building image {image} for half an hour") from None
                    time.sleep(1)
        yield
