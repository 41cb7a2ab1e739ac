"""Work on disk is kept and comes back; old releases go, needed ones stay; a rollback can be rehearsed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gitrelease.edges import backends, process_table
from tests.checkout import Production, until
from tests.remedies import typed


def releases(production: Production) -> list[str]:
    return sorted(production.git("tag", "--list", "release/*").split(), key=lambda name: int(name.split("/")[1]))


def release_terms(production: Production, *terms: str) -> None:
    """Release a term each, by hand: faster than to wait for what the agent finds by itself."""
    production.gitrelease("freeze")
    for term in terms:
        commit = production.commit_term(term)
        deployed = production.gitrelease("deploy", commit)
        assert deployed.code == 0, deployed.said
    production.gitrelease("unfreeze")


# -- snapshot and restore --------------------------------------------------------------------------------------------


def test_a_snapshot_keeps_edits_new_files_and_what_git_ignores(checkout: Production) -> None:
    checkout.write(".gitignore", "*.json\n")
    checkout.commit("Ignore")
    checkout.init()
    checkout.write("schema.json", '{"page": 1}')
    checkout.write("server.py", "broken (\n")
    checkout.write("notes.txt", "not added\n")

    kept = checkout.gitrelease("snapshot", "-m", "before the audit", "--json").json["backup"]

    assert checkout.git("show", f"{kept}:schema.json") == '{"page": 1}'
    assert checkout.git("show", f"{kept}:server.py") == "broken ("
    assert checkout.git("show", f"{kept}:notes.txt") == "not added"
    assert checkout.git("for-each-ref", "--format=%(contents:subject)", f"refs/tags/{kept}") == "before the audit"
    assert checkout.git("status", "--porcelain").split() == ["M", "server.py", "??", "notes.txt"]


@typed("edges.tag_copies.way_back: gitrelease restore {name}")
def test_a_backup_says_how_it_comes_back(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "broken (\n")
    checkout.write("notes.txt", "not added\n")
    kept = checkout.gitrelease("snapshot", "--json").json["backup"]
    checkout.git("restore", "server.py")
    (checkout.root / "notes.txt").unlink()

    told = checkout.git("cat-file", "-p", kept)

    restored = checkout.type(told, f"gitrelease restore {kept}")
    assert restored.code == 0, restored.said
    assert (checkout.read("server.py"), checkout.read("notes.txt")) == ("broken (\n", "not added\n")


def test_there_is_nothing_to_keep_where_all_is_committed(production: Production) -> None:
    ended = production.gitrelease("snapshot")

    assert ended.code == 0
    assert "nothing to keep" in ended.out
    assert production.git("tag", "--list", "backup/*") == ""


def test_restored_work_is_an_edit_again_and_what_lay_there_is_kept(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "one way\n")
    checkout.write("notes.txt", "a note\n")
    first = checkout.gitrelease("snapshot", "--json").json["backup"]
    checkout.write("server.py", "another way\n")
    (checkout.root / "notes.txt").unlink()

    ended = checkout.gitrelease("restore", first, "--json")

    assert ended.code == 0, ended.said
    assert checkout.read("server.py") == "one way\n"
    assert checkout.read("notes.txt") == "a note\n"
    assert checkout.git("show", f"{ended.json['backup']}:server.py") == "another way"


def test_a_restored_edit_is_released_like_any_other(production: Production) -> None:
    production.gitrelease("freeze")
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "kept",\n')
    kept = production.gitrelease("snapshot", "--json").json["backup"]
    production.git("checkout", "--", "server.py")
    production.gitrelease("unfreeze")

    production.gitrelease("restore", kept)

    production.await_live("release/2")
    assert "kept" in production.answer()


def test_a_backup_that_is_not_there_is_refused_with_those_that_are(production: Production) -> None:
    production.write("notes.txt", "x\n")
    kept = production.gitrelease("snapshot", "--json").json["backup"]

    ended = production.gitrelease("restore", "yesterday")

    assert ended.code == 2
    assert "there is no backup 'yesterday'" in ended.words
    assert kept in ended.words


# -- prune -----------------------------------------------------------------------------------------------------------


def test_prune_drops_what_is_old_and_nothing_that_is_needed(production: Production) -> None:
    release_terms(production, "two", "three", "four", "five", "six")
    production.await_idle()
    production.gitrelease("pin", "release/2")

    would = production.gitrelease("prune", "--keep", "1", "--dry-run", "--json").json
    before = releases(production)
    (production.home / "baselines" / f"{'0' * 40}.json").write_text("{}")
    done = production.gitrelease("prune", "--keep", "1", "--json").json

    assert before == [f"release/{number}" for number in range(1, 7)]
    assert would["dropped"] == done["dropped"] == ["release/1", "release/3", "release/4"]
    assert releases(production) == ["release/2", "release/5", "release/6"]
    assert [row["release"] for row in production.gitrelease("history", "--json").json["releases"]] == [
        "release/6",
        "release/5",
        "release/2",
    ]
    commits = {production.git("rev-parse", f"release/{number}^{{commit}}") for number in (2, 5, 6)}
    assert {one.stem for one in (production.home / "baselines").glob("*.json")} == commits
    assert production.gitrelease("rollback").code == 0
    assert production.live() == "release/5"


@pytest.mark.long
def test_failed_releases_are_counted_apart_and_numbers_are_given_once(production: Production) -> None:
    release_terms(production, "two", "three")
    assert production.gitrelease("rollback", "release/1").code == 0

    done = production.gitrelease("prune", "--keep", "1", "--json").json
    production.commit_term("next")

    assert done["dropped"] == []  # release/2 is good, release/3 bad: one of each, and release/1 is live
    production.await_live("release/4")


@pytest.mark.long
def test_an_unpinned_release_goes(production: Production) -> None:
    release_terms(production, "two", "three", "four")
    production.gitrelease("pin", "1")
    production.gitrelease("unpin", "1")
    production.await_idle()

    done = production.gitrelease("prune", "--keep", "1", "--json").json

    assert done["dropped"] == ["release/1", "release/2"]


@pytest.mark.long
def test_prune_packs_the_loose_objects_of_a_host_that_is_only_edited(production: Production) -> None:
    folder = production.root.parent / "blobs"
    folder.mkdir()
    for number in range(7_500):
        (folder / str(number)).write_text(f"blob {number}")
    names = "".join(f"{folder}/{number}\n" for number in range(7_500))
    ids = fed(production, names, "hash-object", "-w", "--stdin-paths")
    tree = fed(production, "".join(f"100644 blob {name}\t{name}\n" for name in ids.split()), "mktree")
    production.git("tag", "many", tree.strip())

    ended = production.gitrelease("prune")

    assert ended.code == 0, ended.said
    assert loose_objects(production) < 100
    assert len(production.git("ls-tree", "many").splitlines()) == 7_500


def fed(production: Production, given: str, *arguments: str) -> str:
    """Return what a git command says to what it is given on its standard input."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=production.root, input=given, text=True, capture_output=True, check=True).stdout


