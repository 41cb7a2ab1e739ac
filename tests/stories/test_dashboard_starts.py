"""What `gitrelease dashboard` says before there is a page: no Streamlit, a taken port, an address that is none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gitrelease.commands.dashboard import exposure
from gitrelease.edges.backends import free_port
from tests.checkout import PATIENCE, Production, reserved_port, until
from tests.remedies import typed


def test_where_streamlit_is_not_installed_it_says_how(checkout: Production, tmp_path: Path) -> None:
    checkout.init()
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['streamlit'] = None\n")

    ended = checkout.gitrelease("dashboard", env={"PYTHONPATH": str(without)})

    assert ended.code == 2
    assert "Streamlit is not installed here" in ended.words
    assert "-m pip install 'gitrelease[dashboard]'" in ended.words


def test_a_taken_port_is_named_with_who_has_it(checkout: Production) -> None:
    checkout.init()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = checkout.gitrelease("dashboard", "--port", str(port), "--json")

    assert ended.code == 2
    assert f"port {port} is taken by pid " in ended.json["error"]
    assert ended.json["hint"] == "Choose another one: gitrelease dashboard --port PORT"


@typed("commands.dashboard._require_free: gitrelease dashboard --port PORT")
def test_on_a_port_that_is_chosen_as_it_says_there_is_a_page(checkout: Production) -> None:
    checkout.init()
    port = reserved_port()
    with socket.create_server(("127.0.0.1", 0)) as taken, ThreadPoolExecutor() as beside:
        refused = checkout.gitrelease("dashboard", "--port", str(taken.getsockname()[1]))

        typing = beside.submit(lambda: checkout.type(refused.said, "gitrelease dashboard --port PORT", PORT=str(port)))
        until(lambda: typing.done() or answers(port), "the page answers")
        listening = [
            one.pid
            for one in psutil.net_connections("tcp")
            if one.laddr.port == port and one.status == psutil.CONN_LISTEN
        ]
        os.kill(int(listening[0] or 0), signal.SIGINT)

        assert f"the page is at http://127.0.0.1:{port}/?token=" in typing.result(PATIENCE).out


def answers(port: int) -> bool:
    """Does a page answer there?"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_an_address_is_an_ip_address(checkout: Production) -> None:
    checkout.init()

    ended = checkout.gitrelease("dashboard", "--address", "example.com")

    assert ended.code == 2
    assert "--address example.com is no IP address" in ended.words


def test_an_address_of_another_host_is_not_mended_by_another_port(checkout: Production) -> None:
    checkout.init()

    ended = checkout.gitrelease("dashboard", "--address", "203.0.113.7")

    assert ended.code == 2
    assert "Leave --address out, or write one that this host has" in ended.words
    assert "--port" not in ended.said


def test_a_checkout_that_is_not_set_up_has_no_page(checkout: Production) -> None:
    ended = checkout.gitrelease("dashboard")

    assert ended.code == 2
    assert "init" in ended.said


def test_it_ends_when_the_login_that_it_was_started_in_is_cut_off(checkout: Production) -> None:
    """As over ssh without a terminal: no signal comes, the outputs lose their reader."""
    checkout.init()
    command = [
        sys.executable, "-m", "gitrelease", "-C", str(checkout.root), "dashboard", "--port", str(free_port()),
        "--no-browser",
    ]  # fmt: skip
    page = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert page.stdout is not None and page.stderr is not None  # noqa: PT018  # for the types
        assert page.stdout.readline().startswith(b"the page is at ")

        page.stdout.close()
        page.stderr.close()

        page.wait(timeout=PATIENCE)
    finally:
        page.kill()


def test_what_the_user_sets_for_apps_in_the_home_folder_is_not_for_this_page(
    checkout: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "home" / ".streamlit" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[server]\nbaseUrlPath = "fin"\nsslCertFile = "/cert.pem"\nsslKeyFile = "/key.pem"\n')
    checkout.init()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    command = [
        sys.executable, "-m", "gitrelease", "-C", str(checkout.root), "dashboard", "--port", str(free_port()),
        "--no-browser",
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdout is not None
            assert page.stdout.readline().startswith("the page is at http://127.0.0.1:")
        finally:
            page.terminate()


@pytest.mark.parametrize(("address", "warned"), [("127.0.0.1", False), ("::1", False), ("10.0.0.7", True)])
def test_an_address_that_others_reach_comes_with_a_warning(address: str, warned: bool) -> None:
    assert bool(exposure(address, 8600)) is warned
