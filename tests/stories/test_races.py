"""Pushes, pulls, edits, commits, `deploy` and `rollback` at once: nothing is lost, and the history tells of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.races import Races
from tests.checkout import Production, make_several
from tests.whole import Everybody, Users


@pytest.mark.parametrize("seed", [1, 2])
def test_a_few_rounds_of_everything_at_once_lose_nothing(production: Production, seed: int) -> None:
    """Hundreds of rounds are `python -m tests.benchmarks.races`."""
    races = Races(production, seed)

    with Users(production) as users:
        for _ in range(4):
            races.round()

    assert users.failed == []
    assert sum(races.count.values()) >= 8


def test_a_few_rounds_with_instances_and_a_group_lose_nothing(tmp_path: Path) -> None:
    """Hundreds of rounds are `python -m tests.benchmarks.races --groups`."""
    production = make_several(tmp_path).up()
    try:
        production.await_idle()
        races = Races(production, 3)
        races.deploy_to()

        with Everybody(production) as users:
            for _ in range(4):
                races.round()

        assert users.failed == []
        assert len(users.of) == 5
    finally:
        production.clear_away()
