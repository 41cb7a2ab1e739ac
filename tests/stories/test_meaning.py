"""What a change means is checked before it is live: its terms, its patterns, its fields, the numbers it finds."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import gitrelease
from gitrelease.edges.inside import CHECKED
from tests.checkout import Clone, Ended, Production, make_checkout
from tests.remedies import typed
from tests.stories.test_streamlit import SCRIPT, SETTINGS, sample_files

PACKAGE = Path(gitrelease.__file__).parent
# The profile's, and the reports of the sample app.
DOCUMENTS = [*(PACKAGE / "profiles/findoc/documents").iterdir(), *(PACKAGE / "demo/app/reports").iterdir()]

OWN = """
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest import SkipTest

KINDS = {"check_patterns_only": "pattern"}


def check_revenue(app):
    if "revenue" not in app.DeduplicatedMetricsExtractor().metric_patterns:
        print("looked for revenue")
        raise AssertionError("we always report revenue")


def check_patterns_only(app):
    return "patterns were looked at"


def check_skipped(app):
    raise SkipTest("not today")
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One production of the sample app, with checks and documents of its own."""
    folder = tmp_path_factory.mktemp("meaning")
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        settings = SETTINGS + '[contract]\ndocuments = ["reports"]\n'
        production = make_checkout(folder, {**sample_files(), "gitrelease.toml": settings, "gitrelease_checks.py": OWN})
        production.init().up()
    yield production
    production.clear_away()


@pytest.fixture
def developer(production: Production, tmp_path: Path) -> Clone:
    subprocess.run(["git", "clone", "--quiet", str(production.root), str(tmp_path / "clone")], check=True)
    return Clone(tmp_path / "clone")


def push(developer: Clone, old: str, new: str, *options: str, message: str = "Change", file: str = SCRIPT) -> Ended:
    developer.replace(file, old, new)
    developer.commit(message)
    return developer.push(*options)


def said(ended: Ended) -> str:
    """Return what a person was told, on one line and without git's `remote:`."""
    return ended.words


PATTERN = r'"eps": ['


def test_a_pattern_that_backtracks_is_refused_with_the_text_that_shows_it(
    production: Production, developer: Clone
) -> None:
    live = production.live()

    pushed = push(developer, PATTERN, r'"slow": [r"(?:(?:\w+\s*)+)+:\s*([\d,\.]+)$"], "eps": [')

    assert pushed.code != 0
    assert "backtracking slow: grows exponentially" in said(pushed)
    assert "'a' * " in said(pushed)
    assert production.live() == live


@pytest.mark.long
def test_a_pattern_without_a_group_is_refused_and_one_that_matches_no_sample_is_warned_of(
    production: Production, developer: Clone
) -> None:
    refused = push(developer, PATTERN, r'"units": [r"units sold: \d+"], "eps": [')
    developer.git("reset", "--quiet", "--hard", "origin/deploy")
    warned = push(developer, PATTERN, r'"units": [r"units sold: (\d+)"], "eps": [')

    assert refused.code != 0
    assert "group of units: has no group for the value" in said(refused)
    assert warned.code == 0, warned.said
    assert f"samples of units: matches none of {len(DOCUMENTS)} sample documents" in said(warned)


def test_an_odd_term_is_released_with_a_warning(production: Production, developer: Clone) -> None:
    pushed = push(developer, "financial_terms = [", 'financial_terms = ["ESG", ')

    assert pushed.code == 0, pushed.said
    assert "'ESG' is not in lower case: it can never match" in said(pushed)


def test_a_label_that_is_never_counted_is_refused(production: Production, developer: Clone) -> None:
    pushed = push(developer, "self.financial_labels = [", 'self.financial_labels = ["p&l", ')

    assert pushed.code != 0
    assert "terms of nlp_labels: create_nlp_dataset does not count 'p&l'" in said(pushed)


def test_lost_values_need_a_trailer_or_approval(production: Production, developer: Clone) -> None:
    refused = push(developer, '"net_income": [', '"profit_after_tax": [')
    developer.git("commit", "--quiet", "--amend", "-m", "Rename a metric\n\nAllow-Loss: net_income")
    allowed = developer.push()

    assert refused.code != 0
    assert "values of the sample documents (net_income)" in said(refused)
    assert 'net_income 98.1 -> nothing in annual-report-bexhollow.txt ("Net income' in said(refused)
    assert "Allow-Loss: net_income" in said(refused)
    assert allowed.code == 0, allowed.said
    note = production.git("for-each-ref", "--format=%(contents:subject)", f"refs/tags/{production.live()}")
    (gained, lost) = re.fullmatch(r".*; replay: \+(\d+) values, -(\d+)", note).groups()  # type: ignore[union-attr]
    assert gained == lost > "0"


