"""What apps have written beside their script is kept for a while: how much of it, and what goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitrelease.edges import leftovers


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What three slots have left, the oldest first, a megabyte each."""
    for name in ("20260101T000000Z-a", "20260102T000000Z-b", "20260103T000000Z-c"):
        (tmp_path / "kept" / name / "output").mkdir(parents=True)
        (tmp_path / "kept" / name / "output" / "report.csv").write_bytes(bytes(1 << 20))
    return tmp_path / "kept"


def left(place: Path) -> list[str]:
    return sorted(path.name[-1] for path in place.iterdir())


@pytest.mark.parametrize(("most", "stays"), [(3, "abc"), (2, "bc"), (1, "c"), (0, "")])
def test_the_oldest_goes_first_until_the_rest_fits(place: Path, most: int, stays: str) -> None:
    dropped = leftovers.bound(place, most << 20)

    assert left(place) == list(stays)
    assert [name[-1] for name in dropped] == [one for one in "abc" if one not in stays]


def test_a_small_disk_bounds_it_whatever_is_set(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = leftovers.shutil.disk_usage(place).total
    monkeypatch.setattr(leftovers, "SHARE_OF_DISK", (2.5 * (1 << 20)) / total)

    leftovers.bound(place, 1 << 40)

    assert left(place) == ["b", "c"]