def loose_objects(production: Production) -> int:
    return int(production.git("count-objects").split()[0])


@pytest.mark.long
def test_prune_works_without_an_agent(production: Production) -> None:
    release_terms(production, "two", "three", "four")
    production.await_idle()
    production.gitrelease("down")

    done = production.gitrelease("prune", "--keep", "1", "--json")

    assert done.code == 0, done.said
    assert "release/1" in done.json["dropped"]
    assert production.gitrelease("up").code == 0
    assert production.live() == "release/4"


def test_a_release_that_is_not_there_cannot_be_pinned(production: Production) -> None:
    ended = production.gitrelease("pin", "release/9")

    assert ended.code == 2
    assert "gitrelease history" in ended.words


# -- drill -----------------------------------------------------------------------------------------------------------


def test_a_drill_says_how_long_a_rollback_takes_and_touches_nothing(production: Production) -> None:
    release_terms(production, "two")
    production.await_idle()
    before = (production.git("for-each-ref"), production.processes())

    ended = production.gitrelease("drill", "--json")

    assert ended.code == 0, ended.said
    assert (ended.json["release"], ended.json["ok"]) == ("release/1", True)
    assert 0 < ended.json["cold_seconds"] < 20
    assert ended.json["warm_seconds"] is not None
    assert (production.git("for-each-ref"), production.processes()) == before
    assert production.status()["drill"]["release"] == "release/1"
    assert production.status()["drill"]["last_worked"] is not None
    expected = {production.front_pid(), production.backend_pid(), standby_pid(production)}
    assert {one.pid for one in process_table.marked(backends.MARK, str(production.home))} - {
        production.agent_pid()
    } == expected


