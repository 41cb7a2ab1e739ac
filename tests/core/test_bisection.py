"""The change is found in as few questions as can be, also one that came and went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.bisection import last_change

MOST = 10


def searched(versions: str, most: int = MOST) -> tuple[tuple[int, int] | None, list[int]]:
    """Search a history of results, the newest one last."""
    asked: list[int] = []

    def alike(place: int) -> bool:
        asked.append(place)
        return versions[place] == versions[-1]

    return last_change(len(versions) - 1, alike, most=most), asked


@given(st.integers(1, 600), st.integers(0, 600))
def test_a_change_that_stayed_is_found_in_the_logarithm(old: int, new: int) -> None:
    found, asked = searched("a" * old + "b" * (new + 1))

    assert found == (old - 1, old)
    assert len(asked) <= (old + new).bit_length()


@given(st.text("ab", min_size=1, max_size=9))
def test_in_a_short_history_nothing_is_overlooked(versions: str) -> None:
    found, asked = searched(versions)

    assert (found is None) == (len(set(versions)) == 1)
    assert len(asked) == len(set(asked)) < max(len(versions), 2)
    if found is not None:
        assert versions[found[0]] != versions[-1] == versions[found[1]]


@given(st.text("ab", min_size=1, max_size=1000))
def test_no_more_is_asked_than_is_allowed_and_what_is_said_is_true(versions: str) -> None:
    found, asked = searched(versions)

    assert len(asked) <= MOST
    if found is not None:
        assert found[1] == found[0] + 1
        assert versions[found[0]] != versions[-1] == versions[found[1]]
