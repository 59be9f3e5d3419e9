# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from libvirt_lab import Libvirt, embedded
from unresponsive_filesystem import unresponsive_filesystem

from ansible_collections.virtio.fs.plugins.module_utils._system.bounded import only_one


@pytest.fixture(scope="session")
def embedded_driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libvirt]:
    libvirt = embedded(tmp_path_factory.mktemp("embed"))
    yield libvirt
    libvirt.close()


@pytest.fixture
def libvirt(embedded_driver: Libvirt) -> Iterator[Libvirt]:
    """The real QEMU driver, without a domain before and after."""
    yield embedded_driver
    embedded_driver.ask("clear")


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "source").mkdir()
    return str(tmp_path / "source")


@pytest.fixture
def unresponsive(tmp_path: Path) -> Iterator[str]:
    """The path of a filesystem that does not answer."""
    path = tmp_path / "unresponsive"
    path.mkdir()
    with unresponsive_filesystem(str(path)):
        yield str(path)
    # The lock of a stuck process stays until the next touch finds it free.
    with only_one(str(path), 5):
        pass
