"""The pages of the owner, the developer and the operator do what they say: their blocks are run, line by line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitrelease.edges.backends import free_port
from tests.checkout import Production, make_checkout
from tests.sshd import running_sshd, sshd_program

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


@pytest.mark.skipif(sshd_program() is None, reason="needs sshd")
def test_the_key_line_of_a_developer_is_for_git_alone_and_names_who_pushed(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = re.search(r"^command=.*?(?= ssh-ed25519)", (DOCS / "owner.md").read_text(), re.MULTILINE)
    program = sshd_program()
    assert line is not None
    assert program is not None
    developer = production.clone()
    with running_sshd(tmp_path / "sshd", program) as sshd:
        keys = sshd.folder / "authorized_keys"
        keys.write_text(f"{line[0]} {keys.read_text()}")
        monkeypatch.setenv("GIT_SSH_COMMAND", sshd.command)
        developer.commit_term("margin")

        pushed = developer.push(sshd.url(production.root), "deploy")
        typed = subprocess.run([*sshd.command.split(), "127.0.0.1", "id"], capture_output=True, text=True, check=False)

    assert pushed.code == 0, pushed.said
    assert production.gitrelease("history", "--json").json["releases"][0]["by"] == "ann"
    assert typed.returncode != 0
    assert "uid=" not in typed.stdout


def test_a_clone_of_a_developer_checks_its_own_branch_without_production(host: Production) -> None:
    clone = Production(host.clone().root, free_port())
    clone.git("checkout", "--quiet", "-B", "change")
    assert "\ngitrelease init --branch change\n" in (DOCS / "developer.md").read_text()

    begun = clone.gitrelease("init", "--branch", "change", "--python", sys.executable)
    clone.commit_term("margin")
    good = clone.gitrelease("check")
    clone.write("server.py", "def broken(:\n")
    clone.commit("Broken")
    bad = clone.gitrelease("check")

    assert begun.code == 0, begun.said
    assert (good.code, good.out.splitlines()[-1]) == (0, "fit to be released: major change")
    assert bad.code == 3
