"""Pushes, pulls, edits, commits, `deploy` and `rollback` at once: nothing is lost, and the history tells of all."""

from __future__ import annotations

import pytest

from tests.benchmarks.races import Races
from tests.checkout import Production
from tests.whole import Users


@pytest.mark.parametrize("seed", [1, 2])
def test_a_few_rounds_of_everything_at_once_lose_nothing(production: Production, seed: int) -> None:
    """Hundreds of rounds are `python -m tests.benchmarks.races`."""
    races = Races(production, seed)

    with Users(production) as users:
        for _ in range(4):
            races.round()

    assert users.failed == []
    assert sum(races.count.values()) >= 8
