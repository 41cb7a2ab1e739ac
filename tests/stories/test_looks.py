"""What can be looked at: status, history, diff, plan, show; the JSON that scripts rely on."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from typing import Any

import pytest

from gitrelease.commands.history import lines
from gitrelease.core.events import Attempted, AttemptOutcome
from gitrelease.core.memory import RECENT_ATTEMPTS
from gitrelease.core.sheets import missed
from gitrelease.edges import wire
from gitrelease.edges.git import Git
from gitrelease.edges.records import condemn
from gitrelease.release.past import history
from gitrelease.world import open_world
from tests.checkout import SETTINGS, Production, until


def test_status_has_the_promised_shape(production: Production) -> None:
    status = production.status()

    assert set(status) >= {
        "schema", "branch", "live", "last_good", "standby", "soaking", "checkout", "instances", "agent", "lock",
        "frozen", "quarantined", "waiting", "groups",
    }  # fmt: skip
    assert status["schema"] == 1
    assert status["branch"] == "deploy"
    assert set(status["live"]) >= {"release", "commit", "kind", "since"}
    assert status["live"]["kind"] == "major"
    assert set(status["checkout"]) == {"head", "on", "dirty", "in_sync", "git_at_work"}
    assert set(status["instances"][0]) == {
        "name", "group", "url", "port", "pid", "release", "health", "cpu_percent", "memory_mb", "uptime_s",
        "restarts", "at_work",
    }  # fmt: skip
    assert status["instances"][0]["pid"] == production.backend_pid()
    assert status["agent"] == {"running": True, "pid": production.agent_pid()}
    assert status["last_good"] == "release/1"


def test_of_what_went_bad_status_tells_the_newest(checkout: Production) -> None:
    checkout.init()
    git = Git(checkout.root)
    commit = checkout.git("rev-parse", "HEAD")
    for at, key in enumerate("dbca", start=1):
        git.update_refs(
            condemn(git, commit=commit, key=key * 40, reason=f"the bad {at}", at=1_700_000_000.0 + at), reason="test"
        )

    told, said = checkout.status()["quarantined"], checkout.gitrelease("status").out

    assert [item["reason"] for item in told] == ["the bad 1", "the bad 2", "the bad 3", "the bad 4"]
    assert [line.split(": ")[1] for line in said.splitlines() if line.startswith("bad ")] == [
        "the bad 2", "the bad 3", "the bad 4",
    ]  # fmt: skip
    assert "and 1 more: gitrelease status --json" in said


def test_history_has_the_promised_shape_newest_first(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")

    history = production.gitrelease("history", "--json").json

    assert [row["release"] for row in history["releases"]] == ["release/2", "release/1"]
    assert set(history["releases"][0]) == {
        "release", "commit", "kind", "risk", "outcome", "trigger", "by", "at", "summary", "seconds",
        "pinned", "rolled_back", "groups", "pages",
    }  # fmt: skip
    assert history["releases"][0]["summary"] == "terms +1 (second)"
    assert set(history["attempts"][0]) == {"commit", "trigger", "outcome", "over", "reason", "by", "at"}


def test_a_row_of_the_history_has_room_on_a_terminal_of_80_columns_however_long_ago_it_was() -> None:
    row = {
        "outcome": "rolled_back", "kind": "dictionary", "trigger": "push", "by": "Ann Tester", "summary": "terms +1",
        "pinned": False, "groups": ["production"], "rolled_back": None, "pages": [],
    }  # fmt: skip
    rows = [
        {**row, "release": f"release/{number}", "at": time.time() - days * 86_400}
        for number, days in ((101, 0), (100, 3), (99, 40), (9, 700))
    ]

    said = lines({"group": "production", "releases": rows, "attempts": [], "emergencies": []}, 20)

    sign = len("✓ ")
    assert max(map(len, said)) + sign <= 80, said
    assert len({line.index("dictionary") for line in said[::2]}) == 1


def test_history_says_why_a_release_was_rolled_back_and_by_whom(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.gitrelease("rollback", "-m", "it is slow")

    said = production.gitrelease("history").out
    row = production.gitrelease("history", "--json").json["releases"][0]["rolled_back"]
    production.kill(production.agent_pid())  # it would remember
    (production.home / "journal.jsonl").unlink()
    without_journal = production.gitrelease("history").out

    assert f"    rolled back by {row['by']} to release/1: it is slow" in said.splitlines()
    assert (row["reason"], row["to"], row["automatic"]) == ("it is slow", "release/1", False)
    assert "    it is slow" in without_journal.splitlines()


def test_history_comes_as_a_sheet_a_page_and_json(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.gitrelease("rollback", "-m", "=1+1 | <b>")

    sheet = production.gitrelease("history", "--format", "csv", "-n", "1").out
    page = production.gitrelease("history", "--format", "md").out
    same = production.gitrelease("history", "--format", "json").json

    rows = list(csv.DictReader(io.StringIO(sheet, newline="")))
    assert [(row["release"], row["rolled_back_why"]) for row in rows] == [("release/2", "'=1+1 | <b>")]
    assert "| release/2 | " in page
    assert "=1+1 &#124; &lt;b&gt;" in page
    assert same == production.gitrelease("history", "--json").json


def test_an_agent_tells_the_history_that_is_on_the_disk(checkout: Production) -> None:
    checkout.init()
    world = open_world(checkout.root)
    for at in range(5):
        world.journal.append(attempt(at, "refused"))
    for at in range(5, 2 * RECENT_ATTEMPTS + 5):  # an agent no longer remembers the first ones
        world.journal.append(attempt(at, "unchanged"))
    checkout.up()
    checkout.commit_term("second")
    checkout.await_live("release/2")
    checkout.gitrelease("rollback", "-m", "it is slow")
    checkout.await_idle()

    def told(count: int) -> dict[str, Any]:
        asked = {"group": "production", "count": count}
        return wire.ask(checkout.home / "run" / "agent.sock", "history", asked, lambda _: None)

    for count in (1, 3, 20):
        assert told(count) == {**history(world, count), "wrong": None}
    assert [row["reason"] for row in missed(told(3))] == ["the try 4", "the try 3", "the try 2"]
    assert told(3)["releases"][0]["rolled_back"]["reason"] == "it is slow"
    assert checkout.gitrelease("history", "-n", "3", "--in", "nowhere").code == 2

    def shown() -> list[str]:
        forms = ("json", "md", "csv")
        return [checkout.gitrelease("history", "-n", "3", "--format", form).out for form in forms]

    answered, agent = shown(), checkout.agent_pid()
    os.kill(agent, signal.SIGSTOP)
    hanging = checkout.gitrelease("history", "-n", "3", "--json").out
    os.kill(agent, signal.SIGCONT)
    checkout.kill(agent)
    assert answered == shown()
    assert answered[0] == hanging


def test_what_waited_and_was_released_since_is_not_told_as_missed(production: Production) -> None:
    developer = production.clone()
    developer.commit_version("two")
    assert developer.push().code != 0
    commit = developer.git("rev-parse", "HEAD")
    waits = production.gitrelease("history").out

    assert production.gitrelease("deploy", commit, "--approve").code == 0
    told = production.gitrelease("history", "--json").json["attempts"]

    assert f"{commit[:10]} waiting push" in waits
    assert "not released" not in production.gitrelease("history").out
    assert [(row["commit"], row["outcome"], row["over"]) for row in told] == [
        (commit, "released", False),
        (commit, "waiting", True),
        (production.git("rev-parse", "release/1^{}"), "released", False),
    ]


def attempt(at: int, outcome: AttemptOutcome) -> Attempted:
    return Attempted(
        at=1_700_000_000.0 + at, commit="c" * 40, trigger="push", outcome=outcome, reason=f"the try {at}", by="ann"
    )


@pytest.mark.long
def test_two_formats_at_once_are_refused(production: Production) -> None:
    history = production.gitrelease("history", "--json", "--format", "csv")
    show = production.gitrelease("show", "1", "--format", "md")

    assert (history.code, show.code) == (2, 2)
    assert "Leave one of them out" in history.words
    assert "gitrelease show 1 --log --format md" in show.words


def test_the_deployment_log_is_filled_in_from_what_happened(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("second")
    developer.push()
    production.await_idle()
    good = production.gitrelease("show", "2", "--log").out
    page = production.gitrelease("show", "2", "--log", "--format", "md").out
    production.gitrelease("drill")
    production.write("server.py", "an edit that makes way\n")
    production.gitrelease("rollback", "-m", "it is slow")

    first = production.gitrelease("show", "1", "--log").out
    second = production.gitrelease("show", "2", "--log", "--json").json

    assert "- Status: SUCCESS" in good
    assert "- To go back: gitrelease rollback (to release/1)" in good
    assert "+ second" in good
    assert "came through its soak" in good
    assert page.startswith("# Deployment log\n")
    assert "- **Operator:** Ann Tester" in page
    assert "rehearsed, well" in first
    assert "production came back from release/2" in first
    assert "tag backup/" in first
    entries = {entry["label"]: entry["value"] for section in second["log"] for entry in section["entries"]}
    assert entries["Status"] == "ROLLED BACK"
    assert entries["Why"] == "it is slow"
    assert entries["To go back"] == "gitrelease rollback release/2 (to this one; production serves release/1)"


def test_diff_tells_terms_and_lines_of_any_two_commits_without_init(checkout: Production) -> None:
    first = checkout.git("rev-parse", "HEAD")
    second = checkout.commit_term("carbon footprint")

    ended = checkout.gitrelease("diff", first, second, "--json")

    assert ended.code == 0
    assert ended.json == {
        "schema": 1,
        "from": first,
        "to": second,
        "kind": "dictionary",
        "kinds": ["dictionary"],
        "risk": "low",
        "regions": [
            {
                "region": "terms", "kind": "dictionary", "file": "server.py", "old_lines": [4, 7], "new_lines": [4, 8],
                "added": ["carbon footprint"], "removed": [], "changed": [],
            }
        ],
        "other": [],
    }  # fmt: skip


def test_diff_answers_for_content_that_does_not_parse(checkout: Production) -> None:
    first = checkout.git("rev-parse", "HEAD")
    checkout.replace("server.py", "TERMS = [", "TERMS = [[[")
    second = checkout.commit()

    found = checkout.gitrelease("diff", first, second, "--json").json

    assert found["kind"] == "major"
    assert "does not parse" in found["other"][0]["why"]


def test_diff_of_the_worktree_compares_live_with_what_is_on_disk(production: Production) -> None:
    production.replace("server.py", "TERMS = [", "TERMS = undefined + [")

    found = production.gitrelease("diff", "--worktree", "--json").json

    assert found["kind"] == "major"
    assert found["from"] == production.git("rev-parse", "refs/gitrelease/live^{commit}")


def test_a_region_given_as_a_line_range_is_followed_from_its_revision(checkout: Production) -> None:
    at = checkout.git("rev-parse", "HEAD")
    settings = SETTINGS.replace('assign = "TERMS"', f'lines = [5, 6]\nat = "{at}"')
    checkout.write("gitrelease.toml", settings)
    checkout.replace("server.py", "import sys\n", "import sys\n\n# moved\n# down\n")
    before = checkout.commit("Move everything down")
    after = checkout.commit_term("followed")

    found = checkout.gitrelease("diff", before, after, "--json").json

    assert found["kind"] == "dictionary"
    assert [(one["region"], one["old_lines"]) for one in found["regions"]] == [("terms", [8, 9])]


def test_a_region_of_a_revision_that_is_not_there_is_refused_and_bars_no_way(production: Production) -> None:
    developer = production.clone()
    developer.write("gitrelease.toml", SETTINGS.replace('assign = "TERMS"', 'lines = [5, 6]\nat = "nosuch"'))
    developer.commit("Name a line range")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "region terms: there is no revision nosuch here" in pushed.words
    developer.git("reset", "--quiet", "--hard", "origin/deploy")
    developer.commit_term("after")
    assert developer.push().code == 0


def test_a_region_whose_revision_was_lost_makes_its_lines_major(checkout: Production) -> None:
    checkout.git("tag", "then")
    checkout.write("gitrelease.toml", SETTINGS.replace('assign = "TERMS"', 'lines = [5, 6]\nat = "then"'))
    before = checkout.commit("Name a line range")
    after = checkout.commit_term("followed")
    checkout.git("tag", "--delete", "then")

    assert checkout.gitrelease("diff", before, after, "--json").json["kind"] == "major"
    assert "there is no revision then here" in checkout.gitrelease("regions").said


def test_a_plan_says_what_it_means_and_takes(production: Production) -> None:
    developer = production.clone()
    developer.commit_version("two")
    developer.push("origin", "HEAD:candidate")

    plan = production.gitrelease("plan", "candidate", "--json").json
    words = production.gitrelease("deploy", "candidate", "--dry-run")

    assert (plan["kind"], plan["risk"], plan["approval_needed"]) == ("major", "high", True)
    assert plan["expected_seconds"] > 0
    assert words.code == 0
    assert "approval  needed" in words.out
    assert production.live() == "release/1"


def test_show_tells_everything_of_one_release(production: Production) -> None:
    developer = production.clone()
    commit = developer.commit_term("second")
    developer.push()
    production.gitrelease("rollback", "-m", "wrong")

    told = production.gitrelease("show", "release/2", "--json").json

    assert (told["commit"], told["outcome"], told["bad"], told["previous"]) == (
        commit, "rolled_back", "wrong", "release/1",
    )  # fmt: skip
    assert told["diff"]["regions"][0]["added"] == ["second"]
    assert "Ann Tester" in production.gitrelease("show", "2").out


@pytest.mark.long
def test_an_unknown_release_cannot_be_shown(production: Production) -> None:
    ended = production.gitrelease("show", "release/9")

    assert ended.code == 2
    assert "gitrelease history" in ended.words


@pytest.mark.parametrize("verb", ["status", "history", "plan", "diff", "show release/1"])
def test_what_only_looks_works_without_an_agent(production: Production, verb: str) -> None:
    production.gitrelease("down")

    ended = production.gitrelease(*verb.split(), "--json")

    assert ended.code == 0, ended.said
    assert ended.json["schema"] == 1
    assert not (production.home / "run" / "agent.sock").exists()


def test_hostile_names_are_shown_as_text(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", '"revenue",', '"revenue", "\\x1b[31mred\\nKind: major",')
    developer.git("config", "user.name", "x")
    developer.commit("\x1b]0;title\x07 <b>bold</b>")
    developer.push()
    until(lambda: production.live() == "release/2")

    for verb in ("status", "history", "show release/2"):
        assert "\x1b" not in production.gitrelease(*verb.split()).said
    assert "\x1b" not in production.git("cat-file", "-p", "release/2")
