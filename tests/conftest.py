"""Git without the machine's own settings, and a production checkout to try things on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.checkout import Production, make_checkout
from tests.hermetic import without_settings_of_this_machine

# How long one example takes tells how busy the host is; what must be fast is measured by tests/benchmarks.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


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
    r"|a_line_and_a_remedy\[(hooks are looked|the settings are gone|settings of)|a_problem\[no pointer|is_known\[alone"
    r"|signed.py::test_(an_|a_(push|document|rollback|tree|tag)_|check_and|deploy_with).*\[gpg"
    r"|does_not_change_what_was_released\[(move it|delete the pointer|make one up)"
    r"|whole\[(snapshot|(front|live)-stage)|killed.py::test_these.*\[snapshot"
    r"|what_was_read_last\[(unknown_key|folder)|without_its_secrets\[404|damaged_bars_nobody\[refs/tags/release/1"
    r"|a_bad_start_is_refused\[(import error|children)|never_served\[(import error|exits)|still_run\[exits"
    r"|others_still_run\[(prints|takes|writes)|bar_the_way_for_the_next_one\[(a class|a file)"
    r"|group_that_is_none_is_named\[r|works_without_an_agent\[(plan|diff)|nothing_behind\[2|no_hook_for_good\[local"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--take", action="store_true", help="write the snapshots of tests/snapshots anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG.search(item.nodeid):
            item.add_marker(pytest.mark.long)


# Modules that one process runs as a whole: it makes once what their tests share, or they are over in no time.
WHOLE = re.compile(
    r"tests/core/|edges/test_documents"
    r"|stories/test_(bad_candidates|completion|dashboard|meaning|snapshots|streamlit)\w*\.py"
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let whole modules come first, so that nobody waits for one in the end; then tests, each where there is room."""
    from xdist.scheduler import LoadScopeScheduling

    class WholeModulesFirst(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if WHOLE.search(module) else nodeid

    return WholeModulesFirst(config, log) if config.getoption("dist") == "load" else None


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
