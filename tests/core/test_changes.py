"""What a diff of git says, and where lines end up on its other side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.changes import Change, Hunk, Lines, follow, follow_file, outer, parse_diff_tree
from tests.core.texts import hunks

OLD, NEW, ZERO = "1" * 40, "2" * 40, "0" * 40
RAW = f":100644 100644 {OLD} {NEW} M\0a.py\0\0".encode()


class Repository:
    """A git repository of its own in a temporary folder, with nobody's settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> bytes:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C",
        }
        return subprocess.run(["git", *arguments], cwd=self.root, env=env, check=True, capture_output=True).stdout

    def write(self, path: str | bytes, content: bytes) -> None:
        (self.root / os.fsdecode(path)).write_bytes(content)

    def tree(self) -> str:
        self.git("add", "--all")
        return self.git("write-tree").decode().strip()

    def changes(self, old: str, new: str) -> tuple[Change, ...]:
        flags = ("-r", "-z", "--raw", "-p", "-U0", "-M", "--no-ext-diff", "--no-textconv", "--no-color")
        return parse_diff_tree(self.git("diff-tree", *flags, old, new))


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_an_empty_diff_has_no_changes():
    assert parse_diff_tree(b"") == ()


def test_output_of_something_else_is_an_error():
    with pytest.raises(ValueError, match="diff-tree"):
        parse_diff_tree(b"diff --git a/a b/a\n")


def test_a_changed_line_is_one_hunk_with_both_ranges(repository):
    repository.write("a.py", b"1\n2\n3\n")
    old = repository.tree()
    repository.write("a.py", b"1\nzwei\ndrei\n")
    new = repository.tree()

    (change,) = repository.changes(old, new)

    assert (change.status, change.old_path, change.new_path) == ("M", "a.py", "a.py")
    assert [(hunk.old, hunk.new) for hunk in change.hunks] == [((2, 3), (2, 3))]


def test_content_that_looks_like_headers_is_skipped_by_count(repository):
    trap = b"-- a\n++ b\n@@ -1 +1 @@\ndiff --git a/x b/x\nBinary files a and b differ\n\\ No newline at end of file\n"
    repository.write("a.py", b"1\n" + trap + b"2\n")
    repository.write("b.py", b"1\n")
    old = repository.tree()
    repository.write("a.py", b"1\n2\n" + trap + trap)
    repository.write("b.py", b"2\n")
    new = repository.tree()

    first, second = repository.changes(old, new)

    assert (first.new_path, first.binary) == ("a.py", False)
    assert sum(hunk.new_count - hunk.old_count for hunk in first.hunks) == 6
    assert (second.new_path, second.hunks) == ("b.py", (Hunk(1, 1, 1, 1),))


def test_a_missing_final_newline_is_not_counted_as_a_line(repository):
    repository.write("a.py", b"1\n2")
    old = repository.tree()
    repository.write("a.py", b"1\nzwei")
    new = repository.tree()

    (change,) = repository.changes(old, new)

    assert change.hunks == (Hunk(2, 1, 2, 1),)


def test_names_keep_newlines_quotes_and_bytes_that_are_no_text(repository):
    names = [b"new\nline", b'"quoted"', b"tab\there", b"\xff\xfe", b"@@ -1 +1 @@", "grün".encode()]
    for name in names:
        repository.write(name, b"1\n")
    old = repository.tree()
    for name in names:
        repository.write(name, b"2\n")
    new = repository.tree()

    changes = repository.changes(old, new)

    assert {change.new_path.encode("utf-8", "surrogateescape") for change in changes} == set(names)
    assert all(change.hunks == (Hunk(1, 1, 1, 1),) for change in changes)


def test_added_and_removed_files_lack_a_path_on_one_side(repository):
    repository.write("gone", b"1\n2\n")
    old = repository.tree()
    (repository.root / "gone").unlink()
    repository.write("new", b"completely different\n")
    new = repository.tree()

    gone, came = repository.changes(old, new)

    assert (gone.status, gone.new_path, gone.new_id, gone.hunks) == ("D", None, ZERO, (Hunk(1, 2, 0, 0),))
    assert (came.status, came.old_path, came.old_id, came.hunks) == ("A", None, ZERO, (Hunk(0, 0, 1, 1),))


def test_a_rename_has_two_paths_and_its_own_hunks(repository):
    lines = b"".join(b"line %d\n" % number for number in range(20))
    repository.write("old name", lines)
    old = repository.tree()
    (repository.root / "old name").rename(repository.root / "new name")
    repository.write("new name", lines + b"more\n")
    new = repository.tree()

    (change,) = repository.changes(old, new)

    assert (change.status, change.old_path, change.new_path) == ("R", "old name", "new name")
    assert change.hunks == (Hunk(20, 0, 21, 1),)


def test_a_change_of_mode_has_no_hunks(repository):
    repository.write("run", b"1\n")
    old = repository.tree()
    (repository.root / "run").chmod(0o755)
    new = repository.tree()

    (change,) = repository.changes(old, new)

    assert (change.old_mode, change.new_mode, change.hunks) == ("100644", "100755", ())


