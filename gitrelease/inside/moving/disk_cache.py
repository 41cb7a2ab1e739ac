"""Gives this process a folder of its own for what the app caches on disk (`@st.cache_data(persist="disk")`).

Streamlit has one for all apps of a user, and a file there is named by a function's source and arguments alone: what a
candidate has put there is shown by every release. And it writes in place: who reads meanwhile, another page or another
process of the release, gets an error, and so does everybody for good after a process that was killed while it wrote.
To be called before the app is served. Standard library and Streamlit only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

_CACHE = "cache"  # the folder below ~/.streamlit
_PART = ".part"  # ends the name of a file that is being written
_ABANDONED = 3600.0  # seconds: nothing takes that long to write


def use(folder: str) -> None:
    """Let Streamlit keep its cache in a folder below `folder`, which is made; raises where its insides are others.

    It is named by the packages that are installed: what they have computed may be something else by another version.
    """
    from streamlit import file_util as loaded
    from streamlit.runtime.caching.storage import local_disk_cache_storage as loaded_storage

    file_util: Any = loaded
    storage: Any = loaded_storage
    original, read = file_util.get_streamlit_file_path, storage.streamlit_read
    write = functools.partial(_whole_or_not_at_all, storage.streamlit_write)
    folder = os.path.join(folder, _packages())
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _clear_away_parts(folder)

    @functools.wraps(original)
    def path(*parts: str) -> str:
        return os.path.join(folder, *parts[1:]) if parts[:1] == (_CACHE,) else str(original(*parts))

    file_util.get_streamlit_file_path = path
    storage.get_streamlit_file_path = path
    if storage.get_cache_folder_path() != folder:
        raise RuntimeError("its folder for caches is named elsewhere")
    storage.streamlit_write = contextlib.contextmanager(write)
    storage.streamlit_read = functools.wraps(read)(functools.partial(_unless_empty, read))


def _whole_or_not_at_all(write: Callable[..., Any], path: str, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file beside `path` for writing as Streamlit does, and let it take its place when all is written."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    number, part = tempfile.mkstemp(dir=os.path.dirname(path), suffix=_PART)
    os.close(number)
    try:
        with write(part, binary=binary) as handle:
            yield handle
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


def _unless_empty(read: Callable[..., Any], path: str, binary: bool = False) -> Any:
    """Open a file as Streamlit does; one without content, as a power cut leaves it, is not there."""
    if not os.path.getsize(path):
        raise FileNotFoundError(path)
    return read(path, binary=binary)


def _clear_away_parts(folder: str) -> None:
    """Remove what processes that were killed have left half written."""
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.name.endswith(_PART) and time.time() - entry.stat().st_mtime > _ABANDONED:
                os.remove(entry.path)


def _packages() -> str:
    """Return a name for the Python that runs us and all that is installed there, each with its version."""
    found: set[str] = set()
    for place in sys.path:
        with contextlib.suppress(OSError):
            found.update(name for name in os.listdir(place) if name.endswith((".dist-info", ".egg-info")))
    return hashlib.sha256("\n".join([sys.version, *sorted(found)]).encode()).hexdigest()[:16]
