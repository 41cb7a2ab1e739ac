"""What is told of which event, at which level, to whom, in which words; and how much of it when very much happens."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core import notices
from gitrelease.core.bound import MOST, WITHIN, Bound
from gitrelease.core.events import (
    Acknowledged,
    AnyEvent,
    Attempted,
    Drilled,
    Escalated,
    Promoted,
    Promoting,
    Proved,
    Recovered,
    SoakFailed,
    Stopped,
    Superseded,
    WentBack,
)
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.memory import Emergency, Memory, compacted, replay
from gitrelease.core.notices import Notice, Scene, notice_of, receivers, shown_address, wants, without_address
from gitrelease.core.settings import Notify, Receiver

SCENE = Scene(host="srv01", checkout="/srv/findoc", serves="release/2")


def release(number: int) -> Release:
    return Release(
        number=number, tag="t", commit="c" * 40, source="s", kind=Kind.PATTERN, risk="low", trigger="push", by="Ann",
        at=1.0, summary="a new pattern", previous=f"release/{number - 1}",
    )  # fmt: skip


def told(event: AnyEvent, *before: AnyEvent) -> tuple[str, int] | None:
    found = notice_of(event, replay(before), release)
    return (found.event, found.level) if found else None


def refused(reason: str = "class X is gone") -> Attempted:
    return Attempted(at=1.0, commit="c" * 40, trigger="push", outcome="refused", reason=reason, by="Ann")


def waits(trigger: str, *, frozen: bool = False, taken: bool = False, key: str = "k") -> Attempted:
    return msgspec.structs.replace(
        refused("major"), outcome="waiting", trigger=trigger, frozen=frozen, taken=taken, key=key
    )


BACK = Promoting(at=1.0, number=1, tag="t", commit="c", source="s", previous=2)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(Promoted(at=1.0, number=2, seconds=1.0), ("released", 0), id="a release"),
        pytest.param(refused(), ("refused", 0), id="a refusal"),
        pytest.param(waits("pull"), ("waiting", 2), id="a pull that waits for approval"),
        pytest.param(waits("edit"), ("waiting", 2), id="an edit that waits for approval"),
        pytest.param(waits("branch", frozen=True), ("waiting", 0), id="one that waits for the end of a freeze"),
        pytest.param(waits("push"), ("waiting", 0), id="one whose pusher reads that it needs approval"),
        pytest.param(waits("push", taken=True), ("waiting", 2), id="a push that is on the branch"),
        pytest.param(msgspec.structs.replace(refused(), outcome="released"), None, id="told as a release already"),
        pytest.param(
            WentBack(at=1.0, number=2, to=1, reason="", by="Ann", automatic=False), ("rolled_back", 0), id="by a person"
        ),
        pytest.param(
            WentBack(at=1.0, number=2, to=1, reason="", by="agent", automatic=True), ("rolled_back", 1), id="by itself"
        ),
        pytest.param(SoakFailed(at=1.0, number=2, reason="it ended"), ("soak_failed", 1), id="a failed soak"),
        pytest.param(Stopped(at=1.0, reason="no older release"), ("stuck", 2), id="a person is needed"),
        pytest.param(Escalated(at=1.0, reason="no older release"), ("stuck", 3), id="nobody has acknowledged it"),
        pytest.param(Recovered(at=1.0, number=2, by="Ann"), ("recovered", 4), id="a recovery"),
        pytest.param(Proved(at=1.0, number=2), None, id="a soak that went well"),
        pytest.param(Superseded(at=1.0, number=2), None, id="one that was replaced"),
        pytest.param(Drilled(at=1.0, number=2, ok=True, seconds=1.0), None, id="a rehearsal"),
    ],
)
def test_each_event_has_its_notice(event: AnyEvent, expected: tuple[str, int] | None) -> None:
    assert told(event) == expected


def test_a_way_back_that_was_cut_off_is_told_as_one() -> None:
    assert told(Promoted(at=2.0, number=1, seconds=0.0), BACK) == ("rolled_back", 1)


def test_the_same_emergency_is_told_once_and_another_reason_again() -> None:
    first = Stopped(at=1.0, reason="it ended")

    assert told(first, first) is None
    assert told(Stopped(at=2.0, reason="the port is taken"), first) == ("stuck", 2)


def test_what_waits_is_told_once_and_again_for_another_reason() -> None:
    frozen = waits("edit", frozen=True)

    assert told(waits("edit"), waits("edit")) is None
    assert told(waits("edit"), frozen) == ("waiting", 2)
    assert told(waits("edit", key="other"), waits("edit")) == ("waiting", 2)
    assert told(waits("edit"), waits("edit"), refused()) == ("waiting", 2)


# -- the emergency -----------------------------------------------------------------------------------------------


def test_an_acknowledgement_lasts_as_long_as_the_emergency() -> None:
    seen = Acknowledged(at=2.0, by="Ann", reason="on my way")
    memory = replay([Stopped(at=1.0, reason="a"), seen, Stopped(at=3.0, reason="b")])
    assert memory.emergency is not None
    assert (memory.emergency.at, memory.emergency.reason, memory.emergency.acknowledged) == (1.0, "b", seen)

    memory.take(WentBack(at=4.0, number=2, to=1, reason="", by="Ann", automatic=False))
    assert (memory.emergency, memory.stopped) == (None, None)

    memory.take(Stopped(at=5.0, reason="c"))
    assert memory.emergency is not None
    assert memory.emergency.acknowledged is None


@pytest.mark.parametrize("event", [Acknowledged(at=1.0, by="Ann"), Escalated(at=1.0, reason=""), BACK])
def test_without_an_emergency_nothing_of_it_is_remembered(event: AnyEvent) -> None:
    assert replay([event]).emergencies == []


def test_a_compacted_journal_still_knows_who_acknowledged() -> None:
    events: list[AnyEvent] = [Stopped(at=1.0, reason="a"), Acknowledged(at=2.0, by="Ann"), Stopped(at=3.0, reason="b")]

    assert replay(compacted([refused(), *events], kept=[], attempts=0)).emergencies == replay(events).emergencies


ON = Emergency(at=1_000.0, reason="it ended")


@pytest.mark.parametrize(
    ("emergency", "now", "left"),
    [
        pytest.param(ON, 1_000.0, 900.0, id="just now"),
        pytest.param(ON, 1_300.0, 600.0, id="some time ago"),
        pytest.param(ON, 99_999.0, 0.0, id="long ago"),
        pytest.param(ON, -86_400.0, 900.0, id="a clock that was set back"),
        pytest.param(
            msgspec.structs.replace(ON, acknowledged=Acknowledged(at=1.0, by="Ann")), 99_999.0, None, id="acknowledged"
        ),
        pytest.param(msgspec.structs.replace(ON, escalated=1.0), 99_999.0, None, id="told again already"),
        pytest.param(None, 99_999.0, None, id="no emergency"),
    ],
)
def test_level_three_is_told_once_in_time_unless_somebody_acknowledged(
    emergency: Emergency | None, now: float, left: float | None
) -> None:
    assert notices.until_told_again(emergency, now=now, after=900.0) == left


# -- to whom -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        pytest.param(Receiver(url="json://h"), True, id="everything"),
        pytest.param(Receiver(url="json://h", events=("stuck",)), True, id="by event"),
        pytest.param(Receiver(url="json://h", events=("released",)), False, id="another event"),
        pytest.param(Receiver(url="json://h", levels=(2, 3)), True, id="by level"),
        pytest.param(Receiver(url="json://h", events=("stuck",), levels=(3,)), False, id="both must fit"),
    ],
)
def test_a_receiver_wants_what_it_names(receiver: Receiver, expected: bool) -> None:
    assert wants(receiver, Notice(event="stuck", level=2, at=1.0)) is expected


def test_every_receiver_is_known_by_its_place_in_the_settings() -> None:
    settings = Notify(urls=("json://a", "json://b"), to=(Receiver(url="json://c"),))

    assert [(place, one.url) for place, one in receivers(settings)] == [
        ("notify.urls 1", "json://a"), ("notify.urls 2", "json://b"), ("notify.to 1", "json://c"),
    ]  # fmt: skip


# -- in which words ------------------------------------------------------------------------------------------------


def test_a_notice_says_what_happened_what_is_served_what_to_type_and_where() -> None:
    event = WentBack(at=1_700_000_000.0, number=3, to=2, reason="it ended", by="agent", automatic=True)
    notice = notice_of(event, Memory(), release)
    assert notice is not None

    assert notices.title_of(notice, SCENE) == "level 1: production is back at release/2 (srv01)"
    assert notices.body_of(notice, SCENE).splitlines() == [
        "rolled back: it ended (cccccccccc, pattern, by agent)",
        "Before: release/3",
        "Production serves release/2 now",
        "Next: push a fix on top; what happened: gitrelease -C /srv/findoc show release/3",
        "Host srv01, checkout /srv/findoc, 2023-11-14 22:13:20 UTC",
    ]


def test_what_waits_in_a_group_is_approved_there() -> None:
    notice = notice_of(msgspec.structs.replace(waits("shell"), commit="c" * 40), Memory(), release)
    assert notice is not None
    scene = msgspec.structs.replace(SCENE, group="test--in")

    assert "deploy cccccccccc --approve" in notices.body_of(notice, SCENE)
    told = notices.body_of(notice, scene)
    assert "history --in test--in;" in told
    assert "deploy cccccccccc --to test--in --approve" in told


def test_where_nothing_runs_it_says_so() -> None:
    down = msgspec.structs.replace(SCENE, serves="")

    assert "Production serves nobody just now" in notices.body_of(Notice(event="stuck", level=2, at=1.0), down)


@given(st.text(max_size=60), st.sampled_from(notices.EVENTS))
def test_whatever_is_told_stays_on_its_line_and_is_no_markup(text: str, event: str) -> None:
    calm = Notice(event=event, level=0, at=1.0, reason="x", by="x", release="x", previous="x")
    wild = msgspec.structs.replace(calm, reason=text, by=text, release=text, previous=text)

    body = notices.body_of(wild, SCENE)

    assert len(body.splitlines()) <= len(notices.body_of(calm, SCENE).splitlines())
    assert not set(body + notices.title_of(wild, SCENE)) & set("<>@`[]&\r\x00\x1b")


def test_secrets_in_reasons_are_hidden_from_people_and_commands() -> None:
    notice = Notice(event="refused", level=0, at=1.0, reason="password=hunter2\nand more")

    assert "hunter2" not in notices.body_of(notice, SCENE)
    assert notices.variables(notice, SCENE)["GITRELEASE_REASON"] == "password=*** and more"


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("json://user:pa55@host:9000/t0ken?key=1", "json://host:9000/…"),
        ("mailtos://user:p@ss@mail.example.com?to=a@b.c", "mailtos://mail.example.com/…"),
        ("jsons://[::1]:8/x", "jsons://[::1]:8/…"),
        ("slack://T0ken/T1ken/T2ken", "slack://…"),
        ("tgram://123456:ABCDEF/chat", "tgram://…"),
        ("not an address", "…"),
        ("/just/a/path", "…"),
    ],
)
def test_an_address_is_never_shown_whole(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_what_a_service_says_of_an_address_has_none_of_its_secrets() -> None:
    address = "json://user:pa55word@host:9000/t0ken?key=abcdef"
    said = "GET json://user:pa55word@host:9000/t0ken?key=abcdef gave 500 for t0ken and abcdef at host, https://u:p@x/"

    hidden = without_address(said, address)

    assert "500" in hidden
    assert "host" in hidden
    assert not any(secret in hidden for secret in ("pa55word", "t0ken", "abcdef", "u:p@"))


# -- how much ------------------------------------------------------------------------------------------------------


def notice(number: int, event: str = "refused") -> Notice:
    return Notice(event=event, level=0, at=float(number), reason=f"number {number}")


def test_of_hundreds_a_few_go_out_and_the_rest_as_one() -> None:
    bound = Bound({})

    passed = [one for number in range(300) if (one := bound.admit(notice(number), now=number / 10))]

    assert [one.reason for one in passed] == [f"number {number}" for number in range(MOST)]
    assert bound.due(now=30.0) == []
    assert bound.due_in(now=30.0) == pytest.approx(WITHIN - 30.0)
    summary = bound.due(now=WITHIN)
    assert [(one.reason, one.more) for one in summary] == [("number 299", 300 - MOST - 1)]
    assert f"refused, and {300 - MOST - 1} more" in notices.title_of(summary[0], SCENE)
    assert f"And {300 - MOST - 1} more of these since" in notices.body_of(summary[0], SCENE)
    assert bound.due(now=2 * WITHIN) == []
    assert bound.due_in(now=2 * WITHIN) is None


def test_what_is_held_back_of_one_event_holds_no_other_back() -> None:
    bound = Bound({})
    for number in range(100):
        bound.admit(notice(number), now=0.0)

    assert bound.admit(notice(1, "stuck"), now=0.0) is not None


@given(st.lists(st.floats(0, 20), max_size=200))
def test_never_more_than_a_few_within_a_while_and_nothing_is_forgotten(pauses: list[float]) -> None:
    bound, now = Bound({}), 0.0
    sent: list[tuple[float, int]] = []
    for number, pause in enumerate(pauses):
        now += pause
        going = [*bound.due(now), *([one] if (one := bound.admit(notice(number), now)) else [])]
        sent += [(now, one.more + 1) for one in going]
    held = sum(one.count for one in bound.held.values())

    assert sum(count for _, count in sent) + held == len(pauses)
    assert all(sum(at <= other < at + WITHIN for other, _ in sent) <= MOST for at, _ in sent)


def test_what_an_earlier_agent_held_back_is_due_at_once() -> None:
    before = Bound({})
    for number in range(MOST + 2):
        before.admit(notice(number), now=0.0)

    after = Bound(before.held)

    assert after.due_in(now=5.0) == 0.0
    assert [one.more for one in after.due(now=5.0)] == [1]
