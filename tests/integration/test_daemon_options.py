# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only virtiofsd can be told, with programs that run: a script starts them, and goes when nobody names it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from domain_machine import share
from libvirt_lab import Libvirt, mock

# Says what it is as the real one does, and prints the options that it was started with, one a line.
RUST = """\
#!/bin/sh
case "$*" in
*--version*) echo "virtiofsd 1.13.2" ;;
*--help*) printf '      %s\\n' --translate-uid --translate-gid --allow-direct-io --posix-acl \\
    --migration-on-error=guest-error ;;
*refused*) echo "no such rule" >&2; exit 2 ;;
*--print-capabilities*) echo '{"type": "fs", "features": ["separate-options"]}' ;;
*) printf '%s\\n' "$@" ;;
esac
"""
DOMAIN = (
    "<domain type='test'><name>vm1</name><memory>524288</memory><vcpu>1</vcpu><os><type>hvm</type></os>"
    "<devices/></domain>"
)
USERS = {
    "map_users": [{"guest": 1000, "host": "daemon"}],
    "map_groups": [{"guest": 1000, "host": 65533}],
}


@pytest.fixture
def libvirt(tmp_path: Path) -> Iterator[Libvirt]:
    driver = mock(tmp_path)
    driver.ask("clear")
    driver.ask("define", xml=DOMAIN)
    yield driver
    driver.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Path:
    program = tmp_path / "a place" / "virtiofsd"
    program.parent.mkdir()
    program.write_text(RUST)
    program.chmod(0o755)
    return program


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    directory = tmp_path / "scripts"
    directory.mkdir()
    return directory


@pytest.fixture
def run(libvirt: Libvirt, daemon: Path, scripts: Path, source: str) -> Any:
    def run(*, check: bool = False, **asked: Any) -> dict[str, Any]:
        given = {"binary": str(daemon), **asked}
        return libvirt.domain_module(
            shares=[share(source, "data", **given)], script_directory=str(scripts), check=check
        )

    return run


def only(scripts: Path) -> Path:
    (script,) = scripts.iterdir()
    return script


