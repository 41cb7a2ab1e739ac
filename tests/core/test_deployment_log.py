"""The deployment log leaves nothing blank that is known, whatever of the journal is left."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitrelease.core.course import course_of
from gitrelease.core.deployment_log import BY_A_PERSON, Section, as_markdown, as_text, deployment_log
from gitrelease.core.events import (
    AnyEvent,
    Attempted,
    Drilled,
    Promoted,
    Promoting,
    Proved,
    Stopped,
    Superseded,
    WentBack,
)
from tests.core.test_events import events

COMMIT = "c" * 40
EVIL = "[x](http://evil.example) <script>alert(1)</script>\n# heading\n- [x] signed off\x1b[31m"


def told(**more: Any) -> dict[str, Any]:
    checks = [
        {"name": "start", "status": "passed", "detail": "", "seconds": 1.0},
        {"name": "lint", "status": "warned", "detail": "a blank", "seconds": 0.0},
    ]
    return {
        "release": "release/2", "commit": COMMIT, "source": COMMIT, "kind": "dictionary", "risk": "low",
        "outcome": "good", "trigger": "push", "by": "ann", "at": 100.0, "summary": "terms +1 (x)", "seconds": 1.5,
        "pinned": False, "rolled_back": None, "previous": "release/1", "reason": "", "bad": None, "diff": None,
        "checks": checks, "replay": None, "state": None, **more,
    }  # fmt: skip


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def log(journal: list[AnyEvent], **more: Any) -> tuple[Section, ...]:
    return deployment_log(told(**more), journal, way_back="gitrelease rollback (to release/1)", moment=moment)


def text(journal: list[AnyEvent], **more: Any) -> str:
    return "\n".join(as_text(log(journal, **more)))


JOURNAL: list[AnyEvent] = [
    Attempted(at=90, commit=COMMIT, trigger="push", outcome="waiting", reason="needs approval", by="ann"),
    Attempted(at=95, commit=COMMIT, trigger="shell", outcome="unchanged", reason="nothing had changed", by="ann"),
    Promoting(at=101, number=2, tag="t", commit=COMMIT, source=COMMIT, previous=1),
    Promoted(at=102, number=2, seconds=2.0, backups=("backup/20260105-120000-edit",), late="the index is locked"),
    Attempted(at=102.1, commit=COMMIT, trigger="push", outcome="released", reason="terms +1", by="ann"),
    Proved(at=112, number=2),
    Drilled(at=120, number=2, ok=True, seconds=1.1),
    Promoted(at=130, number=3, seconds=1.0),
    WentBack(at=140, number=3, to=2, reason="three is slow", by="ben", automatic=False),
    Stopped(at=150, reason="the disk is full"),
    WentBack(at=160, number=2, to=1, reason="two is slow", by="ben", automatic=False),
]


def test_what_happened_is_in_the_log_in_its_order() -> None:
    said = text(JOURNAL, outcome="rolled_back", bad="two is slow")

    for expected in (
        "Date: 1970-01-01", "Time: 00:01:40 +0000", "Operator: ann", "Change type: dictionary, low risk",
        "- [x] Backup created: tag release/1, tag backup/20260105-120000-edit, what lay on disk",
        "- [x] Tests passed: 1 passed, 1 warned", "- Start time: 1970-01-01 00:01:40 +0000",
        "- End time: 1970-01-01 00:01:42 +0000, live after 2.0 s", "waiting before: needs approval",
        "warned lint, 0.00 s: a blank", "a person was needed: the disk is full",
        "the files of the checkout followed later: the index is locked", "- Status: ROLLED BACK",
        "- Rolled back: by ben to release/1 at 1970-01-01 00:02:40 +0000", "- Why: two is slow",
        "- To go back: gitrelease rollback (to release/1)", "up in 1.1 s",
    ):  # fmt: skip
        assert expected in said
    assert "nothing had changed" not in said  # it was no trouble of this release
    steps = [at for at, _ in course_of(2, {COMMIT}, JOURNAL).steps()]
    assert steps == sorted(steps)


def test_only_what_a_person_knows_is_blank() -> None:
    blank = [entry.label for section in log(JOURNAL) for entry in section.entries if entry.value in ("", BY_A_PERSON)]

    assert blank == ["Stakeholders notified", "Signed off by", "Notes"]


def test_a_release_that_failed_by_itself_says_so() -> None:
    went = WentBack(at=105, number=2, to=1, reason="release/2 failed its soak: boom", by="agent", automatic=True)

    said = text([*JOURNAL[:3], went], outcome="rolled_back", bad="release/2 failed its soak: boom")

    assert "- Rolled back: by itself to release/1" in said
    assert "- [ ] Health check passed" in said
    assert "- [ ] Performance acceptable" in said
    assert "release/2 failed its soak: boom" in said


def test_a_release_that_another_one_replaced_is_no_success() -> None:
    said = text([*JOURNAL[:3], Superseded(at=104, number=2)], outcome="superseded")

    assert "SUPERSEDED" in said
    assert "another release took its place at 1970-01-01 00:01:44" in said


@given(st.lists(events), st.sampled_from(["good", "soaking", "superseded", "rolled_back"]))
def test_every_journal_gives_a_log(journal: list[AnyEvent], outcome: str) -> None:
    said = text(journal, outcome=outcome, previous=None, checks=[])

    assert said.startswith("=== DEPLOYMENT LOG ===")
    assert ": \n" not in said


def test_what_people_wrote_adds_no_line_and_no_box() -> None:
    journal = [*JOURNAL[:-1], WentBack(at=160, number=2, to=1, reason=EVIL, by=EVIL, automatic=False)]

    plain, page = text(journal), "\n".join(as_markdown(log(journal, summary=EVIL, by=EVIL, reason=EVIL)))

    assert "\x1b" not in plain + page
    assert not any(line.lstrip().startswith(("# heading", "- [x] signed")) for line in plain.splitlines())
    tokens = MarkdownIt("commonmark").parse(page)
    inline = [child.type for token in tokens for child in token.children or ()]
    assert "html_block" not in {token.type for token in tokens}
    assert not {"link_open", "image", "html_inline"} & set(inline)
    assert sum(token.type == "heading_open" for token in tokens) == 5
