"""The sample app on a real Streamlit: what is broken never gets a connection, what is good goes live without a gap."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.demo.load import Load
from gitrelease.edges import backends, process_table
from gitrelease.edges.inside import SESSION
from tests.benchmarks.releases import alive, websocket
from tests.checkout import Clone, Production, make_checkout, until

SAMPLE = Path(__file__).parents[2] / "gitrelease" / "demo" / "app"
SCRIPT = "FinDocPipeline.py"
SETTINGS = '[limits]\nstart = "10s"\nchecks = "8s"\nstop = "1s"\nsettle = "200ms"\n[policy.dictionary]\nsoak = "60s"\n'


def sample_files() -> dict[str, str]:
    paths = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files = {path.relative_to(SAMPLE).as_posix().replace("gitignore", ".gitignore"): path.read_text() for path in paths}
    return {**files, "gitrelease.toml": SETTINGS}


@pytest.fixture(scope="module")
def streamlit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One production of the sample app for all candidates: each must leave it as it was."""
    folder = tmp_path_factory.mktemp("streamlit")
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        production = make_checkout(folder, sample_files())
        production.init().up()
    yield production
    production.clear_away()


@pytest.fixture
def developer(streamlit: Production, tmp_path: Path) -> Clone:
    subprocess.run(["git", "clone", "--quiet", str(streamlit.root), str(tmp_path / "clone")], check=True)
    return Clone(tmp_path / "clone")


def change(developer: Clone, old: str, new: str) -> None:
    developer.replace(SCRIPT, old, new)
    developer.commit("Change")


def open_session(port: int) -> dict[str, object]:
    """Open one real session through the front, as a browser does; return what it saw."""
    ran = subprocess.run([sys.executable, str(SESSION), "127.0.0.1", str(port), "10"], capture_output=True, check=False)
    seen: dict[str, object] = json.loads(ran.stdout)
    return seen


