"""One identity of the app's scripts for all slots: the hashes of their paths are those of the canonical folder.

To the browser a script is the hash of its path, and so are all widgets: from another folder it would be another app.
Only names in the modules that hash paths are replaced; what the app sees of its own path stays as it is.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

# Where versions 1.28 to 1.67 hash the path of a script.
_HASHED_IN = ("streamlit.runtime.pages_manager", "streamlit.source_util")
_HASHES = ("calc_hash", "calc_md5")


class Canonical:
    """Maps paths in the folder `root` to the same ones in `canonical`."""

    def __init__(self, root: str, canonical: str) -> None:
        self._roots: tuple[str, ...] = tuple({os.path.abspath(root), os.path.realpath(root)})
        self._canonical = os.path.abspath(canonical)

    def __call__(self, path: Any) -> Any:
        """Return the canonical path of a path in the root, anything else as it is."""
        if isinstance(path, str):
            for root in self._roots:
                if path.startswith(root + os.sep):
                    return self._canonical + path[len(root) :]
        return path


def install(canonical: Canonical) -> None:
    """Let Streamlit hash canonical paths; raises where this version hashes them in no known place."""
    found = [_wrap(module, canonical) for module in map(_module, _HASHED_IN) if module is not None]
    if not any(found):
        raise LookupError("this version of Streamlit hashes the path of its script in no known place")
    _name_in_messages(canonical)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:  # another version
        return None


def _wrap(module: Any, canonical: Canonical) -> bool:
    names = [name for name in _HASHES if hasattr(module, name)]
    for name in names:
        setattr(module, name, _of_canonical(getattr(module, name), canonical))
    return bool(names)


def _of_canonical(original: Callable[[Any], str], canonical: Canonical) -> Callable[[Any], str]:
    @functools.wraps(original)
    def hashed(content: Any) -> str:
        return original(canonical(content))

    return hashed


def _name_in_messages(canonical: Canonical) -> None:
    # The browser hashes this path itself, to tell whether it still shows the same app.
    from streamlit.runtime.app_session import AppSession

    original = AppSession._create_new_session_message

    @functools.wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        message = original(*args, **kwargs)
        message.new_session.main_script_path = canonical(message.new_session.main_script_path)
        return message

    AppSession._create_new_session_message = create  # type: ignore[method-assign]
