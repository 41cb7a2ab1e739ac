"""Git without the machine's own settings, and a production checkout to try things on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Production, make_checkout
from tests.hermetic import without_settings_of_this_machine

# What the default run leaves out, since others of its kind are in it; `-m long` runs these, `-m ""` all.
LONG = re.compile(
    r"completes_or_never_starts\[(local-ctrl-c-(waiting|staged|moved)|ssh-ctrl-c|ssh-killed-(waiting|staged))"
    r"|keeps_nobody_waiting\[(local-(waiting|moved)|ssh-(waiting|staging|staged))"
    r"|told_and_finds_his_push_waiting\[ssh|outlives_it\[ssh"
    r"|nothing_of_ours\[(all|0666)|whom_to_be\[(history|diff|regions|deploy|down|check)"
    r"|a_production_checkout\[--(filter=tree:0|no-tags)|go_live\[0002"
    r"|leaves_production_whole\[(failed soak|selective|cold rollback|(client|standby)-traffic|standby-stage)"
    r"|work_passes\[(selective|cold rollback|failed soak|documents|refused)"
    r"|several.py::test_these.*\[(deploy|rollback|restart one|group (cold|failed|rollback|deploy|restart|refused))"
    r"|leaves_every_instance_whole\[(deploy|rollback|restart|group (deploy|rollback|refused))"
    r"|middle_of_a_restart_refuses_nobody\[(test-1|second|front-|front of test-traffic|test-2-restart)"
    r"|come_and_go\[(up: (a new front|one instance|production)|spread)|end_by_the_next\[down: not"
    r"|taken_back\[init: (on the branch|settings written|written down)"
    r"|put_back\[refs/(tags/release/1|gitrelease/(good|checkout))|on_its_branch_again\[(ref|\\x00)"
    r"|not_read_by_the_agent|at_once_lose_nothing\[2"
    r"|a_line_and_a_remedy\[(a hook is (gone|another's)|HEAD is (empty|detached)|another branch|no JSON|a typo)"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--take", action="store_true", help="write the snapshots of tests/snapshots anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG.search(item.nodeid):
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def hermetic_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No settings of this machine, a fixed name and date: commit ids are the same everywhere."""
    without_settings_of_this_machine(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Production]:
    """A repository with the small server, not initialised yet."""
    production = make_checkout(tmp_path)
    yield production
    production.clear_away()


@pytest.fixture
def production(checkout: Production) -> Production:
    """A production checkout with release/1 live and good."""
    checkout.init().up()
    checkout.await_idle()
    return checkout
