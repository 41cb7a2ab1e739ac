"""The pages of the owner, the developer and the operator do what they say: their blocks are run, line by line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Production, make_checkout

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Production]:
    """The host after the app was cloned, as the owner's page has it by then."""
    made = make_checkout(tmp_path)
    made.write("requirements.txt", "")
    made.write(".gitignore", ".venv/\n")
    made.commit("Requirements")
    yield made
    made.clear_away()


def run(page: str, host: Production, cwd: Path) -> str:
    """Run the blocks of a page in one shell, which ends at the first line that fails; return what they print."""
    script = "\n".join(BLOCK.findall((DOCS / f"{page}.md").read_text()))
    script = script.replace("/srv/findoc", str(host.root)).replace("8501", str(host.port))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script], cwd=cwd, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_the_pages_of_all_three_do_what_they_say(host: Production) -> None:
    owner = run("owner", host, host.root.parent)
    first = host.answer()
    host.commit_term("margin")
    host.await_live("release/2")
    host.await_idle()
    developer = host.clone()
    developer.git("remote", "add", "production", str(host.root))
    developer.git("fetch", "--quiet", "production")
    developer.git("checkout", "--quiet", "-B", "change", "production/deploy")
    developer.replace("server.py", '"revenue",\n', '"revenue",\n    "green",\n')
    pushed = run("developer", host, developer.root)
    second = host.answer()
    host.await_idle()
    operator = run("operator", host, host.root)

    assert "release/1" in owner
    assert first == "one revenue profit"
    assert "is live on" in pushed
    assert second == "one revenue green margin profit"
    assert host.answer() == "one revenue margin profit"
    assert "release/3 is marked bad" in operator
