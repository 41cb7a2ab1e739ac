"""Which files never run, so that a change to them is no release?"""

from __future__ import annotations

import re

# Names of papers a repository carries, bare or with an ending of prose: never `license_check.py`.
_PAPERS = re.compile(
    r"(licen[cs]es?|copying|notice|authors|contributors|changelog|changes|readme)([-_][\w.-]+)?(\.(txt|rst|adoc))?",
    re.IGNORECASE,
)
_ENDS_AS_CODE = re.compile(r"\.(py|pyi|pyc|json|toml|ya?ml|ini|cfg|sh|csv)$", re.IGNORECASE)
_FOLDERS = ("docs/", "tests/", ".github/")
_GIT_FILES = frozenset({".gitignore", ".gitattributes", ".mailmap", ".git-blame-ignore-revs", ".editorconfig"})


def is_document(path: str) -> bool:
    """Is the file one that never runs: prose, tests, licence, changelog, or what only git reads?

    `path` is relative to the root of the repository. Folders count at the root only: `app/docs/x.txt` may well be
    read by the app.
    """
    name = path.rpartition("/")[2]
    if path.startswith(_FOLDERS) or name in _GIT_FILES or name.lower().endswith(".md"):
        return True
    return _PAPERS.fullmatch(name) is not None and not _ENDS_AS_CODE.search(name)
