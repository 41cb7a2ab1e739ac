"""What is said where production, or a part of it, cannot go back: typed as it stands, it finds the way."""

from __future__ import annotations

from pathlib import Path

from tests.checkout import SERVER, SETTINGS, Clone, Production, make_checkout, until
from tests.remedies import typed
from tests.stories.test_groups import Grouped


def push(developer: Clone, message: str) -> None:
    developer.commit(message)
    pushed = developer.push("-o", "approve", "origin", "deploy")
    assert pushed.code == 0, pushed.said


@typed(
    "release.going_back._others: gitrelease history{within}",
    "release.going_back._others: gitrelease rollback RELEASE{within}",
)
def test_where_the_release_before_cannot_be_brought_back_another_one_can(production: Production) -> None:
    needed = production.root.parent / "needed"
    needed.touch()
    developer = production.clone()
    developer.replace("server.py", "import sys\n", f'import sys\n\nopen("{needed}").close()\n')
    push(developer, "Need a file")
    developer.replace("server.py", f'open("{needed}").close()\n', "")
    push(developer, "Need it no more")
    production.await_idle()
    needed.unlink()
    production.kill(int(production.backend("standby")["identity"]["pid"]))

    refused = production.gitrelease("rollback")

    assert refused.code == 3
    assert "release/2 cannot be brought back" in refused.words
    assert "release/1" in production.type(refused.said, "gitrelease history").out
    back = production.type(refused.said, "gitrelease rollback RELEASE", RELEASE="release/1")
    assert (back.code, production.live()) == (0, "release/1"), back.said
    assert production.answer() == "one revenue profit"


@typed(
    "release.going_back._others: gitrelease history{within}",
    "release.going_back._others: gitrelease rollback RELEASE{within}",
    "release.promotion.promote: gitrelease rollback{within}",
    "release.going_back.go_back: gitrelease history{within}",
)
def test_a_group_that_has_no_older_release_finds_one_by_its_name(tmp_path: Path) -> None:
    grouped = Grouped(tmp_path, SETTINGS)
    production = grouped.production
    try:
        grouped.branch_with("two")
        grouped.deploy("next", "--to", "test")
        grouped.await_proved()
        grouped.branch_with("three")
        deployed = production.gitrelease("deploy", "next", "--to", "test")
        undone = production.type(deployed.said, "gitrelease rollback --in test")
        assert (undone.code, grouped.group()["live"]) == (0, "release/2"), undone.said
        assert "release/3" in production.type(undone.said, "gitrelease history --in test").out
        assert production.gitrelease("rollback", "--in", "test").code == 0
        assert grouped.group()["live"] == "release/1"

        refused = production.gitrelease("rollback", "--in", "test")

        assert "there is no older release that is not bad" in refused.words
        assert "release/3" in production.type(refused.said, "gitrelease history --in test").out
        back = production.type(refused.said, "gitrelease rollback RELEASE --in test", RELEASE="release/3")
        assert (back.code, grouped.group()["live"], production.live()) == (0, "release/3", "release/1"), back.said
    finally:
        production.clear_away()


@typed(
    "release.takeback._spliced: git diff {name} {name} -- {path}",
    "release.takeback._spliced: gitrelease rollback {name}{within}",
)
def test_a_part_that_cannot_be_taken_back_alone_is_looked_at_and_taken_back_as_a_whole(checkout: Production) -> None:
    others = '[[region]]\nname = "others"\nkind = "dictionary"\nassign = "OTHERS"\n'
    checkout.write("gitrelease.toml", f"{checkout.read('gitrelease.toml')}\n{others}")
    checkout.commit("One more region")
    checkout.init().up()
    developer = checkout.clone()
    developer.replace("server.py", "TERMS = [", 'OTHERS = ["one"]\nTERMS = [')
    push(developer, "Others")
    developer.replace("server.py", '["one"]', '["one", "two"]')
    push(developer, "More of them")
    checkout.await_idle()

    refused = checkout.gitrelease("rollback", "release/1", "--only", "others")

    assert refused.code == 3, refused.said
    assert "others cannot be taken back alone" in refused.words
    assert checkout.live() == "release/3"
    assert '-OTHERS = ["one", "two"]' in checkout.type(refused.said, "git diff release/3 release/1 -- server.py").out
    back = checkout.type(refused.said, "gitrelease rollback release/1")
    assert (back.code, checkout.live()) == (0, "release/1"), back.said


