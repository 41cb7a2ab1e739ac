"""The app's own Streamlit configuration counts: base path, TLS, limits, secrets; what is overruled is said.

Each test runs with the interpreters in GITRELEASE_TEST_PYTHONS, joined by colons, where that is set:
tests/elsewhere/streamlits.sh does so with other versions of Streamlit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gitrelease.edges import backends
from gitrelease.edges.inside import SESSION
from gitrelease.edges.probes import accepts
from gitrelease.inside import streamlit_config
from gitrelease.installation import init
from tests.checkout import Production, make_checkout, reserved_port, until
from tests.page import Page
from tests.remedies import typed
from tests.stories.test_remedies_doctor import Patient

PYTHONS = os.environ.get("GITRELEASE_TEST_PYTHONS", sys.executable).split(":")
TELLS = (
    "server.baseUrlPath", "server.maxUploadSize", "server.enableXsrfProtection", "server.enableWebsocketCompression",
    "server.cookieSecret", "server.enableCORS", "browser.serverAddress", "server.sslCertFile", "server.sslKeyFile",
)  # fmt: skip
# It shows what Streamlit itself has made of its configuration.
APP = f"""\
import json
import streamlit as st
st.markdown(json.dumps({{name: st.get_option(name) for name in {TELLS!r}}}))
TITLE = "the first"
"""
SETTINGS = """\
[app]
script = "app.py"
[limits]
start = "20s"
stop = "1s"
settle = "200ms"
[policy.major]
soak = "1s"
"""
ASKED = streamlit_config.__file__
Make = Callable[..., Production]


@pytest.fixture(params=PYTHONS, ids=lambda python: Path(python).parents[1].name)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(tmp_path: Path, python: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make an initialised production of the small app with a configuration; HOME is a folder without one."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with ExitStack() as stack:

        def production(config: str | None = None, **files: str) -> Production:
            more = {".streamlit/config.toml": config} if config is not None else {}
            made = make_checkout(tmp_path, {"app.py": APP, "gitrelease.toml": SETTINGS, **more, **files})
            stack.callback(made.clear_away)
            init(made.root, branch=None, script=None, schema=None, port=made.port, python=python)
            return made

        yield production


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Make a key, and a certificate that it signs itself."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return cert, key


def probe(production: Production, *more: str) -> dict[str, Any]:
    """Open one real session through the front, as the release's own probe does; return what it saw."""
    argv = [sys.executable, str(SESSION), "127.0.0.1", str(production.port), "15", *more]
    seen: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=False, timeout=30).stdout)
    return seen


def second_release(production: Production) -> None:
    production.await_idle()
    production.replace("app.py", "the first", "the second")
    production.commit("Second")
    deployed = production.gitrelease("deploy", "--approve")
    assert deployed.code == 0, deployed.said


def test_an_app_under_a_base_path_is_staged_released_seen_and_rolled_back(make: Make) -> None:
    production = make('[server]\nbaseUrlPath = "/fin/docs/"\n').up()

    second_release(production)

    row = production.status()["instances"][0]
    assert (row["url"], row["health"]) == (f"http://127.0.0.1:{production.port}/fin/docs", "healthy")
    assert probe(production, "/fin/docs")["ok"] is True
    assert probe(production)["ok"] is False
    with Page(production.port, base="/fin/docs").open() as page:
        assert page.upload(b"a document") == 204
        assert page.upload(b"a document", xsrf="") == 403
    assert production.gitrelease("drill").code == 0
    assert production.gitrelease("rollback").code == 0
    assert probe(production, "/fin/docs")["ok"] is True
    assert production.gitrelease("doctor", "--json").code == 0


def test_a_release_that_moves_to_a_base_path_is_live_there_and_back_again_after_a_rollback(make: Make) -> None:
    production = make("").up()
    production.await_idle()
    production.write(".streamlit/config.toml", '[server]\nbaseUrlPath = "fin"\n')
    production.commit("Under a path")

    deployed = production.gitrelease("deploy", "--approve")

    assert deployed.code == 0, deployed.said
    assert probe(production, "/fin")["ok"] is True
    assert production.gitrelease("rollback").code == 0
    assert probe(production)["ok"] is True
    assert production.status()["instances"][0]["url"] == f"http://127.0.0.1:{production.port}"