@pytest.mark.long
def test_a_number_that_becomes_a_word_is_a_lost_value(production: Production, developer: Clone) -> None:
    pushed = push(developer, PATTERN, r'"eps": [r"(eps)[ :]+[\d.]+", ')

    assert pushed.code != 0
    assert "values of the sample documents (eps)" in said(pushed)


@pytest.mark.long
def test_a_pattern_that_takes_any_number_is_warned_of(production: Production, developer: Clone) -> None:
    push(developer, PATTERN, r'"growth": [r"([\d,.]+)"], "eps": [', "origin", "HEAD:broad")

    checked = production.gitrelease("check", "broad", "--json").json

    assert checked["ok"] is True
    (samples,) = [check for check in checked["checks"] if check["name"] == "samples of growth"]
    assert samples["status"] == "warned"
    assert samples["detail"].startswith("names no word and matches")


def test_check_says_what_the_documents_lose(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, '"total_assets": [', '"assets_total": [')
    developer.commit("Rename")
    developer.push("origin", "HEAD:renamed")

    ended = production.gitrelease("check", "renamed", "--json")

    assert ended.code == 3
    assert {item["metric"] for item in ended.json["replay"]["lost"]} == {"total_assets"}
    assert {item["metric"] for item in ended.json["replay"]["gained"]} == {"assets_total"}


def test_a_new_field_shows_the_json_for_the_export_and_a_lost_one_needs_approval(
    production: Production, developer: Clone
) -> None:
    added = push(developer, '"text": text,', '"text": text, "language": "en",')
    lost = push(developer, '"text": text, "language": "en",', '"text": text,')
    approved = developer.push("-o", "approve", "origin", "deploy")

    assert added.code == 0, added.said
    assert 'nlp_entry_schema.language is emitted and not declared: add {"language": {"type": "string"}}' in said(added)
    assert lost.code != 0
    assert "it breaks what reads the output: nlp_entry loses language" in said(lost)
    assert approved.code == 0, approved.said


@pytest.mark.long
def test_a_field_of_another_type_needs_approval(production: Production, developer: Clone) -> None:
    pushed = push(developer, '"text": text,', '"text": len(text),')

    assert pushed.code != 0
    assert "nlp_entry_schema.text was string and is now integer" in said(pushed)


def test_own_checks_run_by_kind_and_refuse_with_what_they_printed(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, '"revenue": [\n', '"turnover": [\n')
    developer.commit("Rename revenue")
    developer.push("origin", "HEAD:turnover")

    ended = production.gitrelease("check", "turnover", "--json")

    checks = {check["name"]: check for check in ended.json["checks"]}
    assert checks["check_revenue"]["status"] == "failed"
    assert "we always report revenue" in checks["check_revenue"]["detail"]
    assert "looked for revenue" in checks["check_revenue"]["detail"]
    assert (checks["check_patterns_only"]["status"], checks["check_skipped"]["status"]) == ("warned", "skipped")


@pytest.mark.long
def test_a_check_for_patterns_does_not_run_for_a_term(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, "financial_terms = [", 'financial_terms = ["solvency", ')
    developer.commit("A term")
    developer.push("origin", "HEAD:term")

    names = [check["name"] for check in production.gitrelease("check", "term", "--json").json["checks"]]

    assert "check_revenue" in names
    assert "check_patterns_only" not in names


def test_a_push_cannot_weaken_its_own_checks(production: Production, developer: Clone) -> None:
    developer.write("gitrelease_checks.py", "")
    developer.replace(SCRIPT, '"revenue": [\n', '"turnover": [\n')
    developer.commit("Rename revenue, drop the check")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "we always report revenue" in said(pushed)


def test_a_check_asks_what_is_live_anew_after_the_questions_have_changed(
    production: Production, developer: Clone
) -> None:
    """What is live runs in the same slot as the candidate, which has to be gone by then."""
    developer.write("gitrelease_checks.py", OWN + "\n\ndef check_more(app):\n    return 'more was looked at'\n")
    developer.commit("One more check")
    released = developer.push("-o", "approve", "origin", "deploy")
    developer.replace(SCRIPT, PATTERN, r'"units": [r"units sold: (\d+)"], "eps": [')
    developer.commit("A pattern")
    developer.push("origin", "HEAD:units")

    checked = production.gitrelease("check", "units", "--json")

    assert released.code == 0, released.said
    assert checked.code == 0, checked.said
    found = {check["name"]: check["status"] for check in checked.json["checks"]}
    assert (found["check_more"], found["samples of units"]) == ("warned", "warned")