@typed(
    "release.takeback._spliced: gitrelease rollback {name}{within}",
    "release.takeback.equal_there: gitrelease rollback {name} --only {only}{within}",
)
def test_a_part_is_taken_back_from_the_release_that_is_named(tmp_path: Path) -> None:
    words = '[[region]]\nname = "words"\nkind = "dictionary"\nfile = "words.py"\nassign = "WORDS"\n'
    files = {"server.py": SERVER, "gitrelease.toml": f"{SETTINGS}\n{words}", "README.md": "The app\n"}
    production = make_checkout(tmp_path, files)
    try:
        production.init().up()
        developer = production.clone()
        developer.commit_term("second")
        assert developer.push().code == 0
        developer.write("words.py", 'WORDS = ["a"]\n')
        push(developer, "Words")
        developer.write("words.py", 'WORDS = ["a", "b"]\n')
        push(developer, "More words")
        production.await_idle()

        same = production.gitrelease("rollback", "--only", "terms")
        assert "terms is the same in release/3" in same.words
        part = production.type(same.said, "gitrelease rollback release/1 --only terms")
        assert part.code == 0, part.said
        assert production.answer() == "one revenue profit"
        assert '"b"' in production.git("show", "deploy:words.py")

        refused = production.gitrelease("rollback", "release/1", "--only", "words")
        assert "words.py is not in release/1" in refused.words
        back = production.type(refused.said, "gitrelease rollback release/1")
        assert (back.code, production.live()) == (0, "release/1"), back.said
    finally:
        production.clear_away()


@typed("release.drill.drill: df -h", "release.drill.drill: free -m", "release.drill.drill: gitrelease drill")
def test_a_rehearsal_that_has_no_room_goes_through_once_there_is(production: Production) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    host = production.home / "host.toml"
    written = host.read_text()
    host.write_text(f"{written}\n[limits]\ndisk_mb = 99999999\n")

    refused = production.gitrelease("drill")

    assert refused.code == 3
    assert "there is no room for a rehearsal: the disk has" in refused.words
    assert "%" in production.type(refused.said, "df -h").out
    assert "Mem:" in production.type(refused.said, "free -m").out
    host.write_text(written)
    drilled = production.type(refused.said, "gitrelease drill")
    assert drilled.code == 0, drilled.said
    assert production.status()["drill"]["last_worked"]
    assert production.live() == "release/2"


@typed("release.bisect.bisect: gitrelease blame TERM")
def test_the_history_of_an_app_without_a_replay_is_searched_by_hand(production: Production) -> None:
    production.commit_term("margin")
    production.await_live("release/2")
    text = production.root.parent / "text.txt"
    text.write_text("The margin is 3\n")

    refused = production.gitrelease("bisect", str(text))

    assert "server.py has no replay" in refused.words
    blamed = production.type(refused.said, "gitrelease blame TERM", TERM="margin")
    assert blamed.code == 0, blamed.said
    assert "release/2" in blamed.out


@typed("release.preparing._live_is_lost: git update-ref {ref} $(git rev-parse {name})")
def test_a_pointer_that_is_lost_is_put_back_and_the_push_goes_through(production: Production) -> None:
    developer = production.clone()
    tag = production.git("rev-parse", "refs/gitrelease/live")
    production.gitrelease("freeze")
    production.git("update-ref", "-d", "refs/gitrelease/live")
    developer.commit_term("second")

    refused = developer.push()

    assert refused.code != 0
    assert "refs/gitrelease/live does not name it any more" in refused.words
    mended = production.type(refused.said, "git update-ref refs/gitrelease/live $(git rev-parse release/1)")
    assert (mended.code, production.git("rev-parse", "refs/gitrelease/live")) == (0, tag), mended.said
    production.gitrelease("unfreeze")
    assert developer.push().code == 0
    until(lambda: production.live() == "release/2", "it is live")
