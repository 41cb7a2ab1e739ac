"""The app's Streamlit is asked for its options once, and again when something that it was asked for has changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitrelease.core.settings import App, Instance
from gitrelease.core.streamlit_config import StreamlitConfig
from gitrelease.edges import streamlit_config

APP = App(script="app.py")


class Asked:
    """A folder with an app, and an interpreter that counts how often it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "app", folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.count = folder / "count"
        self.python = folder / "python"
        self.python.write_text(f'#!/bin/sh\necho once >> "{self.count}"\nexec "{sys.executable}" "$@"\n')
        self.python.chmod(0o755)
        self.environment = {"PATH": os.defpath, "HOME": str(self.home)}

    def write(self, text: str, *, where: Path | None = None) -> None:
        path = (where or self.folder) / ".streamlit" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, app: App = APP, **variables: str) -> StreamlitConfig:
        return streamlit_config.read(
            app, Instance(), python=self.python, folder=self.folder, environment={**self.environment, **variables}
        )

    @property
    def times(self) -> int:
        return len(self.count.read_text().splitlines()) if self.count.exists() else 0


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_nobody_is_asked_where_nothing_is_set_nor_of_another_server(asked: Asked) -> None:
    assert asked.read(STREAMLIT_LOGGER_ENABLE_RICH="false") == StreamlitConfig()
    asked.write('[server]\nbaseUrlPath = "fin"\n')
    assert asked.read(App(kind="command", command=("x",))) == StreamlitConfig()

    assert asked.times == 0


def test_it_is_asked_once_as_long_as_nothing_changes_and_again_when_something_does(asked: Asked) -> None:
    asked.write('[server]\nbaseUrlPath = "fin"\n')
    assert [asked.read().base, asked.read().base, asked.times] == ["/fin", "/fin", 1]

    asked.write('[server]\nbaseUrlPath = "other"\n')
    assert [asked.read().base, asked.times] == ["/other", 2]
    asked.write("[server]\nmaxUploadSize = 5\n", where=asked.home)
    assert [asked.read().options["server.maxUploadSize"].where, asked.times] == ["~/.streamlit/config.toml", 3]
    assert [asked.read(STREAMLIT_SERVER_BASE_URL_PATH="third").base, asked.times] == ["/third", 4]
    os.utime(asked.python)  # another interpreter was put there
    assert [asked.read().base, asked.times] == ["/other", 5]


def test_a_certificate_that_goes_is_missed_without_asking_again(asked: Asked) -> None:
    asked.write('[server]\nsslCertFile = "c.pem"\nsslKeyFile = "k.pem"\n')
    for name in ("c.pem", "k.pem"):
        (asked.folder / name).touch()
    assert asked.read().problems == ()

    (asked.folder / "k.pem").unlink()

    (problem,) = asked.read().problems
    assert problem.what == 'server.sslKeyFile = "k.pem" (.streamlit/config.toml): there is no such file'
    assert not problem.of_release
    assert asked.times == 1


def test_a_secret_is_known_to_be_set_and_not_told(asked: Asked) -> None:
    asked.write('[server]\ncookieSecret = "only mine"\n')

    assert asked.read().options["server.cookieSecret"].value is True


def test_a_variable_that_cannot_be_read_is_no_fault_of_a_release_and_counts_not_at_all_where_we_overrule_it(
    asked: Asked,
) -> None:
    (problem,) = asked.read(STREAMLIT_SERVER_MAX_UPLOAD_SIZE="much").problems
    assert (
        "server.maxUploadSize in environment variable STREAMLIT_SERVER_MAX_UPLOAD_SIZE cannot be read" in problem.what
    )
    assert not problem.of_release
    assert asked.read(STREAMLIT_SERVER_PORT="much").problems == ()


def test_the_second_name_of_a_variable_counts_as_it_does_for_streamlit_run(asked: Asked) -> None:
    config = asked.read(STREAMLIT_RUN_SERVER_BASEURLPATH="fin")

    assert (config.base, config.way_there) == (
        "/fin", 'server.baseUrlPath = "fin" (environment variable STREAMLIT_RUN_SERVER_BASEURLPATH)'
    )  # fmt: skip


def test_who_cannot_be_asked_is_said_and_asked_again(asked: Asked) -> None:
    asked.write('[server]\nbaseUrlPath = "fin"\n')
    asked.python.write_text("#!/bin/sh\nexit 7\n")

    found = asked.read()

    assert found.unknown.startswith("it ended with 7")
    assert found.base == ""
    asked.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    assert asked.read().base == "/fin"
