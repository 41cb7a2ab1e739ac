"""Git is told, after `init`, to look for hooks elsewhere: it is noticed, told of, put right, and taken back again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import Production, until
from tests.remedies import typed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a hook of another tool, which says that it has run."""
    folder = tmp_path / "other-hooks"
    folder.mkdir()
    hook = folder / "post-receive"
    hook.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/ran\n")
    hook.chmod(0o755)
    return folder


@typed("agent.duty.Duty.look_at_hooks: gitrelease doctor --fix")
@pytest.mark.parametrize("scope", ["--local", "--global"])
def test_hooks_that_are_looked_for_elsewhere_are_told_of_put_right_and_taken_back(
    production: Production, folder: Path, tmp_path: Path, scope: str
) -> None:
    developer = production.clone()
    production.git("config", scope, "core.hooksPath", str(folder))

    until(lambda: production.status()["hooks"]["elsewhere"] == str(folder), "it is noticed")
    status, doctor = production.gitrelease("status").out, production.gitrelease("doctor")

    assert f"git looks for them in {folder}: pushes are not checked" in status
    assert "gitrelease doctor --fix" in status
    assert doctor.code != 0
    assert "pushes are not checked" in doctor.words
    fixed = production.type(production.agent_log(), "gitrelease doctor --fix")
    assert f"those of {folder} run first: post-receive" in fixed.words
    until(lambda: not production.status()["hooks"]["elsewhere"], "it is seen to be put right")
    developer.commit_term("second")
    pushed = developer.push()
    assert "is live" in pushed.words
    assert (tmp_path / "ran").read_text() == "ran\n"
    production.await_idle()
    production.gitrelease("down")
    assert production.gitrelease("uninstall").code == 0
    assert production.git("config", "core.hooksPath") == str(folder)
    assert production.git("config", "--local", "core.hooksPath", ok=False) == (
        "" if scope == "--global" else str(folder)
    )


def test_what_came_unchecked_is_looked_at_all_the_same(production: Production, folder: Path) -> None:
    developer = production.clone()
    production.git("config", "core.hooksPath", str(folder))
    developer.replace("server.py", "import sys\n", "import sys, no_such_module\n")
    developer.commit("It does not run")

    pushed = developer.push()

    assert pushed.code == 0  # git took it, and asked nobody
    until(lambda: production.git("rev-parse", "deploy") != developer.git("rev-parse", "deploy"), "it is turned back")
    assert production.status()["live"]["release"] == "release/1"


@pytest.mark.parametrize("where", ["an included file", "a file that is included on a condition", "the system's"])
def test_hooks_that_a_file_beside_the_usual_ones_leads_elsewhere_are_noticed(
    checkout: Production, folder: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    included = tmp_path / "included"
    included.write_text("[user]\n\tname = Ann\n")
    if where == "the system's":
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(included))
    checkout.init()
    if where == "an included file":
        checkout.git("config", "include.path", str(included))
    elif where == "a file that is included on a condition":
        checkout.git("config", "--global", f"includeIf.gitdir:{checkout.root}/.path", str(included))
    checkout.up()
    checkout.await_idle()
    assert not checkout.status()["hooks"]["elsewhere"]

    included.write_text(f"[core]\n\thooksPath = {folder}\n")

    until(lambda: checkout.status()["hooks"]["elsewhere"] == str(folder), "it is noticed")
    assert "pushes are not checked" in checkout.gitrelease("doctor").words
    fixed = checkout.gitrelease("doctor", "--fix")
    assert fixed.code == 0, fixed.said
    until(lambda: not checkout.status()["hooks"]["elsewhere"], "it is seen to be put right")
    assert checkout.gitrelease("down").code == 0
    assert checkout.gitrelease("uninstall").code == 0
    assert checkout.git("config", "core.hooksPath") == str(folder)
