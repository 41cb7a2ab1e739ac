"""Tags are read when somebody asks, a few at a time; what refs and pointers say counts, whoever made the tags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from gitrelease.edges import records
from gitrelease.edges.git import Git, RefUpdate


class Counting(Git):
    """Counts the objects that are read."""

    read = 0

    def objects(self, ids: Sequence[str], kind: Literal["blob", "tag"]) -> dict[str, bytes]:
        self.read += len(ids)
        return super().objects(ids, kind)


@pytest.fixture
def git(tmp_path: Path) -> Counting:
    """Return a repository with one commit and 100 release tags that are in no other test's."""
    git = Counting(tmp_path)
    git.run("init", "--quiet")
    git.run("commit", "--quiet", "--allow-empty", "-m", str(tmp_path))
    head = git.resolve("HEAD")
    lines = ""
    for number in range(1, 101):
        message = f"term {number}\n\nKind: dictionary\nSource: {head}\n"
        lines += f"tag release/{number}\nfrom {head}\ntagger gitrelease <g@localhost> {1_700_000_000 + number} +0000\n"
        lines += f"data {len(message)}\n{message}\n"
    git.run("fast-import", "--quiet", stdin=lines.encode())
    return git


def test_who_wants_the_newest_reads_no_more_than_a_few(git: Counting) -> None:
    known = records.read(git)

    newest = next(known.releases.newest(below=90))

    assert (newest.number, newest.summary, newest.at) == (89, "term 89", 1_700_000_089.0)
    assert git.read < 50


def test_all_of_them_come_in_their_order_however_they_are_read(git: Git) -> None:
    releases = records.read(git).releases

    assert [one.number for one in releases] == list(range(1, 101))
    assert [one.number for one in reversed(releases)] == list(range(100, 0, -1))
    assert (len(releases), releases[0].number, releases[-1].number) == (100, 1, 100)


def test_a_tag_of_somebody_else_is_no_release_and_has_its_number(git: Git) -> None:
    git.run("tag", "release/101", "HEAD")
    git.run("-c", "user.name=x", "-c", "user.email=x@x", "tag", "-a", "-m", "mine", "release/102", "HEAD")

    known = records.read(git)

    assert known.release("release/101") is None
    assert known.release("release/102") is None
    assert next(known.releases.newest()).number == 100
    assert known.next_number == 103


def test_what_a_pointer_names_is_a_release_whose_tag_was_deleted_or_moved(git: Git) -> None:
    live, good = git.ref("refs/tags/release/100") or "", git.ref("refs/tags/release/50") or ""
    git.update_refs(
        [
            RefUpdate("refs/gitrelease/live", live),
            RefUpdate("refs/gitrelease/good", good),
            RefUpdate("refs/tags/release/100", None),
            RefUpdate("refs/tags/release/50", git.ref("refs/tags/release/49")),
        ],
        reason="test",
    )

    known = records.read(git)

    assert known.live == known.release("100")
    assert known.release("50") is not None
    assert known.release("50").tag == good  # type: ignore[union-attr]
    assert known.next_number == 101
    assert records.find(git, 100) == known.live
    assert records.find(git, 50) == known.release("50")


def test_one_release_is_found_without_reading_the_others(git: Counting) -> None:
    assert records.find(git, 10) == records.read(git).release("10")
    assert git.read <= 2
    assert records.find(git, 101) is None


def test_a_mark_that_cannot_be_read_still_holds(git: Git) -> None:
    """Somebody set it with `git update-ref`, as a ref to a commit."""
    head = git.resolve("HEAD") or ""
    git.update_refs(
        [
            RefUpdate("refs/gitrelease/bad/100", head),
            RefUpdate(f"refs/gitrelease/quarantine/{'a' * 40}", head),
            RefUpdate("refs/gitrelease/frozen", head),
        ],
        reason="test",
    )

    known = records.read(git)

    assert 100 in known.bad
    assert known.bad[100] == ""
    assert [item.commit for item in known.quarantined.every()] == [head]
    assert known.frozen is not None
    assert known.frozen.holds(2e9)
