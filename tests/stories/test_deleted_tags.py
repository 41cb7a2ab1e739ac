"""A fetch that deletes tags: those of releases and backups come back by themselves, and it is said once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.checkout import Production, until

COPIES = "refs/gitrelease/tags"


def tags(production: Production) -> dict[str, str]:
    """Return the tags of releases and backups, and what they name."""
    listed = production.git(
        "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags/release", "refs/tags/backup"
    )
    return dict(line.split(" ", 1) for line in listed.splitlines())


def events(production: Production) -> list[str]:
    lines = (production.home / "journal.jsonl").read_text().splitlines()
    return [line for line in lines if '"tags_restored"' in line]


def fetch(production: Production) -> None:
    """Fetch, and see that this deletes our tags."""
    ran = subprocess.run(["git", "fetch"], cwd=production.root, capture_output=True, text=True, check=True)
    for name in ("release/1", "release/2", "backup/"):
        assert re.search(rf"\[deleted\] .* -> {name}", ran.stderr), ran.stderr


@pytest.fixture
def followed(production: Production, tmp_path: Path) -> Production:
    """A production with two releases and a backup, which fetches from a repository that has no tags."""
    production.commit_term("second")
    production.await_live("release/2")
    production.await_idle()
    production.write("notes.txt", "mine\n")
    assert production.gitrelease("snapshot").code == 0
    (production.root / "notes.txt").unlink()
    central = tmp_path / "central.git"
    production.git("clone", "--quiet", "--bare", "--no-local", "--no-tags", str(production.root), str(central))
    for tag in production.git("--git-dir", str(central), "tag", "--list").split():
        production.git("--git-dir", str(central), "update-ref", "-d", f"refs/tags/{tag}")
    production.git("remote", "add", "origin", str(central))
    production.git("config", "fetch.prune", "true")
    production.git("config", "fetch.pruneTags", "true")
    assert len(tags(production)) == 3
    return production


def test_tags_that_a_fetch_deletes_are_put_back_and_it_is_told_once(followed: Production) -> None:
    before = tags(followed)
    for packed in (False, True, False):
        if packed:
            followed.git("pack-refs", "--all")
        fetch(followed)
        until(lambda: tags(followed) == before, "the tags are there again")

    assert len(events(followed)) == 1
    assert "release/1, release/2" in followed.agent_log()
    rolled_back = followed.gitrelease("rollback")
    assert rolled_back.code == 0, rolled_back.said


def test_tags_of_another_production_do_not_take_the_place_of_ours(followed: Production, tmp_path: Path) -> None:
    before = tags(followed)
    central = str(tmp_path / "central.git")
    followed.git("--git-dir", central, "tag", "-a", "-m", "of another production", "release/1", "HEAD")
    other = followed.git("--git-dir", central, "rev-parse", "release/1")

    followed.git("fetch", "--quiet", "--force", "--no-prune", "origin", "refs/tags/release/*:refs/tags/release/*")

    assert followed.git("cat-file", "-t", other) == "tag"  # it came
    until(lambda: tags(followed) == before, "our tags are there again")
    assert followed.git("rev-parse", "release/1") != other


def test_tags_that_were_deleted_while_production_was_down_are_there_when_it_is_up_again(followed: Production) -> None:
    before = tags(followed)
    followed.gitrelease("down")
    fetch(followed)
    assert not tags(followed)

    followed.up()

    until(lambda: tags(followed) == before, "the tags are there again")


def test_doctor_names_the_setting_and_what_it_says_ends_it(followed: Production) -> None:
    before = tags(followed)

    told = followed.gitrelease("doctor")

    assert "fetch.prunetags is set: a fetch deletes the tags of releases and backups" in told.words
    followed.git("config", "fetch.prunetags", "false")
    assert "a fetch deletes" not in followed.gitrelease("doctor").said
    followed.git("fetch", "--quiet")
    assert tags(followed) == before


def test_recover_brings_backups_back_too(followed: Production) -> None:
    before = tags(followed)
    followed.gitrelease("down")
    fetch(followed)

    recovered = followed.gitrelease("recover")

    assert "put 3 tags back" in recovered.words
    assert tags(followed) == before


def test_what_an_earlier_version_has_tagged_is_copied(followed: Production) -> None:
    before = tags(followed)
    followed.git("tag", "release/9")  # somebody's own
    for ref in followed.git("for-each-ref", "--format=%(refname)", COPIES).split():
        followed.git("update-ref", "-d", ref)

    followed.gitrelease("down")
    followed.up()

    until(lambda: followed.git("for-each-ref", "--format=%(refname)", COPIES), "there are copies")
    copies = followed.git("for-each-ref", "--format=%(refname) %(objectname)", COPIES)
    assert copies.replace(COPIES, "refs/tags") == "\n".join(f"{ref} {tag}" for ref, tag in sorted(before.items()))


def test_what_is_pruned_does_not_come_back(followed: Production) -> None:
    for term in ("third", "fourth"):
        followed.commit_term(term)
        followed.await_live({"third": "release/3", "fourth": "release/4"}[term])
        followed.await_idle()

    pruned = followed.gitrelease("prune", "--keep", "1")

    assert "release/1" in pruned.said
    assert "refs/tags/release/1" not in tags(followed)
    assert f"{COPIES}/release/1" not in followed.git("for-each-ref", "--format=%(refname)", COPIES).split()


def test_a_backup_is_dropped_for_good_by_a_command(followed: Production) -> None:
    (ref,) = (ref for ref in tags(followed) if ref.startswith("refs/tags/backup/"))
    name = ref.removeprefix("refs/tags/")
    followed.git("tag", "--delete", name)
    until(lambda: ref in tags(followed), "it came back")

    dropped = followed.gitrelease("prune", "--backup", name)
    unknown = followed.gitrelease("prune", "--backup", name)

    assert dropped.code == 0, dropped.said
    assert unknown.code == 2
    assert "there is no backup" in unknown.words
    followed.commit_term("third")
    followed.await_live("release/3")
    followed.await_idle()
    assert ref not in tags(followed)


def test_what_cannot_be_put_back_stops_no_release(followed: Production) -> None:
    (ref,) = (ref for ref in tags(followed) if ref.startswith("refs/tags/backup/"))
    followed.gitrelease("down")
    followed.git("update-ref", "-d", ref)
    followed.git("tag", "backup")  # where the folder of the backups was
    followed.up()
    followed.await_idle()

    followed.commit_term("third")

    followed.await_live("release/3")
    assert "cannot be put back" in followed.agent_log()


def test_a_tag_of_a_person_that_is_named_like_a_backup_is_the_persons(followed: Production) -> None:
    followed.git("tag", "--annotate", "-m", "mine", "backup/mine")
    followed.gitrelease("down")
    followed.up()
    followed.await_idle()

    followed.git("tag", "--delete", "backup/mine")
    followed.commit_term("third")
    followed.await_live("release/3")
    followed.await_idle()

    assert "refs/tags/backup/mine" not in tags(followed)


def test_uninstall_leaves_the_tags(followed: Production) -> None:
    before = tags(followed)
    followed.gitrelease("down")
    fetch(followed)

    ended = followed.gitrelease("uninstall")

    assert ended.code == 0, ended.said
    assert tags(followed) == before
    assert followed.git("for-each-ref", "refs/gitrelease") == ""
