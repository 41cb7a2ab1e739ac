"""A real Streamlit is watched: its sessions are counted, what a session raises is in its output with its place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.releases import websocket
from tests.checkout import Production, make_checkout
from tests.stories.test_monitor import Watching, objects
from tests.stories.test_streamlit import SCRIPT, open_session, sample_files

SETTINGS = '[limits]\nstart = "10s"\nchecks = "15s"\n[policy.major]\nsoak = "300ms"\n'


@pytest.fixture
def raising(tmp_path: Path) -> Iterator[Production]:
    """A production of the sample app that raises once a file is there."""
    files = sample_files()
    raises = (
        f'def main():\n    if Path({str(tmp_path / "trigger")!r}).exists():\n        raise RuntimeError("only now")\n'
    )
    assert "def main():\n" in files[SCRIPT]
    files |= {SCRIPT: files[SCRIPT].replace("def main():\n", raises), "gitrelease.toml": SETTINGS}
    production = make_checkout(tmp_path, files)
    production.init().up()
    production.await_idle()
    yield production
    production.clear_away()


def test_sessions_are_counted_and_what_one_raises_is_found_with_its_place(raising: Production, tmp_path: Path) -> None:
    watching = Watching(raising, "--for", "5m", "--every", "300ms", "--json")
    watching.until(lambda row: row["sessions"] == 0 and row["answer_ms"])
    with contextlib.ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(websocket(raising.port))
        busy = watching.until(lambda row: row["sessions"] == 3)
    watching.until(lambda row: row["sessions"] == 0)

    (tmp_path / "trigger").touch()
    seen = open_session(raising.port)
    failed = watching.until(lambda row: row["error_lines"])
    _, rest, _ = watching.interrupt()
    errors = raising.gitrelease("logs", "--errors", "--json").json["errors"]

    assert seen["ok"] is False
    assert failed["error_lines"] == 1
    assert busy["memory_mb"] > 50
    assert busy["threads"] > 1
    assert objects(rest)[-1]["instances"][0]["sessions"]["peak"] == 3
    assert [(one["type"], one["place"]["file"], one["place"]["function"], one["count"]) for one in errors] == [
        ("RuntimeError", SCRIPT, "main", 1)
    ]
    assert errors[0]["message"] == "only now"
    assert errors[0]["first"] is not None
