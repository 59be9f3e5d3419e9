# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for every file of the repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
# Generated, not a text of ours, or captured as it was.
WITHOUT_HEADER = re.compile(
    r"^(LICENSE|LICENSES/[^/]*\.txt|changelogs/changelog\.yaml|CHANGELOG\.md)$|/fixtures/|\.(xml|json|png)$"
)
HEADER = ("Copyright (c) 2026 the virtio.fs authors", "SPDX-License-Identifier: GPL-3.0-or-later")
HEADER_LINES = 8
# Places of one machine, and addresses of package archives: a machine brings its own.
OF_ONE_MACHINE = re.compile(rf"{re.escape(str(ROOT))}/|/home/\w|/root/\.pyenv")
OF_AN_ARCHIVE = re.compile(
    r"\b(?:deb|security|ftp|archive)\.(?:debian|ubuntu)\.\w+|\bpypi\.\w+|pythonhosted\.|npmjs\.|\bproxy\.golang\."
    r"|https?://(?![^/\s]+\.example/)[^/\s]+/(?:debian|debian-security|ubuntu|simple)/?(?=[\s\"']|$|dists|pool)"
)


def _files() -> list[Path]:
    """What git knows and would add; every file where this is a copy without git."""
    if (ROOT / ".git").exists():
        command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
        names = sorted(set(listing.stdout.split("\0")) - {""})
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    generated = {".ansible", "__pycache__", ".hypothesis", "output"}
    return sorted(path for path in ROOT.rglob("*") if path.is_file() and not generated & set(path.parts))


FILES = _files()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_files_to_check():
    assert len(FILES) > 20


def test_every_file_names_its_licence():
    without = []
    for path in FILES:
        head = "\n".join(_text(path).splitlines()[:HEADER_LINES])
        if not all(line in head for line in HEADER) and path.stat().st_size and not WITHOUT_HEADER.search(_name(path)):
            without.append(_name(path))
    assert without == []


@pytest.mark.parametrize("pattern", [OF_ONE_MACHINE, OF_AN_ARCHIVE], ids=["machine", "archive"])
def test_no_file_names_a_place_that_only_one_machine_knows(pattern: re.Pattern[str]):
    assert [(_name(path), found.group()) for path in FILES if (found := pattern.search(_text(path)))] == []


def test_nothing_is_ignored_by_the_sanity_tests():
    assert [_name(path) for path in FILES if path.match("tests/sanity/ignore*")] == []
    assert [_name(path) for path in FILES if path.name == ".ansible-lint-ignore"] == []


def test_the_action_group_has_the_modules_that_share_the_options_of_libvirt():
    """module_defaults gives its options to each module of the group, and one that does not know them fails."""
    sharing = {
        path.stem for path in (ROOT / "plugins/modules").glob("*.py") if "\n  - virtio.fs._libvirt\n" in _text(path)
    }
    groups = yaml.safe_load(_text(ROOT / "meta/runtime.yml"))["action_groups"]
    assert {name: set(group) for name, group in groups.items()} == {"libvirt": sharing}


def test_no_function_of_a_plugin_is_on_one_line():
    """pycodestyle of ansible-test refuses it before ansible-core 2.19, and ruff writes a body of three dots so."""
    on_one_line = re.compile(r"^ *def .*: \.\.\.$", re.MULTILINE)
    assert [_name(path) for path in (ROOT / "plugins").rglob("*.py") if on_one_line.search(_text(path))] == []


def test_the_pins_are_exact():
    lines = _text(ROOT / "requirements-dev.txt").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [pin for pin in pins if not re.fullmatch(r'[\w.-]+==[\w.]+(; python_version [<>]=? "[\d.]+")?', pin)] == []


@pytest.mark.parametrize(
    ("page", "things"),
    [
        ("README.md", "plugins/modules/*.py"),
        ("README.md", "playbooks/*.yml"),
        ("molecule/README.md", "molecule/*/molecule.yml"),
    ],
    ids=["modules", "playbooks", "scenarios"],
)
def test_what_there_is_has_a_line_on_its_page(page: str, things: str):
    text = _text(ROOT / page)
    names = {path.parent.name if path.stem == "molecule" else path.stem for path in ROOT.glob(things)}
    assert names
    assert sorted(name for name in names if not re.search(rf"^\| `[^`]*\b{name}\b[^`]*` \|", text, re.MULTILINE)) == []


def test_the_changelog_mends_nothing_that_was_never_released():
    if (ROOT / "changelogs/changelog.yaml").exists():
        return
    fragments = list((ROOT / "changelogs/fragments").glob("*.yml"))
    assert fragments
    assert [_name(path) for path in fragments if re.search(r"^bugfixes:", _text(path), re.MULTILINE)] == []
