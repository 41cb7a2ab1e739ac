"""How things stood before a release is kept to a size, without secrets, and is read whatever is missing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitrelease.core.state import LARGEST, LONGEST, MOST, State, bounded, decoded, encoded, state_lines

facts = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(facts)
def test_a_fact_is_cut_and_can_be_written(fact: Any) -> None:
    kept = bounded(fact)

    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept


def test_texts_and_lists_are_cut_and_secrets_hidden() -> None:
    kept = bounded({"command": "serve --token abcdefgh", "long": "x" * 1000, "list": list(range(1000))})

    assert isinstance(kept, dict)
    assert kept["command"] == "serve --token ***"
    assert len(kept["long"]) == LONGEST
    assert kept["list"] == list(range(MOST))


def test_what_is_too_large_makes_way_and_says_so() -> None:
    huge = {f"package {number}": "v" * 290 for number in range(100)} | {"nested": [["y" * 290] * 90] * 30}
    state = State(at=1.0, facts={"small": 1, "huge": huge}, missing={"disks": "x" * 5000})

    content = encoded(state)
    kept = decoded(content)

    assert len(content) < LARGEST
    assert kept is not None
    assert kept.facts == {"small": 1}
    assert "too large" in kept.missing["huge"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"at": "x"}', b"\xff"])
def test_what_cannot_be_read_is_no_state(content: bytes | None) -> None:
    assert decoded(content) is None


def shaped(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: facts | st.floats() for name in names})


@settings(max_examples=30)  # each is large
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "host": facts | shaped("load", "cores"),
            "memory": facts | shaped("total_mb", "available_mb"),
            "disks": facts | st.lists(shaped("path", "free_mb")),
            "processes": facts | st.lists(shaped("role", "pid", "cpu_percent", "memory_mb", "uptime_s")),
            "others": facts | shaped("all", "of_this_user"),
            "ports": facts | shaped("ours", "others"),
            "git": facts | shaped("branch", "head", "dirty"),
            "versions": facts,
            "app": facts | shaped("python", "streamlit", "packages"),
        },
    )
)
def test_a_state_of_another_version_reads_all_the_same(told: dict[str, Any]) -> None:
    assert all("\n" not in line for line in state_lines({"facts": told, "missing": {}}))


def test_a_missing_fact_says_why() -> None:
    lines = list(state_lines({"facts": {}, "missing": {"app": "python ended with 3: broken"}}))

    assert lines == ["app: python ended with 3: broken"]
