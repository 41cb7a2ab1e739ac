"""The web page of several instances and groups: what each serves, what only a group has had, and its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser import Page, chromium, running_page
from tests.checkout import SETTINGS, until
from tests.remedies import typed
from tests.stories.test_dashboard import (  # fixtures
    browser,  # noqa: F401
    cells,
    choose,
    finished,
    lines,
    tab,  # noqa: F401
    text,
    view,
)
from tests.stories.test_dashboard_remedies import many
from tests.stories.test_groups import Grouped

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.skipif(chromium() is None, reason="there is no chromium here")


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grouped]:
    """Production serves release/1, the group test release/2, which production never had; one more was refused."""
    made = Grouped(tmp_path_factory.mktemp("grouped"), SETTINGS)
    try:
        made.branch_with("two")
        made.deploy("next", "--to", "test")
        made.await_proved()
        made.developer.write("server.py", "def broken(:\n")
        made.developer.commit("broken")
        made.developer.push("origin", "HEAD:refs/heads/next")
        assert made.production.gitrelease("deploy", "next", "--to", "test").code == 3
        yield made
    finally:
        made.production.clear_away()


@pytest.fixture(scope="module")
def served(grouped: Grouped) -> Iterator[Page]:
    with running_page(grouped.production, "--allow-actions") as page:
        yield page


def test_every_instance_is_shown_with_its_group_and_what_that_serves(
    grouped: Grouped, served: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    tab.goto(served.url)

    tab.get_by_text("3 of 3 instances are healthy").wait_for()
    tab.get_by_text("group test serves release/2; good release/2").wait_for()
    instances, newest = lines(tab), lines(tab, 1)
    assert [(name, instances[instances.index(name) + 1]) for name in ("primary", "test-1", "test-2")] == [
        ("primary", "production"), ("test-1", "test"), ("test-2", "test"),
    ]  # fmt: skip
    assert instances.count("release/2") == 2
    assert [cell for cell in newest if cell.startswith("release/")] == ["release/2", "release/1"]
    assert newest.count("test") == 2  # where it went, and what serves it
    assert newest.count("production") == 2


@pytest.mark.long
def test_a_release_of_a_group_is_shown_with_its_difference_its_output_and_its_log(
    grouped: Grouped, served: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    tab.goto(served.url)
    view(tab, "Releases")

    choose(tab, "release/2")

    said = " ".join(text(tab).split())
    assert "code outside the known regions changed" in said
    assert "only group test has had it; go back from it there: gitrelease rollback --in test" in said
    assert "=== DEPLOYMENT LOG ===" in said
    assert "live, " in said.split("=== DEPLOYMENT LOG ===")[1]
    assert tab.get_by_role("button", name="Roll back to release/2").count() == 0
    shown = grouped.production.gitrelease("show", "release/2", "--log")
    assert shown.code == 0, shown.said
    assert "gitrelease rollback --in test (there is no" not in shown.out


@typed(
    "dashboard.actions.for_release: gitrelease rollback --in {group}",
    "dashboard.actions.for_release: gitrelease rollback {name} --in {group}",
)
def test_the_way_back_in_a_group_is_typed_in_both_directions(
    grouped: Grouped, served: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    live = grouped.production.live()
    for command, then in (
        ("gitrelease rollback --in test", "release/1"),
        ("gitrelease rollback release/2 --in test", "release/2"),
    ):
        tab.goto(served.url)
        view(tab, "Releases")
        choose(tab, "release/2")
        until(lambda command=command: f"{command}\n" in text(tab), "the page has read how the group stands now")

        ended = grouped.production.type(text(tab), command)

        assert ended.code == 0, ended.said
        assert (grouped.group()["live"], grouped.production.live()) == (then, live)


@typed("dashboard.missed.attempts: gitrelease history --in GROUP --json")
def test_more_attempts_than_a_page_shows_are_told_by_the_history_of_each_group(
    grouped: Grouped, served: Page, tab: Tab  # noqa: F811
) -> None:  # fmt: skip
    many(grouped.production.home_of("test"), 501)
    tab.goto(served.url)
    view(tab, "Not released")
    tab.get_by_text("more: gitrelease history --json").wait_for()

    told = grouped.production.type(text(tab), "gitrelease history --in GROUP --json", GROUP="test").json

    assert {f"the try {number}" for number in range(501)} <= {one["reason"] for one in told["attempts"]}


@pytest.mark.long
def test_what_a_group_refused_is_shown_as_the_groups(grouped: Grouped, served: Page, tab: Tab) -> None:  # noqa: F811
    tab.goto(served.url)
    view(tab, "Not released")

    tab.get_by_text("Nothing waits.").wait_for()
    finished(tab)
    assert [cell for cell in cells(tab, 0) if cell in ("refused", "test")] == ["refused", "test"]
