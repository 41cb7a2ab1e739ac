"""Does each process find what its own release has cached on disk, and nothing of another's? Real Streamlits.

With other versions of Streamlit: tests/elsewhere/streamlits.sh.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitrelease.edges import disk_cache
from gitrelease.edges.home import Home
from tests.edges.companions import Visitor, running_app

APP = """
import pathlib
import streamlit as st

@st.cache_data(persist="disk", show_spinner=False)
def numbers(count):
    return [FACTOR * number for number in range(count)]

FACTOR = int((pathlib.Path(__file__).parent / "factor").read_text())
st.write(f"numbers {numbers(3)}")
"""


def shown(folder: Path, *, factor: int, cache: Path | None, name: str) -> str:
    """Return what a process of the app shows that computes with `factor`."""
    slot = folder / name
    slot.mkdir()
    (slot / "app.py").write_text(APP)
    (slot / "factor").write_text(str(factor))
    with running_app(slot, run=folder, name=name, cache=cache) as app:
        page = Visitor(app.port)
        text = page.run().texts[0]
        page.close()
    return text


def test_a_process_shows_nothing_that_another_release_has_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    candidate = shown(tmp_path, factor=666, cache=tmp_path / "caches" / "one", name="candidate")

    release = shown(tmp_path, factor=1, cache=tmp_path / "caches" / "other", name="release")
    again = shown(tmp_path, factor=7, cache=tmp_path / "caches" / "other", name="again")

    assert candidate == "numbers [0, 666, 1332]"
    assert release == "numbers [0, 1, 2]"
    assert again == "numbers [0, 1, 2]"  # what it has kept: its own
    assert not (tmp_path / ".streamlit" / "cache").exists()


def test_without_a_folder_it_is_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shown(tmp_path, factor=666, cache=None, name="one")

    other = shown(tmp_path, factor=1, cache=None, name="other")

    assert other == "numbers [0, 666, 1332]"
    assert list((tmp_path / ".streamlit" / "cache").iterdir())


def test_other_packages_compute_anew_and_the_same_ones_find_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    first, second = ((tmp_path / f"pandas-{version}.0.dist-info") for version in (2, 3))
    shows = []
    for factor, installed in ((1, first), (7, second), (8, first)):
        installed.mkdir(parents=True)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        shows.append(shown(tmp_path, factor=factor, cache=tmp_path / "cache", name=f"with {factor}"))
        installed.rmdir()

    assert shows == ["numbers [0, 1, 2]", "numbers [0, 7, 14]", "numbers [0, 1, 2]"]


HELD = """
import os
import sys
import threading
from types import SimpleNamespace

from gitrelease.inside.moving import disk_cache

disk_cache.use(sys.argv[1])
from streamlit.runtime.caching.storage.cache_storage_protocol import CacheStorageKeyNotFoundError
from streamlit.runtime.caching.storage.local_disk_cache_storage import LocalDiskCacheStorage, get_cache_folder_path

storage = LocalDiskCacheStorage(SimpleNamespace(function_key="f", persist="disk", ttl_seconds=None, max_entries=None))
value, seen, over = bytes(32 << 20), [], threading.Event()

def read():
    while not over.is_set():
        try:
            seen.append(len(storage.get("k")) == len(value))
        except CacheStorageKeyNotFoundError:
            seen.append(True)

reader = threading.Thread(target=read)
reader.start()
for _ in range(20):
    storage.set("k", value)
over.set()
reader.join()
assert len(seen) > 20 and all(seen), seen
assert os.listdir(get_cache_folder_path()) == ["f-k.memo"]
"""


def test_who_reads_while_somebody_writes_finds_all_of_a_value_or_none(tmp_path: Path) -> None:
    reader = subprocess.run([sys.executable, "-c", HELD, str(tmp_path)], capture_output=True, text=True, check=False)

    assert reader.returncode == 0, reader.stderr


def test_a_file_that_a_power_cut_left_without_content_is_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shown(tmp_path, factor=1, cache=tmp_path / "cache", name="before")
    (kept,) = (tmp_path / "cache").rglob("*.memo")
    kept.write_bytes(b"")

    assert shown(tmp_path, factor=7, cache=tmp_path / "cache", name="after") == "numbers [0, 7, 14]"
    assert kept.stat().st_size


def test_what_a_process_that_was_killed_left_half_written_goes_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shown(tmp_path, factor=1, cache=tmp_path / "cache", name="before")
    (kept,) = (tmp_path / "cache").rglob("*.memo")
    old, new = kept.with_name("old.part"), kept.with_name("new.part")
    for part, age in ((old, 4000), (new, 0)):
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age,) * 2)

    shown(tmp_path, factor=1, cache=tmp_path / "cache", name="after")

    assert (old.exists(), new.exists(), kept.exists()) == (False, True, True)


def test_what_was_used_longest_ago_goes_first_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for age, name in enumerate(("newest", "middle", "in use", "oldest")):
        file = home.caches / name / "packages" / "value"
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(1000))
        for path in (file, file.parent):
            os.utime(path, (time.time() - 100 * age,) * 2)
    held = home.caches / "in use"

    assert disk_cache.bound(home, keep={held}, most=1 << 20) == []
    dropped = disk_cache.bound(home, keep={held}, most=3 * 5500)

    assert [folder.name for folder in dropped] == ["oldest"]
    assert [folder.name for folder in disk_cache.bound(home, keep={held}, most=0)] == ["middle", "newest"]
    assert disk_cache.drop_but(home, {held}) == []
    assert disk_cache.drop_but(home, set()) == [held]
