"""What a notice says is typed next does, from any folder, what it is said for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import receivers
from tests.checkout import SETTINGS, Production, make_checkout, until
from tests.receivers import Hook
from tests.remedies import typed
from tests.stories.test_files_of_the_app import writing
from tests.stories.test_groups import Grouped
from tests.stories.test_notify import tell, urls


@pytest.fixture
def hook() -> Iterator[Hook]:
    with receivers.hook() as found:
        yield found


@pytest.fixture
def spaced(tmp_path: Path) -> Iterator[Production]:
    """A production in a folder whose name has blanks and a quote in it."""
    folder = tmp_path / "the app's own folder"
    folder.mkdir()
    production = make_checkout(folder)
    production.init().up()
    production.await_idle()
    yield production
    production.clear_away()


def next_of(hook: Hook, title: str) -> str:
    """Return what the notice says to do next, as soon as it has come."""
    body = until(lambda: hook.body(title), f"{title!r} is told")
    return str(next(line for line in body.splitlines() if line.startswith("Next: ")))


@typed(
    "core.notices._NEXT: gitrelease -C {where} status",
    "core.notices._NEXT: gitrelease -C {where} history{within}",
    "core.notices._NEXT: gitrelease -C {where} deploy {commit}{to} --approve",
    "core.notices._NEXT: gitrelease -C {where} rollback{within}",
    "core.notices._NEXT: gitrelease -C {where} show {previous}",
)
def test_what_happens_to_releases_is_told_with_what_is_typed_next(spaced: Production, hook: Hook) -> None:
    tell(spaced, urls(hook.url))
    from_elsewhere = spaced.clone()
    ours = f"gitrelease -C {shlex.quote(str(spaced.root))}"

    assert spaced.gitrelease("notify", "test").code == 0
    shown = from_elsewhere.type(next_of(hook, "gitrelease: a test"), f"{ours} status")
    assert "release/1" in shown.out

    broken = spaced.clone("another")
    broken.replace("server.py", 'VERSION = "one"', 'raise SystemExit("no licence")')
    broken.commit("Break it")
    assert broken.push("-o", "approve", "origin", "deploy").code != 0
    read = from_elsewhere.type(next_of(hook, "a candidate was refused"), f"{ours} history")
    assert "no licence" in read.out

    commit = spaced.commit_version("two")
    waits = next_of(hook, "level 2: a change waits")
    assert "needs approval" in from_elsewhere.type(waits, f"{ours} history").out
    assert spaced.live() == "release/1"
    approved = from_elsewhere.type(waits, f"{ours} deploy {commit[:10]} --approve")
    assert (approved.code, spaced.live()) == (0, "release/2"), approved.said

    undone = from_elsewhere.type(next_of(hook, "release/2 is live"), f"{ours} rollback")
    assert (undone.code, spaced.live()) == (0, "release/1"), undone.said
    assert spaced.answer() == "one revenue profit"
    why = from_elsewhere.type(next_of(hook, "production is back at release/1"), f"{ours} show release/2")
    assert "rolled back" in why.out.replace("_", " ")


@typed("core.notices._NEXT_OF_THE_FIRST: gitrelease -C {where} status")
def test_of_the_first_release_nobody_is_told_to_undo_it(checkout: Production, hook: Hook) -> None:
    checkout.init()
    tell(checkout, urls(hook.url))
    checkout.up()

    told = next_of(hook, "release/1 is live")

    assert "rollback" not in told
    assert "release/1" in checkout.type(told, f"gitrelease -C {checkout.root} status").out


@typed(
    "core.notices._NEXT: gitrelease -C {where} ack",
    "core.notices._NEXT: gitrelease -C {where} status",
    "core.notices._NEXT: gitrelease -C {where} rollback RELEASE{within}",
)
def test_who_is_needed_acknowledges_sees_why_and_goes_back_by_name(checkout: Production, hook: Hook) -> None:
    needed = checkout.root.parent / "needed"
    needed.touch()
    checkout.replace("server.py", "import sys\n", f'import sys\n\nopen("{needed}").close()\n')
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    checkout.commit("Need a file")
    checkout.init().up()
    tell(checkout, urls(hook.url))
    checkout.replace("server.py", f'open("{needed}").close()\n', "")
    commit = checkout.commit("Need it no more")
    until(lambda: checkout.state()["waiting"], "it waits")
    assert checkout.gitrelease("deploy", commit, "--approve").code == 0
    needed.unlink()
    checkout.kill(int(checkout.backend("standby")["identity"]["pid"]))

    checkout.kill(checkout.backend_pid())
    failed, stuck = next_of(hook, "release/2 failed its soak"), next_of(hook, "level 2: a person is needed")

    reason = str(checkout.state()["person_needed"])
    ours = f"gitrelease -C {checkout.root}"
    assert "release/1 cannot be brought back" in reason
    assert "acknowledged" in checkout.type(stuck, f"{ours} ack").out
    assert checkout.status()["emergency"]["acknowledged"]
    for said in (failed, stuck):
        assert "release/1 cannot be brought back" in " ".join(checkout.type(said, f"{ours} status").out.split())
    needed.touch()
    back = checkout.type(stuck, f"{ours} rollback RELEASE", RELEASE="release/1")
    assert (back.code, checkout.live()) == (0, "release/1"), back.said
    assert checkout.status()["person_needed"] is None
    assert checkout.answer() == "one revenue profit"


@typed("core.notices._NEXT: gitrelease -C {where} status")
def test_who_hears_of_a_recovery_sees_what_is_served(production: Production, hook: Hook) -> None:
    tell(production, urls(hook.url))
    production.kill(production.agent_pid())
    for pid in (production.front_pid(), production.backend_pid()):
        production.kill(pid)
    production.up()

    told = next_of(hook, "level 4: production was recovered")

    shown = production.type(told, f"gitrelease -C {production.root} status")
    assert (shown.code, production.answer()) == (0, "one revenue profit")
    assert "release/1" in shown.out


@typed(
    "core.notices._NEXT: gitrelease -C {where} doctor",
    "core.notices._NEXT: gitrelease -C {where} doctor --fix",
)
def test_what_the_agent_notices_is_told_with_what_explains_it_and_puts_it_right(
    checkout: Production, hook: Hook, tmp_path: Path
) -> None:
    writing(checkout).init()
    tell(checkout, urls(hook.url))
    ours = f"gitrelease -C {checkout.root}"
    checkout.up()
    checkout.await_idle()

    checkout.commit_term("second")
    files = checkout.type(next_of(hook, "files that will not stay"), f"{ours} doctor")
    assert 'data = ["output/"]' in files.words

    checkout.git("config", "fetch.pruneTags", "true")
    checkout.git("config", "fetch.prune", "true")
    checkout.git("remote", "add", "origin", str(tmp_path / "central.git"))
    checkout.git("tag", "--delete", "release/1")
    tags = checkout.type(next_of(hook, "tags were put back"), f"{ours} doctor")
    assert "fetch.prunetags is set: a fetch deletes the tags of releases" in tags.words

    checkout.git("config", "core.hooksPath", str(tmp_path))
    hooks = checkout.type(next_of(hook, "level 2: pushes are not checked"), f"{ours} doctor --fix")
    assert "hooks" in hooks.said
    until(lambda: not checkout.status()["hooks"]["elsewhere"], "it is put right")
    pushing = checkout.clone()
    pushing.commit_term("third")
    assert "is live" in pushing.push().said


@typed(
    "core.notices._NEXT: gitrelease -C {where} rollback{within}",
    "core.notices._NEXT: gitrelease -C {where} history{within}",
)
def test_what_is_told_of_a_group_is_typed_for_that_group(tmp_path: Path, hook: Hook) -> None:
    grouped = Grouped(tmp_path, SETTINGS)
    production = grouped.production
    try:
        tell(production, urls(hook.url))
        ours = f"gitrelease -C {production.root}"
        grouped.branch_with("two")
        grouped.deploy("next", "--to", "test")
        grouped.await_proved()
        grouped.branch_with("three")
        grouped.deploy("next", "--to", "test")
        undone = production.type(next_of(hook, "release/3 is live"), f"{ours} rollback --in test")
        assert (undone.code, grouped.group()["live"], production.live()) == (0, "release/2", "release/1")

        grouped.developer.replace("server.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
        grouped.developer.commit("broken")
        grouped.developer.push("origin", "HEAD:refs/heads/next")
        assert production.gitrelease("deploy", "next", "--to", "test").code != 0
        why = production.type(next_of(hook, "a candidate was refused"), f"{ours} history --in test")
        assert "it exited with code 3" in why.out
    finally:
        production.clear_away()
