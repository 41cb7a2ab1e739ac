"""Sample documents of any kind go through the sample app, or say why they do not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from gitrelease.inside.contract import import_file
from gitrelease.profiles import findoc
from gitrelease.profiles.findoc import replay

SAMPLE = Path(findoc.__file__).parents[2] / "demo" / "app" / "FinDocPipeline.py"


@pytest.fixture(scope="module")
def app() -> ModuleType:
    sys.modules.pop("FinDocPipeline", None)
    return import_file(SAMPLE, "FinDocPipeline")


def metrics(app: ModuleType, path: Path, content: bytes) -> dict[str, str]:
    path.write_bytes(content)
    (answer,) = replay.replay(app, [path])
    if "skipped" in answer:
        pytest.fail(answer["skipped"])
    return {row["metric"]: row["value"] for row in answer["metrics"]}


TEXT = "Total revenue: €12.5 million\nNet income: £3 million\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_document_is_read_in_its_own_encoding(app, tmp_path, encoding):
    found = metrics(app, tmp_path / "report.txt", TEXT.encode(encoding))

    assert (found["revenue"], found["net_income"]) == ("12.5 million", "3 million")


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_table_is_read_with_the_delimiter_it_has(app, tmp_path, delimiter):
    table = f"Item{delimiter}Value\r\nTotal assets{delimiter}7.5 million\r\n"

    assert metrics(app, tmp_path / "report.csv", table.encode())["total_assets"] == "7.5 million"


@pytest.mark.parametrize("name", ["empty.txt", "empty.csv"])
def test_an_empty_document_gives_nothing(app, tmp_path, name):
    assert metrics(app, tmp_path / name, b"") == {}


def test_what_takes_its_time_goes_through_the_app_alone_the_smallest_first(tmp_path):
    sizes = {"a.txt": 10, "b.csv": 20, "c.pdf": 300, "d.txt": 2_000_001, "e.PDF": 200, "f.txt": 30}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)

    batches = replay.batches([tmp_path / name for name in sizes], 2)

    names = [[path.name for path in batch] for batch in batches]
    assert names == [["a.txt", "f.txt"], ["b.csv"], ["e.PDF"], ["c.pdf"], ["d.txt"]]


def test_together_they_give_what_each_gives_alone(app):
    paths = sorted(findoc.DOCUMENTS.iterdir())

    assert replay.replay(app, paths) == [replay.replay(app, [path])[0] for path in paths]


def test_the_documents_of_the_profile_exercise_every_metric_of_the_sample_app(app):
    paths = sorted(findoc.DOCUMENTS.iterdir())
    found = {row["metric"] for answer in replay.replay(app, paths) for row in answer["metrics"]}

    assert len(paths) >= 40
    assert {path.suffix for path in paths} == {".txt", ".csv"}
    assert found >= set(app.DeduplicatedMetricsExtractor().metric_patterns)
