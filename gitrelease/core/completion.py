"""What has somebody typed so far, and how is what could come next written, so that a shell takes it as one word?

Names come from whoever may push or write settings. One that a line could not hold safely is left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gitrelease.core.text import one_line

FOLDERS = ":folders"  # in the place of offers: the shell knows folders better than we do
_TOLD = 60  # characters of what is said of an offer
# Everything else gets a backslash: bash, in none of its places, takes these for more than themselves.
_SPECIAL = re.compile(r"[^\w@%+=:,./-]")
_END = "."  # stands for the cursor while a line is read


class Offer(NamedTuple):
    """A word that could stand at the cursor, and what is said of it where a shell shows that."""

    value: str
    told: str = ""


@dataclass(frozen=True)
class Typed:
    """A line up to the cursor: the words that are complete, without the program, and the one that is being typed."""

    words: Sequence[str]
    word: str
    quoted: bool = False  # the cursor stands in a quotation that is open


def read_line(line: str) -> Typed:
    """Read a line as a shell would, up to its end; nothing in it is expanded or executed."""
    lexer = shlex.shlex(line + _END, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    quoted = False
    try:
        words += lexer
    except ValueError:  # a quotation that is open
        words.append(lexer.token)
        quoted = True
    return Typed(words[1:-1], words[-1].removesuffix(_END), quoted)


def can_be_typed(value: str) -> bool:
    """Can `value` be offered? Not what no line shows as it is, what would be an option, or one of our own marks."""
    return value.isprintable() and value[:1] not in ("", "-", ":")


def for_bash(offers: Iterable[Offer], typed: Typed, replaced: str) -> Iterator[str]:
    """Yield what bash may put in the place of `replaced`: the end of the word, as its own rules cut it (at `=`, `@`).

    Bash inserts what it is given as it is. In an open quotation a backslash is none: odd names are not offered there.
    """
    end = read_line(f"_ {replaced}").word
    kept = len(typed.word) - len(end) if typed.word.endswith(end) else 0
    for offer in offers:
        rest = offer.value[kept:]
        written = _SPECIAL.sub(r"\\\g<0>", rest)
        if written == rest or not typed.quoted:
            yield written


def with_words(offers: Iterable[Offer]) -> Iterator[str]:
    """Yield offers for shells that quote what they insert by themselves: the word, and behind a tab what is said."""
    for offer in offers:
        yield f"{offer.value}\t{one_line(offer.told, _TOLD)}" if offer.told else offer.value
