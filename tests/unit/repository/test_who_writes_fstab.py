# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``_mounts/fstab.py`` alone writes fstab, seen from the calls in the code. A lost line is a machine without a boot.

What writes a file at all is known: ``_system/files.py``, and the few that write something that is no file of text.
"""

from __future__ import annotations

import ast

import pytest

from ansible_collections.virtio.fs.tests.unit.source_code import calls, files

_FSTAB = "module_utils/_mounts/fstab.py"
_FILES = "module_utils/_system/files.py"

# Who writes on its own, and what.
_WRITERS = {
    _FILES: "text, whole or not at all",
    "module_utils/_system/bounded.py": "locks below /run",
    "module_utils/_libvirt/pid_files.py": "the pid files of libvirt's daemons, to wake a waiting process",
    "module_utils/_partition/erase.py": "block devices",
    "module_utils/_partition/steps_image.py": "images of disks",
    "module_utils/_probe/directory.py": "files of a proof, in a directory of its own",
    "module_utils/_probe/inspection.py": "files of a proof",
    "module_utils/_probe/measure.py": "files of a proof",
}

_WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
_WRITING_CALLS = {
    *(f"os.{name}" for name in ("rename", "replace", "renames", "link", "symlink", "truncate", "write", "sendfile")),
    *(f"shutil.{name}" for name in ("move", "copy", "copy2", "copyfile", "copyfileobj")),
}
_WRITING_METHODS = {"write_text", "write_bytes", "atomic_move", "copy_file"}


def _writes(name: str, call: ast.Call) -> bool:
    if name in _WRITING_CALLS or name.rpartition(".")[2] in _WRITING_METHODS:
        return True
    words = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
    if name == "os.open":
        # Flags that are no word here are in a variable: it is looked at as if it wrote.
        return bool(words & _WRITING_FLAGS) or not any(word.startswith("O_") for word in words)
    if name == "open" or name.endswith(".open"):
        modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        return any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)
    return False


def test_what_writes_a_file_is_known_and_has_a_reason():
    writing = {file for file in files() for name, call in calls(file) if _writes(name, call)}
    assert writing - set(_WRITERS) == set()
    assert set(_WRITERS) - writing == set()


def _about_fstab(file: str) -> list[str]:
    """The calls that replace or remove a file of text, and whose file is named for fstab."""
    found = []
    for name, call in calls(file):
        if name.startswith("module_utils._system.files.") and "fstab" in ast.unparse(call.args[0]).lower():
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize("file", [file for file in files() if file != _FSTAB])
def test_nobody_else_writes_fstab(file: str):
    assert _about_fstab(file) == []


def test_every_writer_of_fstab_goes_through_the_one_function():
    """And the one function is not handed on under another name."""
    through = {file for file in files() for name, _call in calls(file) if name == "module_utils._mounts.fstab.edit"}
    assert {file.split("/")[1] for file in through} <= {"_mounts", "_partition", "_domain", "_guest_mount"}
    assert through
    assert [name for name, _call in calls(_FSTAB) if name.startswith("module_utils._system.files.")] == [
        "module_utils._system.files.read",
        "module_utils._system.files.edit",
    ]
