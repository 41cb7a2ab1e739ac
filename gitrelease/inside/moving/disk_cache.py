"""Gives this process a folder of its own for what the app caches on disk (`@st.cache_data(persist="disk")`).

Streamlit has one for all apps of a user, and a file there is named by a function's source and arguments alone: what a
candidate has put there is shown by every release. To be called before the app is served. Standard library and
Streamlit only, Python 3.8 and later.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from typing import Any

_CACHE = "cache"  # the folder below ~/.streamlit


def use(folder: str) -> None:
    """Let Streamlit keep its cache in a folder below `folder`, which is made; raises where its insides are others.

    It is named by the packages that are installed: what they have computed may be something else by another version.
    """
    from streamlit import file_util as loaded
    from streamlit.runtime.caching.storage import local_disk_cache_storage as loaded_storage

    file_util: Any = loaded
    storage: Any = loaded_storage
    original = file_util.get_streamlit_file_path
    folder = os.path.join(folder, _packages())
    os.makedirs(folder, mode=0o700, exist_ok=True)

    @functools.wraps(original)
    def path(*parts: str) -> str:
        return os.path.join(folder, *parts[1:]) if parts[:1] == (_CACHE,) else str(original(*parts))

    file_util.get_streamlit_file_path = path
    storage.get_streamlit_file_path = path
    if storage.get_cache_folder_path() != folder:
        raise RuntimeError("its folder for caches is named elsewhere")


def _packages() -> str:
    """Return a name for the Python that runs us and all that is installed there, each with its version."""
    found: set[str] = set()
    for place in sys.path:
        with contextlib.suppress(OSError):
            found.update(name for name in os.listdir(place) if name.endswith((".dist-info", ".egg-info")))
    return hashlib.sha256("\n".join([sys.version, *sorted(found)]).encode()).hexdigest()[:16]
