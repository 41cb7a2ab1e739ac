"""A file is replaced as a whole, whoever writes it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gitrelease.edges.home import write_atomically


def test_threads_that_replace_the_same_file_at_once_are_in_nobodys_way(tmp_path: Path) -> None:
    contents = [bytes([number]) * (1_000 + number) for number in range(8)]

    with ThreadPoolExecutor(max_workers=8) as beside:
        for _ in range(20):
            list(beside.map(lambda content: write_atomically(tmp_path / "file", content), contents))

    assert (tmp_path / "file").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
