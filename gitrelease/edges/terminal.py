"""What may reach a terminal? Text and its lines; whatever else was in a name, a message or an output is spelled out."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from gitrelease.core.text import plain


class Plain(io.TextIOWrapper):
    """A text stream that cannot move the cursor, colour, retitle or reverse what is read there."""

    def write(self, text: str) -> int:
        # A carriage return that ends a line moves nothing: a sheet has one on each.
        return super().write("\r\n".join(map(plain, text.split("\r\n"))))


def guard_streams() -> None:
    """Let everything that this process prints from now on go through `Plain`."""
    sys.stdout = _plain(sys.stdout)
    sys.stderr = _plain(sys.stderr)


def _plain(stream: object) -> Plain | object:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    buffered, encoding = stream.line_buffering, stream.encoding
    # Click goes around a stream that can only write ASCII.
    encoding = "utf-8" if encoding.lower() in ("ascii", "ansi_x3.4-1968", "us-ascii") else encoding
    return Plain(stream.detach(), encoding=encoding, errors="backslashreplace", line_buffering=buffered)


def drawing() -> TextIO:
    """Return standard output for what draws by itself: whoever prints there makes the text safe before."""
    sys.stdout.flush()
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", errors="backslashreplace")
