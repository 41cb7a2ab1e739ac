"""How is what a command prints kept as a text that is the same on every run, and compared with what was kept?"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.checkout import Ended

FOLDER = Path(__file__).parent / "snapshots"

Places = Sequence[tuple[str, str]]


_LENGTH = r"\d+ (?:s|min|h|days)"
_CLOCK = r"(?:(?:\w{3} |\d+ \w{3} (?:\d{4} )?)?\d\d:\d\d|\d+ \w{3} \d{4})"

# What differs from run to run or from host to host, and what stands for it; from top to bottom.
RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # moments and lengths of time
    (r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d", r"2026-01-05\g<1>12:00:00"),
    (r"(?<=[Dd]ate: )\d{4}-\d\d-\d\d|(?<=Date:\*\* )\d{4}-\d\d-\d\d", "2026-01-05"),
    (r"(?m)(?<=Time: )[\d:]{8}|(?<=Time:\*\* )[\d:]{8}|^\d\d:\d\d:\d\d(?=  )", "12:00:00"),
    (r"(?<=backup/)\d{8}-\d{6}-snapshot\+?", "20260105-120000-snapshot"),  # + is the second one of a second
    (rf"\b{_LENGTH} ago, {_CLOCK}", "1 s ago, 12:00"),
    (r"(?<=1 s ago, 12:00)   +", "  "),  # as wide as the widest of a column
    (rf"\bsince {_CLOCK}, {_LENGTH} ago", "since 12:00, 1 s ago"),
    (rf"(?<=, ){_LENGTH} ago(?=, by )", "1 s ago"),
    (rf"\b(up|for|over after) {_LENGTH}\b", r"\1 1 s"),
    (r"\b\d+ s left", "9 s left"),
    (r"\b\d+\.(\d+) s\b", lambda found: f"0.{'0' * len(found[1])} s"),
    (r"\b\d+ ms\b", "5 ms"),
    (r"(?m)Z,\d+\.\d+,", "Z,0.5,"),  # in a sheet
    (r"(?<=12:00:00),\d{3}", ",000"),
    # processes and ports
    (r"\bpid \d+", "pid 12345"),
    (r"\bport \d{5}\b", "port 54321"),
    (r"(?m)(?<=is taken by pid 12345: ).*", "…"),  # cut after as much as fits
    (r"(json://127.0.0.1:)\d+", r"\g<1>54321"),
    (r"127.0.0.1:\d+/\?token=\S+", "127.0.0.1:8600/?token=…"),
    (r"\bports \d[\d, ]+;", "ports 50001, 54321;"),
    (r"\bslot [a-d]\b", "slot b"),  # whichever is free by then
    # how much is used
    (r"(?<!average )\b(cpu|CPU) \d+ %", r"\1 5 %"),
    (r"\d+ % at most", "5 % at most"),
    (r"(?<!peak memory )\b\d+ MB", "20 MB"),
    (r"\bload [\d.]+ on \d+ cores, \d+ of", "load 0.50 on 2 cores, 20 of"),
    (r"\d+ others? listened on", "9 others listened on"),
    (r"\d+ other processes, \d+ of this user", "99 other processes, 9 of this user"),
    # the agent looks at the inbox when it likes
    (r"(?m)^busy      looking at the inbox .*\n", ""),
    (r'"lock": \{[^}]*\}', '"lock": null'),
    # this host
    (r"gitrelease \d[\w.]*, python .*", "gitrelease 1.0, python 3.11, …"),
    (r"(?m)^gitrelease \d[\w.]*$", "gitrelease 1.0"),
    (r"(?m)^(ok       git  +).*", r"\g<1>2.39.5"),
    (r'("name": "git",\s+"status": "ok",\s+"detail": )"[^"]*"', r'\1"2.39.5"'),
    (r"(?m)^(ok       clock  +).*", r"\1…"),
    (r"(?m)^(warning  boot  +).*\n( +fix: ).*", r"\1…\n\2…"),
    (r"(?m)^2> systemd does not run here now; .*\n", ""),
    (r"PATH=\S+", "PATH=…"),
)

# The same in JSON: what stands for the value of a key, where that is not null.
VALUES: dict[str, Any] = {
    **dict.fromkeys(("at", "since", "until", "last_worked", "ended", "told_at"), 1767614400.0),
    **dict.fromkeys(("seconds", "seconds_left", "cold_seconds", "warm_seconds", "expected_seconds", "uptime_s"), 0.5),
    **dict.fromkeys(("cpu_percent", "memory_mb", "answer_ms", "average", "peak"), 5.0),
    **dict.fromkeys(("pid", "port"), 12345),
    "backend": "…", "facts": "…", "verified": True, "content": "…", "variables": "…",
}  # fmt: skip


def stable(text: str, places: Places) -> str:
    """Return `text` with what differs from run to run replaced: first `places` of this run, then by `RULES`."""
    for place, word in places:
        if place[0] == "/":
            text = text.replace(place, word).replace(place.replace("_", r"\_"), word)  # the latter in Markdown
        else:
            text = re.sub(rf"\b{re.escape(place)}\b", word, text)
    for pattern, word in RULES:
        text = re.sub(pattern, word, text)
    return text


def block(title: str, typed: str, ended: Ended) -> str:
    """Return one command as a snapshot has it: when, what was typed, both outputs, the exit code."""
    errors = [f"2> {line}".rstrip() for line in ended.err.splitlines()]
    lines = [f"### {title}", f"$ {typed}", *_laid_out(ended.out), *errors, f"[exit {ended.code}]"]
    return "\n".join(lines) + "\n"


def _laid_out(out: str) -> list[str]:
    """Return standard output by lines; an object of JSON over several, so that a difference shows its key."""
    lines: list[str] = []
    for line in out.splitlines():
        lines += _object(line).splitlines() if line.startswith('{"schema": 1') else [line.rstrip()]
    return lines


def _object(line: str) -> str:
    return json.dumps(_known(json.loads(line)), indent=1, ensure_ascii=False)


def _known(value: Any) -> Any:
    """Return a JSON value with what differs from run to run replaced by `VALUES`."""
    if isinstance(value, list):
        return [_known(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: VALUES[key] if key in VALUES and one is not None else _known(one) for key, one in value.items()}


def difference(name: str, kept: str, now: str) -> str:
    """Return how what is printed now differs from what was kept; nothing where it does not."""
    names = (f"tests/snapshots/{name}.txt", "what is printed now")
    return "\n".join(difflib.unified_diff(kept.splitlines(), now.splitlines(), *names, lineterm="", n=4))