BAD_CHECKS = {
    "raises": ("raise RuntimeError('boom')", "boom"),
    "exits": ("sys.exit(0)", "SystemExit"),
    "hangs": ("time.sleep(60)", "did not return within"),
    "ends the process": ("os._exit(0)", "ended the process"),
    "writes into the slot": ("Path('left.txt').write_text('x')", "left.txt was written into the slot"),
    "prints megabytes": ("print('x' * 90_000_000)", "check_new"),
    "takes all memory": ("bytearray(8 << 30)", "MemoryError"),
}


@pytest.mark.parametrize("name", BAD_CHECKS)
def test_a_bad_check_ends_in_a_clear_result_and_the_others_still_run(tmp_path: Path, name: str) -> None:
    body, told = BAD_CHECKS[name]
    checks = f"{OWN}\n\ndef check_new(app):\n    {body}\n\n\ndef check_last(app):\n    pass\n"
    bare = make_checkout(
        tmp_path,
        {
            **sample_files(),
            "gitrelease.toml": SETTINGS.replace('checks = "8s"', 'checks = "6s"'),
            "gitrelease_checks.py": checks,
        },
    )
    bare.init()
    try:
        ended = bare.gitrelease("check", "HEAD", "--json")
    finally:
        bare.clear_away()

    found = {check["name"]: check for check in ended.json["checks"]}
    spoken = " ".join(f"{check['name']}: {check['detail']}" for check in ended.json["checks"])
    assert told in spoken
    assert found["check_revenue"]["status"] == "passed"
    # Nothing is live yet: it becomes the baseline, and is named.
    assert ended.json["ok"] is True, ended.json["checks"]
    if name not in ("hangs", "ends the process", "prints megabytes"):
        assert found["check_last"]["status"] == "passed"


