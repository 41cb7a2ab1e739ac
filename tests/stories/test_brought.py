"""What a push brings runs as the app in its slot, and nowhere else: not in a hook, not in the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import Clone, Production


def booby_trap(developer: Clone, ran: Path) -> None:
    """Fill a checkout with what careless tools pick up by its name; each leaves a trace when it runs."""
    python = f"import os\nopen({str(ran)!r}, 'a').write(f'{{__file__}} in {{os.getcwd()}}\\n')\n"
    for name in (
        "gitrelease/__init__.py", "gitrelease/__main__.py", "gitrelease/commands/hook.py", "tests/conftest.py",
        "sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "json.py", "typer.py", "msgspec.py",
    ):  # fmt: skip
        developer.write(name, python)
    shell = f"#!/bin/sh\necho $0 >> {ran}\n"
    for hook in ("update", "pre-receive", "post-receive", "post-checkout", "push-to-checkout", "reference-transaction"):
        for folder in ("hooks", ".githooks", ".git-hooks", ".husky"):
            developer.write(f"{folder}/{hook}", shell)
            (developer.root / folder / hook).chmod(0o755)
    developer.write(".env", f"PYTHONSTARTUP=conftest.py\nGIT_EXTERNAL_DIFF={ran}\nPYTHONPATH=.\n")
    developer.write(".gitattributes", "*.py diff=traced merge=traced\n")
    developer.write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "id"\n\tupdate = !touch ran\n')
    developer.write("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '-p conftest'\n")


def test_files_with_names_that_tools_look_for_are_run_by_nobody(production: Production, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    tracer = tmp_path / "tracer"
    tracer.write_text(f"#!/bin/sh\necho tracer >> {ran}\n")
    tracer.chmod(0o755)
    for setting in ("diff.traced.textconv", "diff.traced.command", "merge.traced.driver", "core.fsmonitor"):
        production.git("config", setting, str(tracer))
    developer = production.clone()
    booby_trap(developer, ran)
    developer.commit("Everything that could be picked up")

    refused = developer.push()
    approved = developer.push("-o", "approve", "origin", "deploy")
    developer.replace("gitrelease/__init__.py", "import os", "import os  # again")
    developer.commit_term("carbon footprint")
    again = developer.push("-o", "approve", "origin", "deploy")
    said = [production.gitrelease(*command).code for command in (["check"], ["plan"], ["diff"], ["show", "release/2"])]
    rolled = production.gitrelease("rollback")

    assert "needs approval" in refused.words
    assert approved.code == 0, approved.said
    assert again.code == 0, again.said
    assert said == [0, 0, 0, 0]
    assert rolled.code == 0, rolled.said
    assert not ran.exists(), ran.read_text()


@pytest.mark.long
def test_only_the_app_sees_a_python_path_that_leads_into_the_checkout(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy user with `PYTHONPATH` set: hooks, the agent that they start and the front are isolated from it."""
    ran = tmp_path / "ran"
    developer = production.clone()
    booby_trap(developer, ran)
    developer.commit("Everything that could be picked up")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    production.kill(production.agent_pid())
    production.kill(production.front_pid())
    developer.commit_term("carbon footprint")
    monkeypatch.setenv("PYTHONPATH", str(production.root))

    pushed = developer.push()

    monkeypatch.delenv("PYTHONPATH")
    assert pushed.code == 0, pushed.said
    traces = ran.read_text().splitlines()
    assert traces  # the app has it: that is the operator's wish
    assert [line for line in traces if f"in {production.home}/slots/" not in line] == []
