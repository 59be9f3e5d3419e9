# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Owners and modes as a user writes them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtio.fs.plugins.module_utils._errors import VirtiofsError
from ansible_collections.virtio.fs.plugins.module_utils._system.ownership import mode, number

_USERS = {"backup": 34}


@pytest.mark.parametrize(("given", "uid"), [(None, None), ("0", 0), ("1000", 1000), ("4294967294", 4294967294)])
def test_a_number_is_that_number(given: str | None, uid: int | None) -> None:
    assert number(given, _USERS.__getitem__, "vm1, owner: ", "user") == uid


def test_a_name_is_looked_up() -> None:
    assert number("backup", _USERS.__getitem__, "vm1, owner: ", "user") == 34


# The last number means nobody in particular to chown(2); the digits are those of another script.
@pytest.mark.parametrize("given", ["nobody", "", "-1", "4294967295", "\u0661\u0662", "a\0b"])
def test_what_is_neither_is_refused_where_it_is(given: str) -> None:
    def look_up(name: str) -> int:
        if "\0" in name:
            raise ValueError("embedded null byte")
        return _USERS[name]

    with pytest.raises(VirtiofsError) as caught:
        number(given, look_up, "vm1, owner: ", "user")
    assert str(caught.value) == f"vm1, owner: there is no user {given!r} on this machine"


@pytest.mark.parametrize(("given", "value"), [(None, None), ("0755", 0o755), ("755", 0o755), ("2770", 0o2770)])
def test_a_mode_is_octal(given: str | None, value: int | None) -> None:
    assert mode(given, "vm1, mode") == value


@pytest.mark.parametrize("given", [755, 0o755, "0x1ff", "u=rwx", "0o755", "75", "00755x", "789", ""])
def test_a_mode_that_yaml_may_have_changed_is_refused(given: Any) -> None:
    with pytest.raises(VirtiofsError, match=r"^vm1, mode: .* is not a mode, write it in octal and in quotes"):
        mode(given, "vm1, mode")