def standby_pid(production: Production) -> int:
    return int(production.backend("standby")["identity"]["pid"])


@typed("commands.drill.run: gitrelease drill RELEASE")
def test_a_drill_that_fails_says_so_while_production_goes_on(production: Production) -> None:
    needed = production.root.parent / "needed"
    needed.touch()
    needs = f'open("{needed}").close()\n'
    for old, new in (("import sys\n", f"import sys\n\n{needs}"), (needs, "")):
        production.gitrelease("freeze")
        production.replace("server.py", old, new)
        commit = production.commit("Need a file, or not")
        deployed = production.gitrelease("deploy", commit, "--approve")
        assert deployed.code == 0, deployed.said
    needed.unlink()

    ended = production.gitrelease("drill")
    status = production.gitrelease("status").out
    other = production.type(ended.said, "gitrelease drill RELEASE", RELEASE="release/1")

    assert ended.code == 3
    assert "a rollback to release/2 would fail" in ended.words
    assert "FAILED" in status
    assert other.code == 0, other.said
    assert "a rollback to release/1 works" in other.out
    assert (production.live(), production.answer()) == ("release/3", "one revenue profit")


@pytest.mark.parametrize("verb", ["pin", "freeze", "snapshot", "prune"])
def test_what_keeps_needs_a_production_checkout(checkout: Production, verb: str) -> None:
    shutil.rmtree(checkout.home, ignore_errors=True)

    ended = checkout.gitrelease(verb, *(["release/1"] if verb == "pin" else []))

    assert ended.code == 2
    assert "init" in ended.said


# -- what a restore leaves alone -------------------------------------------------------------------------------------


@typed("release.keeping._require_the_same: git diff {name}^ {name} -- FILE | git apply -3")
@pytest.mark.long
def test_a_restore_takes_nobodys_release_back(production: Production) -> None:
    production.gitrelease("freeze")
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "mine",\n')
    production.write("notes.txt", "a note\n")
    kept = production.gitrelease("snapshot", "--json").json["backup"]
    production.git("checkout", "--", "server.py")
    production.gitrelease("unfreeze")
    developer = production.clone()
    developer.commit_term("theirs")
    assert developer.push().code == 0

    ended = production.gitrelease("restore", kept)

    assert ended.code == 3
    assert f"server.py has changed since {kept} was made" in ended.words
    assert "theirs" in production.answer()
    assert production.git("diff", "--name-only") == ""
    production.gitrelease("freeze")
    taken = production.type(ended.said, f"git diff {kept}^ {kept} -- FILE | git apply -3", FILE="server.py")
    assert "with conflicts" in taken.words or taken.code == 0, taken.said
    assert {'"mine"', '"theirs"'} <= set(production.read("server.py").replace(",", " ").split())


