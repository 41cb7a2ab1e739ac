"""Groups of instances: what was tried in one is carried to the next as it is; production has what it was given."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import SERVER, SETTINGS, Place, Production, make_checkout, reserved_port, until
from tests.remedies import typed
from tests.stories.test_cold_start import NEEDS
from tests.stories.test_instances import answer
from tests.whole import Users

VIA = SETTINGS.replace(
    '[policy.major]\nsoak = "300ms"', '[policy.major]\nautomation = "auto"\nsoak = "300ms"\nvia = "test"'
)


class Grouped:
    """A production checkout with one instance for users and two for tests."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.production: Production = make_checkout(
            folder, {"server.py": SERVER, "gitrelease.toml": settings, "README.md": "The app\n"}
        )
        self.production.init()
        self.ports = {"test-1": reserved_port(), "test-2": reserved_port()}
        with (self.production.home / "host.toml").open("a") as host:
            for name, port in self.ports.items():
                host.write(f'\n[[instance]]\nname = "{name}"\nport = {port}\ngroup = "test"\n')
        self.production.others = {name: Place(port, group="test") for name, port in self.ports.items()}
        self.production.up()
        self.production.await_idle()
        self.developer = self.production.clone()

    def group(self) -> dict[str, object]:
        found: dict[str, object] = self.production.status()["groups"][0]
        return found

    def await_proved(self) -> None:
        until(lambda: (now := self.group())["live"] == now["last_good"] is not None, "it proves good there")

    def branch_with(self, term: str) -> str:
        """Push a change under another name than the deploy branch; return its commit."""
        commit = self.developer.commit_version(term)
        pushed = self.developer.push("origin", "HEAD:refs/heads/next")
        assert pushed.code == 0, pushed.said
        return commit

    def deploy(self, *arguments: str) -> None:
        ended = self.production.gitrelease("deploy", *arguments)
        assert ended.code == 0, ended.said


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[Grouped]:
    made = Grouped(tmp_path, SETTINGS)
    yield made
    made.production.clear_away()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Grouped]:
    made = Grouped(tmp_path, VIA)
    yield made
    made.production.clear_away()


def test_a_release_to_a_group_leaves_production_and_its_branch_alone(grouped: Grouped) -> None:
    production = grouped.production
    head = production.git("rev-parse", "deploy")
    commit = grouped.branch_with("two")

    grouped.deploy("next", "--to", "test")

    assert answer(grouped.ports["test-1"]) == answer(grouped.ports["test-2"]) == "two revenue profit"
    assert production.answer() == "one revenue profit"
    assert (production.live(), production.git("rev-parse", "deploy")) == ("release/1", head)
    assert production.git("rev-parse", "release/2^{commit}") == commit
    assert production.git("status", "--porcelain") == ""
    told = production.gitrelease("status").said
    assert "group     test serves release/2" in told
    assert "healthy, test release/2" in told
    rows = {row["name"]: (row["group"], row["release"]) for row in production.status()["instances"]}
    assert rows == {
        "primary": ("production", "release/1"),
        "test-1": ("test", "release/2"),
        "test-2": ("test", "release/2"),
    }


def test_the_same_release_is_carried_on_to_production(grouped: Grouped) -> None:
    production = grouped.production
    commit = grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    tag = production.git("rev-parse", "refs/tags/release/2")

    grouped.deploy("release/2", "--approve")

    assert production.answer() == "two revenue profit"
    assert production.git("rev-parse", "refs/gitrelease/live") == tag
    assert production.git("rev-parse", "deploy") == commit
    assert production.git("tag", "--list", "release/*").split() == ["release/1", "release/2"]
    production.await_idle()
    assert [row["release"] for row in production.gitrelease("history", "--json").json["releases"]] == [
        "release/2", "release/1",
    ]  # fmt: skip


