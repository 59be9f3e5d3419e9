# Copyright (c) 2026 the virtio.fs authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report in a real browser: what a person sees of it, light and dark, and that it asks nobody for anything."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from png_picture import colours

from ansible_collections.virtio.fs.plugins.filter.report import report_html
from ansible_collections.virtio.fs.tests.unit.made_up_fleet import (
    GUESTS,
    HYPERVISORS,
    domain,
    fleet,
    guest,
    info,
    proof,
)

WHEN = "2026-11-22 17:00 UTC"
SECONDS = 90
WINDOW = (900, 700)
BROWSER = "chromium"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--hide-scrollbars", "--no-first-run"]
# What it would ask its makers for all the same finds no address.
QUIET += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
# Chromium's own numbers for what a person has chosen.
SCHEMES = {"dark": 0, "light": 1}
# Page, and what needs help; as the style sheet has them.
PAGE = {"light": "#f5f6f8", "dark": "#10151b"}
BAD = {"light": "#b42318", "dark": "#ff9b90"}


def browse(folder: Path, page: Path, *options: str) -> str:
    """Open a page with a profile of its own, and return what the browser prints. Its children end with it."""
    assert shutil.which(BROWSER), f"{BROWSER} is not installed"
    argv = [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "HOME": str(folder)},
    )
    try:
        said, dummy = child.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate(timeout=10)
    assert child.returncode == 0
    return said


def written(folder: Path, text: str) -> Path:
    page = folder / "page.html"
    page.write_text(text)
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("page"), report_html(fleet(), HYPERVISORS, GUESTS, WHEN))


@pytest.fixture(scope="module")
def words(page: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the document as the browser understood it."""
    document = browse(tmp_path_factory.mktemp("dom"), page, "--dump-dom")
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", document, flags=re.DOTALL)).split())


@pytest.fixture
def nobody() -> Iterator[socket.socket]:
    """Listens where no page may ever ask for anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def asked(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sentence",
    [
        "2 / 4 hypervisors answered",
        "3 / 6 proven, 1 failed",
        "hv2.example.com needs help libvirt 9.0.0 · QEMU 7.2.22",
        "hv3.example.com unreachable It could not be reached. What follows is the inventory's list.",
        "python3-libvirt must be installed on the hypervisor.",
        "data /shared/data database-1 domain db1 /var/lib/postgresql not proven host to guest: the guest cannot read",
        "vm1 /shared/vm1 38 % 62.0 GiB of 100 GiB free vm1 /mnt both ways as it should be 812 write 1920 read",
        "shut db1 down (by force when it hangs) and start it",
    ],
)
def test_a_person_reads(words: str, sentence: str) -> None:
    assert sentence in words


def test_who_needs_help_comes_first(words: str) -> None:
    assert words.index("hv2.example.com") < words.index("hv3.example.com") < words.index("hv1.example.com")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_follows_the_choice_of_light_and_dark(page: Path, tmp_path: Path, scheme: str) -> None:
    picture = tmp_path / "picture.png"
    browse(
        tmp_path,
        page,
        f"--window-size={WINDOW[0]},{WINDOW[1]}",
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
    )
    seen = colours(picture)
    pixels = sum(seen.values())
    other = next(one for one in SCHEMES if one != scheme)
    assert seen[PAGE[scheme]] > pixels / 20
    assert seen[PAGE[other]] < pixels / 1000
    # The border of a card and the letters of what needs help; and letters have soft edges.
    assert seen[BAD[scheme]] > 200
    assert len(seen) > 100


def test_a_phone_need_not_scroll_sideways(page: Path, tmp_path: Path) -> None:
    """The right edge of a narrow window is the page's own margin, from top to bottom."""
    picture = tmp_path / "picture.png"
    light = f"--blink-settings=preferredColorScheme={SCHEMES['light']}"
    browse(tmp_path, page, "--window-size=500,1500", f"--screenshot={picture}", light)
    assert set(colours(picture, first_column=490)) == {PAGE["light"]}


def hostile(port: int) -> str:
    address = f"http://127.0.0.1:{port}/"
    return (
        f"""'"></td></style></title><img src="{address}img"><script src="{address}js"></script>"""
        f"""<link rel=stylesheet href="{address}css"><iframe src="{address}frame"></iframe>"""
        f"""<meta http-equiv=refresh content="0;url={address}go"><style>@import url({address}i)</style>{{{{ 7*7 }}}}"""
    )


def test_a_page_with_hostile_names_shows_them_and_asks_nobody(nobody: socket.socket, tmp_path: Path) -> None:
    evil = hostile(nobody.getsockname()[1])
    problem = {"what": evil, "where": evil, "message": evil, "remedy": evil}
    told = info(domain(evil, evil, mounts=[{"tag": evil, "path": evil}]), libvirt=evil, problems=[problem, problem])
    variables = {
        "hv1": {"virtiofs_report_info": told},
        "hv2": {"virtiofs_report_info": {"msg": evil}},
        evil: guest("hv1", proof(evil, evil, evil, evil), virtiofs_guest_domain=evil),
    }
    text = report_html(variables, ["hv1", "hv2"], [evil], evil)
    document = browse(tmp_path, written(tmp_path, text), "--dump-dom", "--virtual-time-budget=2000")
    body = re.sub(r"<[^>]*>", "", document.partition("</style>")[2])
    assert unescape(body).count(evil) > 10
    assert not re.search(r"<(script|img|link|iframe|object)\b", document)
    assert document.count("<style") == 1
    assert not asked(nobody)


def test_a_browser_that_is_asked_to_fetch_would_be_noticed(nobody: socket.socket, tmp_path: Path) -> None:
    """Else the test before this one would prove nothing."""
    text = f"<!DOCTYPE html><title>x</title><img src='http://127.0.0.1:{nobody.getsockname()[1]}/img'>"
    # Nobody answers, so the browser is given up as soon as it has asked.
    argv = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", written(tmp_path, text).as_uri()]
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        nobody.settimeout(SECONDS)
        assert asked(nobody)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