def test_a_file_that_becomes_a_link_takes_its_two_parts_and_no_more(repository):
    repository.write("a", b"1\n")
    repository.write("b", b"1\n")
    old = repository.tree()
    (repository.root / "a").unlink()
    (repository.root / "a").symlink_to("b")
    repository.write("b", b"1\n2\n")
    new = repository.tree()

    link, after = repository.changes(old, new)

    assert (link.status, link.new_mode, len(link.hunks)) == ("T", "120000", 2)
    assert after.hunks == (Hunk(1, 0, 2, 1),)


def test_a_binary_file_is_marked(repository):
    repository.write("a", b"\0\1")
    old = repository.tree()
    repository.write("a", b"\0\2")
    new = repository.tree()

    (change,) = repository.changes(old, new)

    assert (change.binary, change.hunks) == (True, ())


def test_a_submodule_has_its_mode(repository):
    old = repository.tree()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{NEW},sub")
    new = repository.git("write-tree").decode().strip()

    (change,) = repository.changes(old, new)

    assert (change.status, change.new_mode, change.new_id) == ("A", "160000", NEW)


def test_a_function_name_behind_the_counts_is_no_trap():
    patch = b"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -4,0 +5,2 @@ def f(): @@ -1 +1 @@\n+x\n+y\n"

    (change,) = parse_diff_tree(RAW + patch)

    assert change.hunks == (Hunk(4, 0, 5, 2),)


# -- lines ---------------------------------------------------------------------------------------------------------

RANGES = st.builds(lambda first, more: Lines(first, first + more), st.integers(1, 30), st.integers(0, 30))


@given(RANGES, RANGES)
def test_ranges_overlap_exactly_when_they_share_a_line(one, other):
    shared = set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))

    assert one.overlaps(other) == bool(shared)


@given(st.lists(RANGES, min_size=1))
def test_the_outer_range_holds_each_range_and_begins_and_ends_with_one(spans):
    around = outer(spans)

    assert all(span.within(around) for span in spans)
    assert around.first in {span.first for span in spans}
    assert around.last in {span.last for span in spans}


@pytest.mark.parametrize(
    ("lines", "hunk", "expected"),
    [
        pytest.param((3, 5), Hunk(1, 0, 2, 4), (7, 9), id="lines inserted above move it"),
        pytest.param((3, 5), Hunk(2, 0, 3, 1), (4, 6), id="a line inserted just above is not in it"),
        pytest.param((3, 5), Hunk(5, 0, 6, 1), (3, 5), id="a line inserted just below is not in it"),
        pytest.param((3, 5), Hunk(3, 0, 4, 2), (3, 7), id="lines inserted inside belong to it"),
        pytest.param((3, 5), Hunk(3, 1, 3, 3), (3, 7), id="its first line became three"),
        pytest.param((3, 5), Hunk(3, 3, 3, 1), (3, 3), id="all of it became one line"),
        pytest.param((3, 5), Hunk(4, 1, 3, 0), (3, 4), id="a line in the middle went"),
        pytest.param((3, 5), Hunk(3, 3, 2, 0), None, id="all of it went"),
        pytest.param((3, 5), Hunk(2, 9, 2, 9), None, id="it was rewritten with its surroundings"),
        pytest.param((3, 5), Hunk(5, 2, 5, 4), (3, 4), id="what reaches over its end is left out"),
        pytest.param((3, 5), Hunk(2, 2, 2, 4), (6, 7), id="what reaches over its beginning is left out"),
    ],
)
def test_a_range_follows_a_hunk(lines, hunk, expected):
    assert follow(Lines(*lines), [hunk]) == expected


TEXTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


@given(st.data(), TEXTS, TEXTS)
def test_a_followed_range_holds_the_lines_that_the_diff_left_alone(data, old, new):
    before, after = "".join(f"{line}\n" for line in old).encode(), "".join(f"{line}\n" for line in new).encode()
    diff = hunks(before, after)
    first = data.draw(st.integers(1, len(old)))
    last = data.draw(st.integers(first, len(old)))
    landed = {}  # old line → new line, by applying the diff
    there = iter(range(1, len(new) + 1))
    gone = {line for hunk in diff if hunk.old for line in range(hunk.old.first, hunk.old.last + 1)}
    came = {line for hunk in diff if hunk.new for line in range(hunk.new.first, hunk.new.last + 1)}
    kept_there = [line for line in there if line not in came]
    kept_here = [line for line in range(1, len(old) + 1) if line not in gone]
    landed.update(zip(kept_here, kept_there, strict=True))

    found = follow(Lines(first, last), diff)

    inside = {landed[line] for line in kept_here if first <= line <= last}
    outside = {landed[line] for line in kept_here if not first <= line <= last}
    covered = set(range(found.first, found.last + 1)) if found else set()
    assert inside <= covered
    assert not outside & covered


def test_a_range_stays_when_its_file_was_not_touched():
    assert follow_file("a.py", Lines(3, 4), ()) == Lines(3, 4)


def test_a_range_is_gone_with_its_file():
    change = Change(
        status="D", old_path="a.py", new_path=None, old_mode="100644", new_mode="000000", old_id=OLD, new_id=ZERO
    )

    assert follow_file("a.py", Lines(3, 4), [change]) is None
