"""How is an app's output shown? Line by line: bounded, without secrets, nothing that a terminal would act upon."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitrelease.core.redaction import HIDDEN, redacted
from gitrelease.core.text import plain

LONGEST = 2000  # characters of a line that are shown
KEY_LINES = 200  # a private key has fewer: what has none is shown again after as many

_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----")


class Shown:
    """Makes lines fit to be shown, in their order: a private key goes over several."""

    def __init__(self) -> None:
        self._key_lines = 0  # of the key that is under way; 0: of none

    def is_orphan(self, line: bytes) -> bool:
        """Does a private key end there that has not begun? Then what lies before is a part of it."""
        if self._key_lines or b"PRIVATE KEY" not in line:
            return False
        text = line.decode(errors="replace")
        return _KEY_ENDS.search(text) is not None and _KEY_BEGINS.search(text) is None

    def take(self, line: bytes, *, size: int | None = None) -> Iterator[str]:
        """Yield the line as it is shown; nothing inside of a private key. `size` is its length where it was cut."""
        text = line.decode(errors="replace")
        if self._key_lines:
            if not _KEY_ENDS.search(text) and self._key_lines < KEY_LINES:
                self._key_lines += 1
                return
            self._key_lines = 0
            return
        begins = _KEY_BEGINS.search(text)
        if begins is not None and not _KEY_ENDS.search(text, begins.end()):
            self._key_lines = 1
            text = text[: begins.start()] + f"{HIDDEN} private key"
        yield _bounded(plain(redacted(text).rstrip("\r")), len(line) if size is None else size)


def _bounded(text: str, size: int) -> str:
    return text if len(text) <= LONGEST and size <= 32 * LONGEST else f"{text[:LONGEST]}… ({size:,} bytes)"
