"""Two processes of an app behind one port: what one has given a browser counts at the other, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gitrelease.edges.backends import InProcess, free_port, with_companion
from gitrelease.edges.cookie_secret import cookie_secret
from gitrelease.edges.home import Home
from gitrelease.edges.probes import Endpoint, accepts, ask
from tests.checkout import until
from tests.edges.streamlit_server import OPTIONS
from tests.page import Page

PYTHONS = os.environ.get("GITRELEASE_TEST_PYTHONS", sys.executable).split(":")
APP = """\
import json
import streamlit as st
user = getattr(st, "user", None)
st.markdown(json.dumps(dict(user) if user is not None else {}))
"""
# With a route of its own, which keeps something for a browser in Starlette's signed session cookie (since 1.57).
ROUTES = """\
import streamlit as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route

async def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return PlainTextResponse(str(request.session["count"]))

app = st.App("app.py", routes=[Route("/count", count)])
"""
SECRET = "0123456789abcdef0123456789abcdef"
AUTH = f"""\
[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "id"
client_secret = "none"
server_metadata_url = "http://127.0.0.1:1/metadata"
"""


@contextmanager
def serving(folder: Path, script: str, *, python: str = sys.executable, secret: Path | None = None) -> Iterator[int]:
    """Run a script from a folder; yield its port once it answers."""
    port = free_port()
    options = [f"--{name}={value}" for name, value in {**OPTIONS, "server.port": port}.items()]
    start = [str(Path(python).with_name("streamlit"))]
    if secret is not None:
        place = InProcess(folder / f"{port}.sock", folder, cookie_secret=secret)
        start = with_companion(start, place, python=Path(python), slot=folder)
    with (folder / f"{port}.log").open("wb") as log:
        server = subprocess.Popen(
            [*start, "run", script, *options], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        until(lambda: accepts(port) and ask(Endpoint(port), "/_stcore/health", timeout=5)[0] == 200, "it answers")
        yield port
    finally:
        server.kill()
        server.wait()


@contextmanager
def two(folder: Path, script: str, *, python: str = sys.executable, secret: Path | None = None) -> Iterator[list[int]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(folder, script, python=python, secret=secret)) for _ in range(2)]


def home_in(folder: Path, *, group: str | None = None) -> Home:
    """Return what a production, or a group beside it, has of its own."""
    home = Home(folder / ".git", group=group)
    home.create()
    return home


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: Path(python).parents[1].name)
def test_an_upload_passes_with_the_token_that_another_process_gave(app: Path, python: str) -> None:
    """The token is compared with the cookie that comes beside it, and nothing is signed: no secret is needed."""
    with two(app, "app.py", python=python) as (first, second), Page(first).open() as before:
        with Page(second, cookies=before.cookies).open() as page:
            assert page.upload(b"a document", xsrf=before.xsrf) == 204
            assert page.upload(b"a document", xsrf="") == 403
        with Page(second).open() as stranger:
            assert stranger.upload(b"a document", xsrf=before.xsrf) == 403


def test_who_has_logged_in_at_one_process_is_logged_in_at_the_other(app: Path) -> None:
    """`st.login` demands auth.cookie_secret of secrets.toml: every process has it."""
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

    (app / ".streamlit").mkdir()
    (app / ".streamlit" / "secrets.toml").write_text(AUTH)
    origin = "http://localhost:8501"
    user = json.dumps({"origin": origin, "is_logged_in": True, "email": "ann@example.com"})
    cookies = {"_streamlit_user": create_signed_value(SECRET, "_streamlit_user", user).decode()}
    forged = {"_streamlit_user": create_signed_value("another", "_streamlit_user", user).decode()}

    with two(app, "app.py") as ports:
        for port in ports:
            with Page(port, cookies=cookies).open(origin=origin) as page:
                assert json.loads(page.texts[0])["email"] == "ann@example.com"
            with Page(port, cookies=forged).open(origin=origin) as page:
                assert "email" not in json.loads(page.texts[0])


def counts(ports: list[int]) -> list[bytes]:
    """Ask the first process twice, then the second once, as one browser."""
    page, answers = Page(ports[0]), []
    for port in (ports[0], *ports):
        page.port = port
        answers.append(page.ask("GET", "/count").body)
    return answers


def test_what_a_route_of_the_app_keeps_in_its_session_is_lost_between_secrets_and_kept_with_one(
    app: Path, tmp_path: Path
) -> None:
    (app / "routes.py").write_text(ROUTES)
    secret = cookie_secret(home_in(tmp_path))

    with two(app, "routes.py") as ports:
        assert counts(ports) == [b"1", b"2", b"1"]
    with two(app, "routes.py", secret=secret) as ports:
        assert counts(ports) == [b"1", b"2", b"3"]


def test_a_secret_of_the_app_itself_wins(app: Path, tmp_path: Path) -> None:
    (app / "routes.py").write_text(ROUTES)
    (app / ".streamlit").mkdir()
    (app / ".streamlit" / "config.toml").write_text(f'[server]\ncookieSecret = "{SECRET}"\n')
    secret = cookie_secret(home_in(tmp_path))

    with serving(app, "routes.py", secret=secret) as first, serving(app, "routes.py") as second:
        assert counts([first, second]) == [b"1", b"2", b"3"]


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    home = home_in(tmp_path)

    path = cookie_secret(home)
    first = path.read_text()
    path.chmod(0o644)

    assert cookie_secret(home).read_text() == first
    assert len(first) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert cookie_secret(home_in(tmp_path, group="test")) != path


def test_an_empty_secret_is_made_anew(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    cookie_secret(home).write_text("")

    assert len(cookie_secret(home).read_text()) == 64
