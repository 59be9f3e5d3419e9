# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the tests run from a plain clone, whatever its folder is called."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _found() -> bool:
    try:
        return importlib.util.find_spec("ansible_collections.virtio.fs") is not None
    except ModuleNotFoundError:
        return False


def _collections() -> Path:
    """Plugins import each other by the full name of the collection, which Python finds by the names of folders."""
    if ROOT.parts[-3:] == ("ansible_collections", "virtio", "fs"):
        return ROOT.parents[2]
    folder = Path(tempfile.mkdtemp(prefix="virtio-fs-tests-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "ansible_collections/virtio").mkdir(parents=True)
    (folder / "ansible_collections/virtio/fs").symlink_to(ROOT)
    return folder


collections = str(_collections())
if not _found():
    sys.path.insert(0, collections)
# Some tests start programs that import them as well. ansible-test finds them for itself, but not for those.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [collections, os.environ.get("PYTHONPATH")]))
# mkfs, sfdisk and the like: on Debian, only root has these folders.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
