"""A picture or a download outlives what Streamlit keeps it for, by a minute and within a limit; its real storage."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_storage import MediaFileKind, MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from gitrelease.inside.moving.media import KEPT, LIMIT, KeptMedia


def failed(error: Exception) -> None:
    raise error


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock: Clock) -> KeptMedia:
    return KeptMedia(clock)


@pytest.fixture
def storage(kept: KeptMedia) -> MemoryMediaFileStorage:
    class Storage(MemoryMediaFileStorage):
        pass

    kept.wrap(Storage, failed)
    return Storage("/media")


def add(storage: MemoryMediaFileStorage, content: bytes) -> str:
    return storage.load_and_get_id(content, "text/csv", MediaFileKind.DOWNLOADABLE, "a.csv")


def has(storage: MemoryMediaFileStorage, identity: str) -> bool:
    try:
        storage.get_file(f"{identity}.csv")
    except MediaFileStorageError:
        return False
    return True


def test_a_deleted_file_is_there_for_a_minute(storage: MemoryMediaFileStorage, clock: Clock) -> None:
    one, other = add(storage, b"one"), add(storage, b"other")

    storage.delete_file(one)
    assert has(storage, one)
    clock.now += KEPT
    storage.delete_file(other)

    assert not has(storage, one)
    assert has(storage, other)


def test_without_another_deletion_a_look_drops_it(
    storage: MemoryMediaFileStorage, clock: Clock, kept: KeptMedia
) -> None:
    one = add(storage, b"one")
    storage.delete_file(one)

    kept.drop_overdue()
    assert has(storage, one)
    clock.now += KEPT
    kept.drop_overdue()

    assert not has(storage, one)


def test_a_file_that_is_used_again_stays(storage: MemoryMediaFileStorage, clock: Clock, kept: KeptMedia) -> None:
    one = add(storage, b"one")
    storage.delete_file(one)

    assert add(storage, b"one") == one
    clock.now += KEPT
    kept.drop_overdue()

    assert has(storage, one)


def test_what_is_beyond_the_limit_goes_the_oldest_first(storage: MemoryMediaFileStorage) -> None:
    half = LIMIT // 2
    one, two, three = (add(storage, bytes([number]) * half) for number in (1, 2, 3))
    large = add(storage, b"x" * (LIMIT + 1))

    for identity in (one, two, three):
        storage.delete_file(identity)
    assert [has(storage, identity) for identity in (one, two, three)] == [False, True, True]
    storage.delete_file(large)

    assert [has(storage, identity) for identity in (one, two, three, large)] == [False, True, True, False]


def test_a_storage_that_is_built_otherwise_deletes_as_ever_and_says_so(kept: KeptMedia) -> None:
    class Other:
        def __init__(self) -> None:
            self.deleted: list[str] = []

        def load_and_get_id(self) -> str:
            return "one"

        def delete_file(self, file_id: str) -> None:
            self.deleted.append(file_id)

    errors: list[Exception] = []
    kept.wrap(Other, errors.append)
    storage = Other()

    storage.delete_file("one")

    assert storage.deleted == ["one"]
    assert isinstance(errors[0], AttributeError)


def test_to_delete_what_is_not_there_is_no_error(storage: MemoryMediaFileStorage) -> None:
    storage.delete_file("nothing")