@typed("release.keeping.restore: git {begun} --abort")
@pytest.mark.parametrize("begun", ["merge", "rebase", "cherry-pick", "revert", "am"])
def test_what_is_under_way_is_given_up_before_work_comes_back(
    production: Production, begun: str, tmp_path: Path
) -> None:
    production.gitrelease("freeze")
    production.write("notes.txt", "mine\n")
    kept = production.gitrelease("snapshot", "--json").json["backup"]
    (production.root / "notes.txt").unlink()
    production.git("branch", "side")
    for words in ("Ours\n", "More of ours\n"):
        production.write("README.md", words)
        head = production.commit("Words")
    production.git("checkout", "--quiet", "side")
    production.write("README.md", "Theirs\n")
    production.commit("Other words")
    production.git("checkout", "--quiet", "deploy")
    until(lambda: production.git("rev-parse", "refs/gitrelease/checkout^{commit}") == head, "the agent has seen it")
    production.await_idle()
    patch = tmp_path / "side.patch"
    patch.write_text(production.git("format-patch", "-1", "--stdout", "side") + "\n")
    stops = {"revert": ("revert", "--no-edit", "HEAD~1"), "am": ("am", "-3", str(patch))}
    assert "CONFLICT" in production.git(*stops.get(begun, (begun, "side")), ok=False)

    refused = production.gitrelease("restore", kept)

    assert f"a {begun} is under way in the checkout" in refused.words
    given_up = production.type(refused.said, f"git {begun} --abort")
    assert (given_up.code, production.git("rev-parse", "deploy")) == (0, head), given_up.said
    assert production.gitrelease("restore", kept).code == 0
    assert production.read("notes.txt") == "mine\n"


@typed("release.keeping.restore: gitrelease recover")
def test_what_a_git_has_left_that_was_cut_off_bars_no_restore_for_good(production: Production) -> None:
    production.gitrelease("freeze")
    production.write("notes.txt", "mine\n")
    kept = production.gitrelease("snapshot", "--json").json["backup"]
    (production.root / "notes.txt").unlink()
    (production.root / ".git" / "index.lock").touch()

    refused = production.gitrelease("restore", kept)

    assert "git is at work in the checkout, or was cut off there" in refused.words
    recovered = production.type(refused.said, "gitrelease recover")
    assert recovered.code == 0, recovered.said
    assert production.gitrelease("restore", kept).code == 0
    assert production.read("notes.txt") == "mine\n"
    assert production.live() == "release/1"


def test_what_others_changed_elsewhere_stays_when_work_comes_back(checkout: Production) -> None:
    checkout.init()
    checkout.write("README.md", "My words\n")
    kept = checkout.gitrelease("snapshot", "--json").json["backup"]
    checkout.git("checkout", "--", "README.md")
    checkout.commit_term("theirs")

    assert checkout.gitrelease("restore", kept).code == 0

    assert checkout.read("README.md") == "My words\n"
    assert '"theirs"' in checkout.read("server.py")


def test_a_restore_does_not_run_over_what_git_ignores(checkout: Production) -> None:
    checkout.init()
    checkout.write("secret.env", "old\n")
    kept = checkout.gitrelease("snapshot", "--json").json["backup"]
    checkout.write(".gitignore", "secret.env\n")
    checkout.write("secret.env", "precious\n")

    ended = checkout.gitrelease("restore", kept)

    assert ended.code == 3
    assert "secret.env is in the way" in ended.words
    assert checkout.read("secret.env") == "precious\n"


def test_a_repository_within_ours_bars_no_snapshot(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "changed\n")
    checkout.git("init", "--quiet", "within")

    kept = checkout.gitrelease("snapshot", "--json").json["backup"]

    assert checkout.git("show", f"{kept}:server.py") == "changed"


@typed("release.pruning.prune: gitrelease recover")
def test_prune_refuses_where_nothing_says_what_is_needed(production: Production) -> None:
    production.git("update-ref", "-d", "refs/gitrelease/live")

    ended = production.gitrelease("prune")

    assert ended.code == 3
    assert production.git("tag", "--list", "release/*") == "release/1"
    recovered = production.type(ended.said, "gitrelease recover")
    assert (recovered.code, production.live()) == (0, "release/1"), recovered.said
    assert production.gitrelease("prune").code == 0
    assert production.answer() == "one revenue profit"


@pytest.mark.long
def test_a_drill_without_a_standby_says_so_in_words(production: Production) -> None:
    release_terms(production, "two")
    production.gitrelease("down")
    production.gitrelease("up")

    ended = production.gitrelease("drill")

    assert ended.code == 0, ended.said
    assert "it has no standby" in ended.out