def started_by_checks() -> list[str]:
    """Return the command lines of what checks have started for this user, in whatever session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{CHECKED}=".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
    return found


def test_a_check_leaves_no_process_behind(production: Production, developer: Clone) -> None:
    script = "import time; time.sleep(300)"
    developer.write(
        "gitrelease_checks.py",
        OWN + f"\n\ndef check_forks(app):\n    subprocess.Popen([sys.executable, '-c', {script!r}], "
        "start_new_session=True)\n",
    )
    developer.commit("A check that forks")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    developer.replace(SCRIPT, "financial_terms = [", 'financial_terms = ["gearing", ')
    developer.commit("A term")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert not [command for command in started_by_checks() if "time.sleep(300)" in command]


@pytest.mark.long
def test_only_a_kind_is_taken_back_and_the_rest_stays(production: Production, developer: Clone) -> None:
    before = production.live()
    developer.replace(SCRIPT, "financial_terms = [", 'financial_terms = ["liquidity", ')
    developer.replace(SCRIPT, '"text": text,', '"text": text, "source": "report",')
    developer.commit("Two things")
    assert developer.push().code == 0
    left = production.live()

    shown = production.gitrelease("rollback", "--only", "dictionary", "--dry-run")
    ended = production.gitrelease("rollback", "--only", "dictionary", "--json", "-m", "too broad")
    again = production.gitrelease("rollback", "--only", "dictionary", "--json")

    text = production.read(SCRIPT)
    message = production.git("log", "-1", "--format=%B", "deploy")
    assert '-        financial_terms = ["liquidity", ' in shown.said
    assert (ended.code, ended.json["outcome"], ended.json["previous"]) == (0, "rolled_back", left)
    assert ended.json["regions"] == ["basic_terms"]
    assert '"liquidity"' not in text
    assert '"source": "report"' in text
    assert f"Rollback-Of: {left}" in message
    assert f"Taken-From: {before}" in message
    assert "Component: basic_terms" in message
    assert production.git("status", "--porcelain") == ""
    assert (again.code, again.json["outcome"]) == (0, "unchanged")


def test_a_region_that_is_gone_cannot_be_taken_back_alone(production: Production, developer: Clone) -> None:
    ended = production.gitrelease("rollback", "--only", "no_such_region")

    assert ended.code == 2
    assert "there is no kind and no region 'no_such_region'" in said(ended)
    assert "basic_terms" in said(ended)


@typed("commands.bisect.run: gitrelease show {name}")
def test_blame_and_bisect_find_the_release(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, PATTERN, r'"backlog": [r"order backlog[ :]+([\d.]+)"], "eps": [')
    developer.commit("Find the backlog")
    assert developer.push().code == 0
    brought = production.live()
    developer.replace(SCRIPT, "financial_terms = [", 'financial_terms = ["covenant", ')
    developer.commit("A term")
    assert developer.push().code == 0

    blamed = production.gitrelease("blame", "backlog", "--json").json
    found = production.gitrelease("bisect", "Order backlog: 42 units", "--json").json
    told = production.gitrelease("bisect", "Order backlog: 42 units")
    shown = production.type(told.out, f"gitrelease show {brought}")

    assert blamed["present"] == ["metric_patterns"]
    assert [(event["release"], event["action"]) for event in blamed["events"]] == [(brought, "added")]
    assert blamed["events"][0]["author"] == "Ann Tester"
    date = blamed["events"][0]["date"]  # in one form, which git has no say in
    assert datetime.fromisoformat(date).isoformat() == date
    assert not date.endswith("Z")
    assert found["release"] == brought
    assert [item["metric"] for item in found["difference"]["gained"]] == ["backlog"]
    assert len(found["ran"]) <= 6
    assert "backlog" in shown.out


@pytest.mark.long
def test_bisect_finds_the_release_that_lost_what_another_brought(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, PATTERN, r'"orders": [r"open orders[ :]+([\d.]+)"], "eps": [')
    developer.commit("Find the orders")
    assert developer.push().code == 0
    brought = str(production.live())

    assert production.gitrelease("rollback", "--only", "pattern", brought_before(brought)).code == 0
    gone = production.gitrelease("bisect", "Open orders: 42 units", "--json").json

    assert gone["release"] == production.live()
    assert [item["metric"] for item in gone["difference"]["lost"]] == ["orders"]


def brought_before(release: str) -> str:
    return f"release/{int(release.removeprefix('release/')) - 1}"


def test_regions_stand_where_they_are_now(production: Production) -> None:
    rows = {row["region"]: row for row in production.gitrelease("regions", "--json").json["regions"]}
    lines = production.git("show", f"deploy:{SCRIPT}").splitlines()

    first, _ = rows["basic_terms"]["lines"]
    assert lines[first - 1].strip().startswith("financial_terms = [")
    assert rows["schema_export"]["lines"][0] == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gitrelease_checks.py", "def check_broken(app):\n    raise AssertionError('always')\n"),
        ("gitrelease_checks.py", "def (\n"),
        ("gitrelease.toml", SETTINGS + '[contract]\nclasses = ["NoSuchClass"]\n'),
    ],
    ids=["a check that fails", "a file that cannot be read", "a class that is not there"],
)
@pytest.mark.long
def test_a_release_with_a_broken_check_does_not_bar_the_way_for_the_next_one(
    tmp_path: Path, name: str, text: str
) -> None:
    production = make_checkout(tmp_path, sample_files())
    try:
        production.init().up()
        developer = production.clone()
        developer.write(name, text)
        developer.commit("A check that was not thought through")
        assert developer.push("-o", "approve", "origin", "deploy").code == 0

        pushed = push(developer, "financial_terms = [", 'financial_terms = ["gearing", ')

        assert pushed.code == 0, pushed.said
        warned = production.gitrelease("show", production.live() or "", "--json").json["checks"]
        assert any(
            check["status"] == "warned" and "fails on the live release too" in check["detail"] for check in warned
        )
    finally:
        production.clear_away()


@pytest.mark.long
def test_show_lists_what_a_release_did_to_the_numbers(production: Production, developer: Clone) -> None:
    pushed = push(developer, PATTERN, r'"water": [r"water use[ :]+([\d.]+)"], "eps": [')

    assert pushed.code == 0, pushed.said
    shown = production.gitrelease("show", production.live() or "").said

    assert "+ water 3.1  esg-supply-chain.txt" in shown


@pytest.mark.long
def test_a_strict_policy_refuses_fields_that_the_export_lacks(tmp_path: Path) -> None:
    strict = make_checkout(
        tmp_path, {**sample_files(), "gitrelease.toml": SETTINGS + "[policy.schema]\nstrict = true\n"}
    )
    try:
        strict.init().up()
        developer = strict.clone()

        pushed = push(developer, '"text": text,', '"text": text, "language": "en",')

        assert pushed.code != 0
        assert "export and code: nlp_entry_schema.language is emitted and not declared" in said(pushed)
    finally:
        strict.clear_away()
