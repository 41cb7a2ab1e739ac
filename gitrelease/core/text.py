"""How is data from outside (terms, messages, names) made safe to show, and how long do things read?"""

from __future__ import annotations

import re
import shlex

# Controls, C1 included; what is invisible or turns the direction of reading; halves of surrogate pairs.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f"
_CONTROL = re.compile(f"[{_UNSEEN}]+")
# What has a meaning inside of a line of Markdown. A backslash before a bar does not hold in every table.
_MARKED = re.compile(r"[\\`*_\[\]<>#|~&$]")
_ENTITIES = {"\\": "&#92;", "|": "&#124;", "<": "&lt;", ">": "&gt;", "&": "&amp;"}
_LINKED = re.compile(r"(?i)(?:https?|ftp|mailto|xmpp):|www\.|@")  # becomes a link without any brackets
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_UNPRINTABLE = re.compile(rf"(?![\n\t])[{_UNSEEN}]")


def readable(text: str) -> str:
    """Return `text` as it can be written: halves of surrogate pairs, which stand for bytes too, are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def one_line(text: str, limit: int = 2000) -> str:
    """Return `text` on one line, escape sequences and control characters neutralised, cut at `limit`."""
    plain = _CONTROL.sub(" ", text).strip()
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Return `text` with everything but its lines and tabs spelled out that a terminal would act upon: `\\x1b`."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_markdown(text: str) -> str:
    """Return `text` for one line of Markdown: it is shown as it is, and becomes no link, image, HTML or cell."""
    told = _MARKED.sub(lambda found: _ENTITIES.get(found[0]) or f"\\{found[0]}", one_line(text))
    return _LINKED.sub(lambda found: found[0][:-1] + f"&#{ord(found[0][-1])};", told)


def in_cell(text: str) -> str:
    """Return `text` for one cell of a spreadsheet: one that would be taken for a formula begins with an apostrophe."""
    told = one_line(text)
    return f"'{told}" if told.startswith(_FORMULA) else told


def quoted(value: object) -> str:
    """Return a path or a name as one word of a command that is shown: it can be typed as it stands."""
    return shlex.quote(str(value))


def short(commit: str | None) -> str:
    """Return the first ten digits of a commit id, as people read it."""
    return commit[:10] if commit else "none"


def counted(number: int, noun: str) -> str:
    """Return a number of things as a person says it: `1 check`, `4 checks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ago(seconds: float) -> str:
    """Return a length of time as a person would say it: `4 s`, `3 min`, `2 h`, `5 days`."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "days"):
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
