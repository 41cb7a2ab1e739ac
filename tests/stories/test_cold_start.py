"""After a rollback to a process that was still warm: would a new one start, with what is installed by now?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import Ended, Production, until
from tests.receivers import hook
from tests.remedies import typed

NEEDS = """
import pathlib
if pathlib.Path({place!r}).read_text() not in {fits!r}:
    raise SystemExit("ImportError: thelib")
"""


def said(ended: Ended) -> str:
    return ended.words


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """What stands for the packages that are installed: a file with a version."""
    place = tmp_path / "thelib"
    place.write_text("1")
    return place


def gone_back(checkout: Production, installed: Path, *, fits: str, settings: str = "") -> Ended:
    """Release something that needs another package, which is installed, and go back to what needs `fits`."""
    checkout.replace("server.py", "import sys\n", f"import sys\n{NEEDS.format(place=str(installed), fits=fits)}")
    checkout.write("requirements.txt", "thelib==1\n")
    checkout.commit("It needs thelib")
    checkout.init()
    with (checkout.home / "host.toml").open("a") as host:
        host.write(f"\n{settings}")
    checkout.up()
    checkout.await_idle()
    developer = checkout.clone()
    installed.write_text("2")
    developer.replace("server.py", repr(fits), repr("2"))
    developer.write("requirements.txt", "thelib==2\n")
    developer.commit("It needs another one")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    checkout.await_idle()
    ended = checkout.gitrelease("rollback", "-m", "wrong")
    assert ended.code == 0, ended.said
    return ended


@typed("release.going_back.go_back: gitrelease status", "doctor.running.start: gitrelease restart{within}")
def test_that_a_new_process_does_not_start_is_told_before_a_restart_finds_out(
    checkout: Production, installed: Path
) -> None:
    ended = gone_back(checkout, installed, fits="1")

    assert "release/2 needs other packages, whether release/1 starts anew is tried" in said(ended)
    until(lambda: checkout.status()["start"]["tried"] is False, "it has been tried")
    status, doctor = said(checkout.type(ended.said, "gitrelease status")), checkout.gitrelease("doctor")
    assert "no new process of the live release has been shown to start: " in status
    assert "ImportError: thelib" in status
    assert doctor.code != 0
    assert "then: gitrelease restart" in said(doctor)
    assert "one" in checkout.answer()
    assert checkout.type(doctor.said, "gitrelease restart").code != 0

    installed.write_text("1")

    assert checkout.type(doctor.said, "gitrelease restart").code == 0
    assert checkout.live() == "release/1"
    assert not checkout.status()["start"]["in_doubt"]
    assert "has been shown to start" not in checkout.gitrelease("status").out


@typed("core.notices._NEXT: gitrelease -C {where} restart")
def test_whoever_is_notified_installs_the_packages_and_restarts(checkout: Production, installed: Path) -> None:
    with hook() as receiver:
        gone_back(checkout, installed, fits="1", settings=f'[notify]\nurls = ["{receiver.url}"]\n')
        told = until(lambda: receiver.body("release/1 would not come up again"), "it is told")
    before = checkout.backend_pid()
    installed.write_text("1")

    restarted = checkout.type(told, f"gitrelease -C {checkout.root} restart")

    assert restarted.code == 0, restarted.said
    assert not checkout.status()["start"]["in_doubt"]
    assert checkout.backend_pid() != before
    assert "one" in checkout.answer()


def test_where_a_new_process_starts_nothing_is_left_to_be_told(checkout: Production, installed: Path) -> None:
    assert "release/2 needs other packages" in said(gone_back(checkout, installed, fits="12"))

    until(lambda: not checkout.status()["start"]["in_doubt"], "it has been shown to start")

    assert "has been shown to start" not in checkout.gitrelease("status").out


def test_a_rollback_over_no_packages_starts_nothing(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("second")
    developer.push()
    production.await_idle()

    ended = production.gitrelease("rollback")

    assert "other packages" not in ended.words
    assert not production.status()["start"]["in_doubt"]