def test_an_app_with_tls_of_its_own_is_staged_released_seen_and_rolled_back(
    make: Make, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    production = make(f'[server]\nsslCertFile = "{cert}"\nsslKeyFile = "{key}"\n').up()

    second_release(production)

    row = production.status()["instances"][0]
    assert (row["url"], row["health"]) == (f"https://127.0.0.1:{production.port}", "healthy")
    assert production.backend()["tls"] is True
    assert probe(production, "", "tls")["ok"] is True
    assert probe(production)["ok"] is False
    with Page(production.port, tls=True).open() as page:
        assert page.upload(b"a document" * 100_000) == 204
    assert production.gitrelease("drill").code == 0
    assert production.gitrelease("rollback").code == 0
    assert probe(production, "", "tls")["ok"] is True
    checked = production.gitrelease("check", "--json").json["checks"]
    assert [one["detail"] for one in checked if one["name"] == "open pages" and "TLS" in one["detail"]]
    diagnosed = production.gitrelease("doctor", "--json").json["checks"]
    assert [one for one in diagnosed if one["name"] == "streamlit" and "is not moved" in one["detail"]]
    assert "is not moved" in production.gitrelease("init").said


def test_a_relative_certificate_that_git_ignores_is_linked_into_the_release(
    make: Make, certificate: tuple[Path, Path]
) -> None:
    production = make(
        '[server]\nsslCertFile = "tls/cert.pem"\nsslKeyFile = "tls/key.pem"\n', **{".gitignore": "tls/\n"}
    )
    (production.root / "tls").mkdir()
    for path in certificate:
        path.rename(production.root / "tls" / path.name)
    refused = production.gitrelease("up")
    assert refused.code != 0
    assert 'server.sslCertFile = "tls/cert.pem" (.streamlit/config.toml): there is no such file' in joined(refused.said)

    assert production.gitrelease("init").code == 0
    production.up()

    assert probe(production, "", "tls")["ok"] is True


def joined(said: str) -> str:
    return " ".join(said.split())


@pytest.mark.parametrize(
    ("config", "status", "words"),
    [
        pytest.param(
            '[server]\nsslCertFile = "/nowhere/cert.pem"\nsslKeyFile = "/nowhere/key.pem"\n', "unknown",
            ['server.sslCertFile = "/nowhere/cert.pem" (.streamlit/config.toml)', "no such file", "Bring it back"],
            id="no certificate",
        ),
        pytest.param(
            '[server]\nsslCertFile = "app.py"\n', "failed",
            ["server.sslCertFile", "server.sslKeyFile is not", "both or none", ".streamlit/config.toml"],
            id="one of two",
        ),
        pytest.param(
            "[server\nport = 1\n", "failed", [".streamlit/config.toml cannot be read", "Mend .streamlit/config.toml"],
            id="no TOML",
        ),
        pytest.param(
            "server = 5\n", "failed", [".streamlit/config.toml cannot be read", "Mend .streamlit/config.toml"],
            id="a value for a table",
        ),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_used_is_refused_with_option_file_and_remedy(
    make: Make, config: str, status: str, words: list[str]
) -> None:
    production = make(config)
    checked = production.gitrelease("check", "--json")
    diagnosed = production.gitrelease("doctor", "--json").json["checks"]

    refused = production.gitrelease("up")

    assert refused.code == 3
    assert [word for word in words if word not in joined(refused.said)] == []
    assert checked.code == 3
    assert [one["status"] for one in checked.json["checks"] if one["name"] == "config"] == [status]
    assert [one for one in diagnosed if one["name"] == "streamlit" and one["status"] == "problem"]
    production.write(".streamlit/config.toml", "")
    production.commit("Mended")
    production.up()
    assert probe(production)["ok"] is True


@typed("core.streamlit_config.overruled: gitrelease init --port {value}")
def test_the_port_and_the_address_of_the_app_are_overruled_and_init_check_and_doctor_say_so(make: Make) -> None:
    port = backends.free_port()
    production = make(f'[server]\nport = {port}\naddress = "0.0.0.0"\nheadless = false\nrunOnSave = true\n')
    wanted = [f"server.port = {port} (.streamlit/config.toml) is overruled", f"gitrelease init --port {port}"]
    wanted += ['server.address = "0.0.0.0" (.streamlit/config.toml) is overruled', ".git/gitrelease/host.toml"]
    wanted += [
        f"server.{one} (.streamlit/config.toml) is overruled" for one in ("headless = false", "runOnSave = true")
    ]

    said = [production.gitrelease(verb).said for verb in ("init", "check", "doctor")]

    assert [(text, one) for text in said for one in wanted if one not in joined(text)] == []
    production.up()
    assert probe(production)["ok"] is True
    assert production.gitrelease("down").code == 0
    assert production.type(said[0], f"gitrelease init --port {port}").code == 0
    production.port = port
    production.up()
    assert probe(production)["ok"] is True
    assert "server.port" not in production.gitrelease("doctor").said


def test_a_port_that_is_the_instances_own_is_no_news(make: Make) -> None:
    production = make("")
    production.write(".streamlit/config.toml", f"[server]\nport = {production.port}\n")
    production.commit("The port that users know")

    assert "overruled" not in production.gitrelease("init").said
    assert "config" not in {one["name"] for one in production.gitrelease("check", "--json").json["checks"]}


def is_refused(page: Page, content: bytes) -> bool:
    """Is an upload refused as too large? Tornado's 400 may be lost: it ends the connection without reading on."""
    try:
        return page.upload(content, xsrf="") in (400, 413)
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_limits_protection_compression_and_secret_are_the_apps_own(make: Make) -> None:
    config = "maxUploadSize = 1\nenableXsrfProtection = false\nenableWebsocketCompression = true\n"
    production = make(f'[server]\n{config}cookieSecret = "only mine"\n').up()

    with Page(production.port).open() as page:
        assert json.loads(page.texts[0])["server.cookieSecret"] == "only mine"
        assert page.upload(b"x" * 100_000, xsrf="") == 204
        assert is_refused(page, b"x" * 2_000_000)
    with Page(production.port).open(offer="permessage-deflate") as page:
        assert page.extensions.startswith("permessage-deflate")


def test_without_options_of_its_own_an_app_has_streamlits_limits(make: Make) -> None:
    production = make("").up()

    with Page(production.port).open() as page:
        assert page.upload(b"x" * 100_000, xsrf="") == 403
        assert page.upload(b"x" * 2_000_000) == 204
    with Page(production.port).open(offer="permessage-deflate") as page:
        assert page.extensions == ""


@pytest.mark.parametrize(("config", "status"), [('[browser]\nserverAddress = "app.example.com"\n', 101), ("", 403)])
def test_a_page_comes_in_from_the_address_that_the_app_names_and_from_no_other(
    make: Make, config: str, status: int
) -> None:
    """A proxy that changes Host: the page's origin is the public name, and Streamlit lets in what it was told of."""
    production = make(config).up()

    assert Page(production.port).upgrade_status(origin="http://app.example.com") == status


# -- which of several files and variables counts ------------------------------------------------------------------


def plain_run(production: Production, python: str, script: str, env: dict[str, str]) -> dict[str, Any]:
    """Return the options that `streamlit run SCRIPT` in the checkout has, without us."""
    port = backends.free_port()
    argv = [
        str(Path(python).with_name("streamlit")), "run", script, f"--server.port={port}", "--server.address=127.0.0.1",
        "--server.headless=true", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false",
        "--browser.serverAddress=localhost",
    ]  # fmt: skip
    with (production.root.parent / "plain.log").open("wb") as log:
        server = subprocess.Popen(
            argv, cwd=production.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **env}
        )
    try:
        until(lambda: accepts(port), "streamlit run listens")
        return shown(port)
    finally:
        server.kill()
        server.wait()


def shown(port: int) -> dict[str, Any]:
    """Return the options that the app's page shows; their base path is not known beforehand."""
    for base in ("", "/home", "/root", "/script", "/variable"):
        page = Page(port, base=base)
        if page.ask("GET", "/_stcore/health").body == b"ok":
            with page.open():
                found: dict[str, Any] = json.loads(page.texts[0])
                return found
    raise AssertionError("the app is under no base path that was set")


@pytest.mark.parametrize("variables", [{}, {"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "9"}], ids=["files", "variable"])
@pytest.mark.parametrize("script", ["app.py", "pages_of/main.py"])
def test_each_app_gets_the_configuration_that_it_has_without_us(
    make: Make, python: str, script: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One in HOME, one in the working directory, one beside the script: which wins is for each version to say."""
    home = tmp_path / "home" / ".streamlit" / "config.toml"
    home.parent.mkdir()
    home.write_text('[server]\nbaseUrlPath = "home"\nmaxUploadSize = 2\nenableWebsocketCompression = true\n')
    files = {
        "pages_of/main.py": APP,
        "pages_of/.streamlit/config.toml": '[server]\nbaseUrlPath = "script"\ncookieSecret = "s"\n',
        "gitrelease.toml": SETTINGS.replace("app.py", script),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    production = make('[server]\nbaseUrlPath = "root"\nmaxUploadSize = 3\ncookieSecret = "r"\n', **files)
    without = plain_run(production, python, script, variables)

    production.up()

    assert shown(production.port) == without
    assert without["server.enableWebsocketCompression"] is True
    assert production.backend()["base"] == f"/{without['server.baseUrlPath']}"


def with_second_instance(production: Production, script: str) -> int:
    """Set a second instance that runs another script; return its port."""
    port = reserved_port()
    settings = production.home / "host.toml"
    second = f'[[instance]]\nname = "second"\nport = {port}\nscript = "{script}"\n'
    settings.write_text(f"{settings.read_text()}\n{second}")
    return port


def test_instances_of_two_scripts_are_each_found_where_their_own_configuration_puts_them(make: Make) -> None:
    beside = "pages_of/.streamlit/config.toml"
    files = {"pages_of/main.py": APP, beside: '[server]\nbaseUrlPath = "script"\n'}
    production = make('[server]\nbaseUrlPath = "root"\n', **files)
    second = with_second_instance(production, "pages_of/main.py")

    production.up()

    found = {one["name"]: one for one in production.status()["instances"]}
    bases = {name: shown(port)["server.baseUrlPath"] for name, port in {"p": production.port, "s": second}.items()}
    assert {one["health"] for one in found.values()} == {"healthy"}
    assert bases["p"] == "root"
    assert bases["s"] in ("root", "script")  # 1.40 and older do not look beside the script
    assert found["second"]["url"] == f"http://127.0.0.1:{second}/{bases['s']}"


def test_a_configuration_beside_the_script_of_another_instance_refuses_too(make: Make, python: str) -> None:
    beside = "pages_of/.streamlit/config.toml"
    production = make("", **{"pages_of/main.py": APP, beside: '[server]\nsslCertFile = "app.py"\n'})
    with_second_instance(production, "pages_of/main.py")

    checked = production.gitrelease("check", "--json")

    reads = "pages_of" in json.dumps(plain_options(python, production.root, "pages_of/main.py"))
    assert (checked.code == 3) is reads, checked.said
    assert any(beside in one["detail"] for one in checked.json["checks"] if one["name"] == "config") is reads


def plain_options(python: str, folder: Path, script: str) -> dict[str, Any]:
    """Return what Streamlit's own rules say of a script, as the program in the app's interpreter prints it."""
    asked = subprocess.run([python, str(ASKED), script], cwd=folder, capture_output=True, check=True, timeout=30)
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


def test_a_variable_moves_the_app_and_is_named_where_it_overrules_a_port(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", "variable")
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "9001")
    production = make('[server]\nbaseUrlPath = "root"\n')

    said = joined(production.gitrelease("check").said)
    production.up()

    assert "server.port = 9001 (environment variable STREAMLIT_SERVER_PORT) is overruled" in said
    assert shown(production.port)["server.baseUrlPath"] == "variable"


@typed("doctor.app.streamlit: git add -f {path} && git commit {path}")
def test_a_configuration_that_is_in_no_commit_is_committed_alone(make: Make) -> None:
    production = make()
    production.write(".streamlit/config.toml", "[server]\nmaxUploadSize = 5\n")
    production.write("unfinished.txt", "nobody's yet\n")
    production.git("add", "unfinished.txt")
    command = "git add -f .streamlit/config.toml && git commit .streamlit/config.toml"

    Patient(production).type("streamlit", ".streamlit/config.toml is in no commit", command)

    assert production.git("show", "--format=", "--name-only", "HEAD") == ".streamlit/config.toml"


@typed("doctor.case.Case.restart: gitrelease restart")
def test_pages_can_move_once_the_process_is_one_that_lets_them(make: Make) -> None:
    production = make()
    host = production.home / "host.toml"
    allowed = host.read_text()
    forbidden = allowed.replace("[app]\n", "[app]\ncompanion = false\n", 1)
    host.write_text(forbidden)
    production.up()
    production.await_idle()
    host.write_text(allowed)

    Patient(production).type("open pages", "was started while app.companion was false", "gitrelease restart")

    host.write_text(forbidden)
    found = production.gitrelease("doctor").said
    host.write_text(allowed)
    serves = production.backend_pid()
    assert production.type(found, "gitrelease restart").code == 0
    assert production.backend_pid() != serves