TOP = "import pandas as pd\n"
# Health is asked on connections of its own, and answers.
CUT_OFF = """
    import os, socket
    for handle in os.listdir("/proc/self/fd"):
        try:
            connection = socket.socket(fileno=os.dup(int(handle)))
            if connection.family == socket.AF_INET and connection.getpeername():
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (TOP, TOP + 'raise RuntimeError("no licence")\n', "no licence"),
        (TOP, TOP + "import no_such_module\n", "no_such_module"),
        (TOP, TOP + "def broken(:\n", "invalid syntax"),
        (TOP, TOP + "import time\ntime.sleep(30)\n", "within"),
        (TOP, TOP + "import os\nos._exit(3)\n", "ended the process"),
        (TOP, TOP + "import sys\nsys.exit('bye')\n", "bye"),
        ('"net_income": [', '"net_sales": [r"net (sales"], "net_income": [', "net_sales: does not compile"),
        ("def create_nlp_dataset(", "def create_dataset(", "create_nlp_dataset"),
        # One matching attempt that holds the interpreter: health does not answer, TERM is not handled.
        (TOP, TOP + 're.match(r"(a+)+$", "a" * 40 + "b")\n', "within"),
        ("def main():\n", "def main():\n    st.exception(ValueError('on purpose'))\n", "on purpose"),
        # It cuts whatever is connected while it runs: now and then a question for its health, told first, as well.
        ("def main():\n", f"def main():{CUT_OFF}", "session"),
    ],
    ids=[
        "raises", "import error", "syntax error", "sleeps", "ends the process", "exits", "pattern", "method", "hangs",
        "st.exception", "health, no session",
    ],
)  # fmt: skip
def test_a_broken_candidate_is_refused_and_never_served(
    streamlit: Production, developer: Clone, old: str, new: str, reason: str
) -> None:
    running = {identity.pid for identity in process_table.marked(backends.MARK, str(streamlit.home))}
    change(developer, old, new)

    pushed = developer.push("-o", "approve", "origin", "deploy")

    said = pushed.words
    assert pushed.code != 0
    assert reason in said, said
    assert "production untouched, production serves release/1" in said
    assert open_session(streamlit.port)["ok"] is True
    until(
        lambda: {one.pid for one in process_table.marked(backends.MARK, str(streamlit.home))} <= running, "it is gone"
    )


def test_a_lost_class_is_refused_by_name_though_the_page_renders(streamlit: Production, developer: Clone) -> None:
    text = developer.read(SCRIPT)
    begin, end = text.index("class EnhancedVisualParser"), text.index("class DeduplicatedMetricsExtractor")
    lines = (text[:begin] + text[end:]).splitlines(keepends=True)
    developer.write(
        SCRIPT, "".join(line for line in lines if "EnhancedVisualParser" not in line and "visual" not in line)
    )
    developer.commit("Tidy up")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "class EnhancedVisualParser: the app does not have it" in " ".join(
        pushed.said.replace("remote:", "").split()
    )


def test_an_open_session_survives_a_promotion_and_nobody_is_refused(streamlit: Production, developer: Clone) -> None:
    load = Load(streamlit.port, rate=50).start()
    with websocket(streamlit.port) as session:
        change(developer, "financial_terms = [", 'financial_terms = ["carbon footprint", ')

        pushed = developer.push()

        assert pushed.code == 0, pushed.said
        assert alive(session)
    streamlit.gitrelease("rollback")
    load.stop()
    seen = load.since(0)
    assert seen.failed == 0
    assert seen.asked > 20


def test_an_error_that_only_a_session_shows_rolls_the_release_back_in_its_soak(
    streamlit: Production, developer: Clone, tmp_path: Path
) -> None:
    trigger = tmp_path / "trigger"
    before = streamlit.live()
    change(
        developer,
        "    def _has_financial_terms(self, text):\n",
        f"    def _has_financial_terms(self, text):\n        if Path({str(trigger)!r}).exists():\n"
        '            raise RuntimeError("only later")\n',
    )
    pushed = developer.push("-o", "approve", "origin", "deploy")
    assert pushed.code == 0, pushed.said

    trigger.touch()
    seen = open_session(streamlit.port)

    assert seen["ok"] is False
    until(lambda: streamlit.live() == before, "production goes back by itself")
    until(lambda: open_session(streamlit.port)["ok"] is True)
    assert any("only later" in item["reason"] for item in streamlit.status()["quarantined"])


@pytest.mark.long
def test_what_breaks_only_in_the_third_session_is_rolled_back_in_its_soak(
    streamlit: Production, developer: Clone
) -> None:
    before = streamlit.live()
    change(
        developer,
        "def main():\n",
        "def main():\n    import sys\n    sys.runs = getattr(sys, 'runs', 0) + 1\n"
        "    if sys.runs > 2:\n        raise RuntimeError('the third')\n",
    )
    pushed = developer.push("-o", "approve", "origin", "deploy")
    assert pushed.code == 0, pushed.said

    seen = open_session(streamlit.port)

    assert seen["ok"] is False
    until(lambda: streamlit.live() == before, "production goes back by itself")
    until(lambda: open_session(streamlit.port)["ok"] is True)
    assert any("the third" in item["reason"] for item in streamlit.status()["quarantined"])


def test_check_tells_what_would_be_refused_without_touching_production(streamlit: Production, developer: Clone) -> None:
    change(developer, '"net_income": [', '"net_sales": [r"net (sales"], "net_income": [')
    developer.push("origin", "HEAD:candidate")

    ended = streamlit.gitrelease("check", "candidate", "--json")

    failed = [check["name"] for check in ended.json["checks"] if check["status"] == "failed"]
    assert ended.code == 3
    assert ended.json["ok"] is False
    assert ended.json["kind"] == "pattern"
    assert "pattern net_sales" in failed


@pytest.mark.parametrize(
    ("old", "new", "second_run"),
    [
        ("financial_terms = [", 'financial_terms = ["carbon footprint", ', False),
        ("def main():\n", "def main():\n    st.caption('new')\n", True),
    ],
    ids=["a term", "code"],
)
def test_code_is_run_twice_and_a_term_once(
    streamlit: Production, developer: Clone, old: str, new: str, second_run: bool
) -> None:
    change(developer, old, new)
    developer.push("origin", f"HEAD:twice-{second_run}")

    checks = streamlit.gitrelease("check", f"twice-{second_run}", "--json").json["checks"]

    passed = {check["name"] for check in checks if check["status"] == "passed"}
    assert {"start", "session"} <= passed
    assert ("script" in passed) is second_run


def test_a_plan_names_kind_steps_and_approval(streamlit: Production, developer: Clone) -> None:
    change(developer, "def main():\n", "def main():\n    st.caption('new')\n")
    developer.push("origin", "HEAD:bigger")

    planned = streamlit.gitrelease("plan", "bigger", "--json").json

    assert planned["kind"] == "major"
    assert planned["approval_needed"] is True
    assert planned["steps"]


def test_its_backends_are_streamlit_and_its_front_is_front(streamlit: Production) -> None:
    def command(pid: int) -> str:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")

    assert "streamlit" in command(streamlit.backend_pid())
    assert "front" in command(streamlit.front_pid())


def test_a_candidates_port_is_closed_to_the_outside(streamlit: Production) -> None:
    port = streamlit.backend("live")["port"]
    outside = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    local = {row[1] for row in outside if row[3] == "0A" and row[1].endswith(f":{port:04X}")}

    assert local == {f"0100007F:{port:04X}"}