def test_the_script_starts_the_daemon_with_what_is_asked_and_what_libvirt_says(
    run: Any, libvirt: Libvirt, scripts: Path
) -> None:
    done = run(**USERS, direct_io=True)
    script = only(scripts)
    assert str(script) in libvirt.config("vm1")
    assert stat.S_IMODE(script.stat().st_mode) == 0o755
    argv = [str(script), "--fd=3", "--shared-dir", "/srv/a b"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    assert said[-3:] == ["--fd=3", "--shared-dir", "/srv/a b"]
    wanted = {"--translate-uid=map:1000:1:1", "--translate-gid=guest:0:65533:1", "--allow-direct-io"}
    assert {*wanted, "--migration-on-error=guest-error"} <= {*said}
    assert done["actions"][0] == f"write {script}, which starts virtiofsd with map_users and map_groups and direct_io"


def test_the_second_run_changes_nothing_and_check_mode_writes_nothing(run: Any, scripts: Path) -> None:
    checked = run(posix_acl="always", check=True)
    assert checked["changed"] is True
    assert list(scripts.iterdir()) == []
    first, second = run(posix_acl="always"), run(posix_acl="always")
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["actions"] == checked["actions"]


def test_options_come_and_go_and_scripts_with_them(run: Any, libvirt: Libvirt, scripts: Path, daemon: Path) -> None:
    run(posix_acl="always")
    one = only(scripts)
    more = run(direct_io=True)
    assert any("with new direct_io of share data" in action for action in more["actions"])
    both = only(scripts)
    assert both != one
    assert "--posix-acl --allow-direct-io" in both.read_text()
    none = run(posix_acl="never", direct_io=False)
    assert none["actions"][-1] == f"remove {both}, which no share uses any more"
    assert list(scripts.iterdir()) == []
    assert str(daemon) in libvirt.config("vm1")
    assert not run(posix_acl="never", direct_io=False)["changed"]


def test_a_share_that_goes_takes_its_script_with_it(run: Any, scripts: Path) -> None:
    run(posix_acl="always")
    assert run(state="absent")["changed"]
    assert list(scripts.iterdir()) == []


def test_a_script_that_others_can_write_to_is_written_again(run: Any, scripts: Path) -> None:
    run(direct_io=True)
    script = only(scripts)
    text = script.read_text()
    os.chown(script, 65533, 65533)
    with script.open("a") as held:
        assert run(direct_io=True)["changed"] is True
        held.write("echo not ours\n")
    assert script.read_text() == text
    assert (script.stat().st_uid, stat.S_IMODE(script.stat().st_mode)) == (0, 0o755)


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nexec something else\n"])
def test_a_script_that_was_broken_is_written_again(run: Any, scripts: Path, text: str) -> None:
    run(direct_io=True)
    only(scripts).write_text(text)
    assert run(direct_io=True)["changed"] is True
    assert "--allow-direct-io" in only(scripts).read_text()


@pytest.mark.parametrize("where", ["usr/sbin", "/usr/../tmp", "/tmp/a\nb"])
def test_a_directory_that_a_share_could_not_name_is_refused(libvirt: Libvirt, source: str, where: str) -> None:
    done = libvirt.domain_module(shares=[share(source, "data", direct_io=True)], script_directory=where)
    assert done["failed"] is True
    assert done["msg"].startswith("script_directory: ")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"writeback": True, "sole_writer": True}, "writeback: virtiofsd 1.13.2 ({daemon}) has no --writeback"),
        ({"posix_acl": "auto"}, "posix_acl: virtiofsd 1.13.2 has no 'auto' for it, virtiofsd 1.14 has"),
        ({"map_users": [{"guest": 1000, "host": "no-such-user"}]}, "map_users: there is no 'no-such-user' on this"),
    ],
)
def test_what_this_daemon_or_machine_cannot_is_refused_and_nothing_is_written(
    run: Any, libvirt: Libvirt, scripts: Path, daemon: Path, asked: dict[str, Any], message: str
) -> None:
    done = run(**asked)
    assert done["failed"] is True
    assert done["msg"].startswith("share data of domain vm1, " + message.format(daemon=daemon))
    assert (list(scripts.iterdir()), "filesystem" in libvirt.config("vm1")) == ([], False)


def test_the_daemon_itself_has_the_last_word(run: Any, scripts: Path, daemon: Path) -> None:
    daemon.write_text(RUST.replace("--posix-acl ", "--posix-acl --xattrmap "))
    done = run(xattr_map=":refused:")
    assert done["failed"] is True
    assert done["msg"].startswith("share data of domain vm1: ")
    assert "does not take --xattrmap=:refused: --migration-on-error=guest-error: no such rule" in done["msg"]
    assert list(scripts.iterdir()) == []


WRITE = """
import sys
from ansible_collections.virtio.fs.plugins.module_utils._daemon.steps import WriteScript
WriteScript(sys.argv[1], sys.argv[2], ("direct_io",)).apply(None)
"""


@pytest.mark.parametrize("there", [None, "#!/bin/sh\nexec an older text\n"])
def test_killed_at_each_write_of_a_script_the_next_run_converges(
    run: Any, libvirt: Libvirt, scripts: Path, there: str | None
) -> None:
    run(direct_io=True)
    script = only(scripts)
    text = script.read_text()
    for write in range(1, 30):
        script.unlink(missing_ok=True)
        if there is not None:
            script.write_text(there)
            script.chmod(0o755)
        killer = [sys.executable, "-B", str(Path(__file__).with_name("killed_at.py")), str(write), str(scripts)]
        done = subprocess.run(
            [*killer, sys.executable, "-B", "-c", WRITE, str(script), text],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (0, 137)
        assert not script.exists() or script.read_text() in (there, text)
        if write % 3 == 1 or done.returncode == 0:
            # A run takes its time: not after each write.
            assert "failed" not in run(direct_io=True)
            assert (only(scripts).read_text(), stat.S_IMODE(script.stat().st_mode)) == (text, 0o755)
        if done.returncode == 0:
            break
    assert write >= 5
