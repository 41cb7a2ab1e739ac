"""Is every command that people are told to type one that a test has typed?"""

from __future__ import annotations

import ast

import pytest

from gitrelease.core.remedy import Remedy
from tests.remedies import UNTYPED, functions_of, said_by_the_package, typed_by_tests, types
from tests.test_docs import wrong_with


def test_every_command_that_is_said_is_typed_by_a_test_or_has_a_reason() -> None:
    known = {*typed_by_tests(), *UNTYPED}
    said = said_by_the_package()
    assert sorted(said - known) == [], "mark the test that types it with @typed(...)"
    assert sorted(known - said) == [], "nothing says that any more"


def test_every_command_of_ours_exists_with_its_options() -> None:
    ours = [one.split(": ", 1)[1] for one in said_by_the_package() if ": gitrelease " in one]
    assert [wrong for command in ours for wrong in wrong_with(command)] == []


def test_none_is_both_typed_and_has_a_reason_why_it_is_not() -> None:
    assert sorted(typed_by_tests().keys() & UNTYPED.keys()) == []


def test_tests_type_the_command_that_they_are_marked_with() -> None:
    marked = [(mark, test) for mark, tests in typed_by_tests().items() for test in tests]
    assert sorted(f"{test.name} does not type {mark}" for mark, test in marked if not types(test, mark)) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("production.type(said, 'gitrelease up')", True),
        ("production.type(said, f'gitrelease {verb}')", True),
        ("for command in ['gitrelease down', 'gitrelease up']:\n        production.type(said, command)", True),
        ("production.type(said, 'gitrelease down')", False),
        ("production.type(said, f'{command}')", False),
        ("production.type('gitrelease up', 'gitrelease down')", False),
        ("production.gitrelease('up')", False),
    ],
)
def test_a_mark_is_held_against_what_its_test_types(body: str, said: bool) -> None:
    module = ast.parse(f"@typed('module.where: gitrelease up')\ndef test():\n    {body}\n")
    (test,) = functions_of(module)

    assert types(test, "module.where: gitrelease up") == said


def test_few_cannot_be_typed_by_a_test() -> None:
    assert len(UNTYPED) <= 0.15 * len(said_by_the_package())


@pytest.mark.parametrize(
    ("remedy", "commands"),
    [
        ("Put it back: gitrelease recover", ["gitrelease recover"]),
        ("Go back: gitrelease rollback; or mend it: gitrelease restart", ["gitrelease rollback", "gitrelease restart"]),
        ("Make room (df -h /a; df -i /a), then push again", ["df -h /a", "df -i /a"]),
        ("On the host: commit it or take it back (git checkout -- a.py); then push", ["git checkout -- a.py"]),
        ("git branch work; git tag --list 'a; b' (or so)", ["git branch work", "git tag --list 'a; b'"]),
        ("Run once: gitrelease -C '/a folder, of two' init", ["gitrelease -C '/a folder, of two' init"]),
        ("Bring it on top: git pull --rebase, then push", ["git pull --rebase"]),
        ("Put it back: git update-ref a $(git rev-parse b); then push", ["git update-ref a $(git rev-parse b)"]),
        ("then: gitrelease down && gitrelease up. All goes on", ["gitrelease down && gitrelease up"]),
        ("to go back: gitrelease rollback on the host", ["gitrelease rollback"]),
        ("Take over what you need: git diff a -- b | git apply -3; then commit", ["git diff a -- b | git apply -3"]),
        (
            "see what the host has (free -m), or date; timedatectl set-ntp true",
            ["free -m", "date", "timedatectl set-ntp true"],
        ),
        ("add it with: crontab -e", ["crontab -e"]),
        ("put it there, then supervisorctl update", ["supervisorctl update"]),
        ("come by: ssh -L 1:127.0.0.1:1 USER@HOST", ["ssh -L 1:127.0.0.1:1 USER@HOST"]),
        ("git {begun} --continue, or git {begun} --abort", ["git {begun} --continue", "git {begun} --abort"]),
        ("its author, date and message", []),
        ("what gitrelease writes for git is no command", []),
        ("git ignores it: mend .gitignore", []),
        ("Write it as release/42", []),
    ],
)
def test_commands_are_told_from_words(remedy: str, commands: list[str]) -> None:
    assert list(Remedy(remedy).commands) == commands