def test_a_rollback_of_production_never_goes_to_what_only_a_group_has_had(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    grouped.developer.git("reset", "--quiet", "--hard", "origin/deploy")
    grouped.developer.commit_term("margin")
    assert grouped.developer.push().code == 0
    assert production.live() == "release/3"

    back = production.gitrelease("rollback", "--json").json

    assert back["release"] == "release/1"


def test_a_group_goes_back_by_itself_and_by_hand(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    grouped.await_proved()
    grouped.branch_with("three")
    grouped.deploy("next", "--to", "test")
    assert grouped.group()["live"] == "release/3"

    back = production.gitrelease("rollback", "--in", "test")

    assert back.code == 0, back.said
    assert answer(grouped.ports["test-2"]) == "two revenue profit"
    assert production.answer() == "one revenue profit"


def test_what_a_group_never_had_is_not_live_again_there(grouped: Grouped) -> None:
    grouped.production.commit_term("second")
    grouped.production.await_live("release/2")
    grouped.production.await_idle()
    grouped.deploy("release/2", "--to", "test")

    first = grouped.production.gitrelease("rollback", "--in", "test")
    grouped.deploy("release/2", "--to", "test")
    again = grouped.production.gitrelease("rollback", "--in", "test")

    assert first.code == 0, first.said
    assert "release/1 is live on" in first.words
    assert "release/1 is live again on" in again.words


@pytest.mark.long
def test_a_group_comes_up_again_with_production(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    assert production.gitrelease("down").code == 0
    assert not production.marked()

    production.up()

    assert answer(grouped.ports["test-1"]) == "two revenue profit"
    assert production.answer() == "one revenue profit"


def test_an_agent_that_was_killed_adopts_a_group(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    before = {row["name"]: row["pid"] for row in production.status()["instances"]}
    production.kill(production.agent_pid())

    production.gitrelease("up")

    assert {row["name"]: row["pid"] for row in production.status()["instances"]} == before


@typed(
    "release.way.way_missing: git push REMOTE {commit}:refs/heads/NAME",
    "release.way.way_missing: gitrelease deploy NAME --to {via}",
    "release.way.way_missing: gitrelease deploy RELEASE",
)
def test_a_policy_sends_a_kind_through_a_group_first(guarded: Grouped) -> None:
    production = guarded.production
    commit = guarded.developer.commit_version("two")

    refused = guarded.developer.push()
    guarded.developer.git("checkout", "--quiet", "-B", "else", "origin/deploy")
    aside = guarded.developer.type(
        refused.said, f"git push REMOTE {commit[:10]}:refs/heads/NAME", REMOTE="origin"
    )  # whatever is checked out by now
    tried = production.type(refused.said, "gitrelease deploy NAME --to test")
    guarded.await_proved()
    carried = production.type(refused.said, "gitrelease deploy RELEASE", RELEASE="release/2")

    said = refused.words
    assert refused.code != 0
    assert "a major change goes to test first, and this has not proved good there (policy.major.via)" in said
    assert (aside.code, tried.code) == (0, 0), aside.said + tried.said
    assert carried.code == 0, carried.said
    assert production.live() == "release/2"
    assert production.git("rev-parse", "deploy") == commit


@typed(
    "release.way.way_missing: gitrelease deploy {commit} --to {via}",
    "release.way.way_missing: gitrelease deploy RELEASE",
)
def test_what_comes_by_itself_waits_for_the_group_and_status_says_what_to_type(guarded: Grouped) -> None:
    production = guarded.production
    commit = production.commit_version("two")

    until(lambda: production.status()["waiting"], "the commit waits")
    shown = production.gitrelease("status").out

    assert "a major change goes to test first, and this has not proved good there (policy.major.via)" in shown
    assert "--approve" not in shown
    tried = production.type(shown, f"gitrelease deploy {commit[:10]} --to test")
    assert (tried.code, production.live()) == (0, "release/1"), tried.said
    guarded.await_proved()
    carried = production.type(shown, "gitrelease deploy RELEASE", RELEASE="release/2")
    assert carried.code == 0, carried.said
    assert production.live() == "release/2"
    assert not production.status()["waiting"]


def test_what_has_proved_good_in_the_group_may_be_pushed(guarded: Grouped) -> None:
    guarded.branch_with("two")
    guarded.deploy("next", "--to", "test")
    guarded.await_proved()

    pushed = guarded.developer.push()

    assert pushed.code == 0, pushed.said
    assert guarded.production.answer() == "two revenue profit"


@pytest.mark.long
def test_a_way_through_a_group_that_is_none_is_said_by_the_refusal_and_by_doctor(tmp_path: Path) -> None:
    made = Grouped(tmp_path, VIA.replace('via = "test"', 'via = "nowhere"'))
    try:
        made.developer.commit_version("two")
        refused = made.developer.push()
        looked = made.production.gitrelease("doctor")
        attempts = made.production.gitrelease("history", "--json").json["attempts"]
    finally:
        made.production.clear_away()

    said = refused.words
    assert refused.code != 0
    for told in (said, looked.words):
        assert "policy.major.via is 'nowhere', and no instance beside production is in such a group" in told
        assert "put an instance into it: instance.group" in told
    assert attempts[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy", "--to", "nowhere"), "there is no group 'nowhere'"),
        (("restart", "nowhere"), "there is no instance 'nowhere'"),
    ],
    ids=["deploy", "restart"],
)
def test_a_group_that_is_none_is_named(grouped: Grouped, arguments: tuple[str, ...], said: str) -> None:
    ended = grouped.production.gitrelease(*arguments)

    assert ended.code != 0
    assert said in ended.words
    assert "test" in ended.words.split(said)[1]


@typed("agent.groups.Groups.released_to: gitrelease deploy --to {name}")
def test_a_group_that_serves_nothing_yet_gets_what_is_live_as_is_said(grouped: Grouped) -> None:
    production = grouped.production
    before = production.git("rev-parse", "refs/gitrelease/live", "deploy")
    refused = production.gitrelease("rollback", "--in", "test")

    given = production.type(refused.said, "gitrelease deploy --to test")

    assert refused.code != 0
    assert "group test serves nothing yet" in refused.words
    assert given.code == 0, given.said
    assert answer(grouped.ports["test-1"]) == answer(grouped.ports["test-2"]) == "one revenue profit"
    assert production.git("rev-parse", "refs/gitrelease/live", "deploy") == before


def test_a_group_whose_first_release_is_refused_is_down_again(grouped: Grouped) -> None:
    grouped.developer.replace("server.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
    grouped.developer.commit("broken")
    grouped.developer.push("origin", "HEAD:refs/heads/next")

    ended = grouped.production.gitrelease("deploy", "next", "--to", "test")

    assert ended.code == 3, ended.said
    assert "it exited with code 3" in ended.words
    assert grouped.group()["live"] is None
    until(lambda: len(grouped.production.marked()) == 2, "nothing but the front and the backend of production runs")


def test_restart_takes_a_group(grouped: Grouped) -> None:
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    before = {row["name"]: row["pid"] for row in grouped.production.status()["instances"]}

    ended = grouped.production.gitrelease("restart", "test", "--json")

    after = {row["name"]: row["pid"] for row in grouped.production.status()["instances"]}
    assert ended.code == 0, ended.said
    assert (ended.json["release"], ended.json["group"]) == ("release/2", "test")
    assert {name for name in before if before[name] != after[name]} == {"test-1", "test-2"}
    every = grouped.production.gitrelease("restart", "all").out
    assert "restarted: release/1 runs in a new process, pid " in every
    assert "; in test release/2 runs in new processes, pids " in every


@pytest.mark.long
def test_a_group_that_did_not_come_up_does_when_up_is_asked_again(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    assert production.gitrelease("down").code == 0
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", grouped.ports["test-2"]))
        stranger.listen()
        assert "group test does not come up" in production.gitrelease("up").said
        refused = production.gitrelease("restart", "test")
    before = production.backend_pid()

    again = production.gitrelease("up")

    assert "group test did not come up" in refused.words
    assert "gitrelease up" in refused.words
    assert again.code == 0, again.said
    assert answer(grouped.ports["test-1"]) == answer(grouped.ports["test-2"]) == "two revenue profit"
    assert production.backend_pid() == before


@pytest.mark.long
def test_a_group_that_is_set_while_production_serves_gets_what_it_is_given(grouped: Grouped) -> None:
    production = grouped.production
    port = reserved_port()
    production.others = {"canary-1": Place(port, group="canary")}
    production.set_instances()

    grouped.deploy("release/1", "--to", "canary")

    assert answer(port) == "one revenue profit"
    assert "no instance names canary" not in production.gitrelease("status").out


@pytest.mark.long
def test_a_group_that_no_instance_names_any_more_can_go_back_as_long_as_it_serves(grouped: Grouped) -> None:
    production = grouped.production
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test")
    production.others = {}
    production.set_instances()
    grouped.developer.git("reset", "--quiet", "--hard", "origin/deploy")
    grouped.developer.commit_term("margin")
    assert grouped.developer.push().code == 0

    ended = production.gitrelease("rollback", "--in", "test")

    assert ended.code == 0, ended.said
    assert answer(grouped.ports["test-1"]) == "one revenue profit"


@pytest.mark.long
def test_a_release_that_takes_its_group_out_of_the_settings_serves_there_all_the_same(tmp_path: Path) -> None:
    port, others = reserved_port(), reserved_port()
    users = f'\n[[instance]]\nname = "primary"\nport = {port}\n'
    testers = f'\n[[instance]]\nname = "test-1"\nport = {others}\ngroup = "test"\n'
    production = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": SETTINGS + users + testers})
    production.port = port
    assert production.gitrelease("init", "--python", sys.executable).code == 0
    production.up()
    try:
        developer = production.clone()
        developer.write("gitrelease.toml", SETTINGS + users)
        developer.commit_version("two")
        developer.push("origin", "HEAD:refs/heads/next")
        assert production.gitrelease("deploy", "next", "--to", "test").code == 0
        with Users(production, others) as served:
            production.kill(production.agent_pid())
            came = production.gitrelease("up")
            served.came("two revenue profit")

        assert came.code == 0, came.said
        assert served.failed == []
        assert {row["name"]: row["release"] for row in production.status()["instances"]}["test-1"] == "release/2"
    finally:
        production.clear_away()


def test_whether_a_new_process_of_a_group_starts_is_tried_once_and_written_down(
    grouped: Grouped, tmp_path: Path
) -> None:
    installed = tmp_path / "thelib"
    installed.write_text("1")
    needs = NEEDS.format(place=str(installed), fits="1")
    grouped.developer.replace("server.py", "import sys\n", f"import sys\n{needs}")
    grouped.developer.write("requirements.txt", "thelib==1\n")
    grouped.branch_with("two")
    grouped.deploy("next", "--to", "test", "--approve")
    grouped.await_proved()
    installed.write_text("2")
    grouped.developer.replace("server.py", "in '1'", "in '2'")
    grouped.developer.write("requirements.txt", "thelib==2\n")
    grouped.branch_with("three")
    grouped.deploy("next", "--to", "test", "--approve")
    grouped.await_proved()

    back = grouped.production.gitrelease("rollback", "--in", "test")

    assert back.code == 0, back.said
    assert "release/3 needs other packages, whether release/2 starts anew is tried" in back.words
    journal = grouped.production.home / "groups" / "test" / "journal.jsonl"
    tried = until(lambda: [line for line in journal.read_text().splitlines() if '"start_tried"' in line])
    assert len(tried) == 1
    status = grouped.production.type(back.said, "gitrelease status").words
    doctor = grouped.production.gitrelease("doctor")
    for said in (status, doctor.words):
        assert "no new process of release/2 in test has been shown to start: " in said
        assert "ImportError: thelib" in said
    installed.write_text("1")
    restarted = grouped.production.type(doctor.said, "gitrelease restart test")
    assert restarted.code == 0, restarted.said
    assert "has been shown to start" not in grouped.production.gitrelease("status").out
