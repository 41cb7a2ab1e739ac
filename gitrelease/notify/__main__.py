"""How do messages reach their receivers? `python -m gitrelease.notify` sends what it reads, says how each fared, ends.

Standard input: one JSON object, `{"limit": seconds, "messages": [{"url", "title", "body", "type"}]}`. Standard output:
one line for each message as soon as its end is known, `{"place", "reached", "why", "seconds"}`. URLs hold secrets: they
come by the pipe, since everybody on the host can read an argument list.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apprise

_AT_ONCE = 16  # receivers
_SLACK = 5  # seconds: whoever started us has given up by then, or is gone
_UNKNOWN = "Apprise knows no such service, or a part of its address is missing; see https://appriseit.com/services/"


class _Said(logging.Handler):
    """Keeps what Apprise says on its way, for each thread by itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        self._last.text = record.getMessage()

    def last(self) -> str:
        return getattr(self._last, "text", "")

    def forget(self) -> None:
        self._last.text = ""


def main() -> None:
    os.nice(5)  # a release that is being staged just now goes before
    asked = json.load(sys.stdin)
    signal.alarm(int(asked["limit"]) + _SLACK)
    said = _Said()
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    logger.propagate = False
    writing = threading.Lock()

    def work(place: int, message: dict[str, Any]) -> None:
        begun = time.monotonic()
        reached, why = _sent(message, said)
        told = {"place": place, "reached": reached, "why": why, "seconds": round(time.monotonic() - begun, 3)}
        with writing:
            print(json.dumps(told), flush=True)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for end in [pool.submit(work, place, message) for place, message in enumerate(asked["messages"])]:
            end.result()


def _sent(message: dict[str, Any], said: _Said) -> tuple[bool, str]:
    """Send one message; return whether its receiver took it, and what was wrong."""
    said.forget()
    receiver = apprise.Apprise.instantiate(message["url"], asset=apprise.AppriseAsset(app_id="gitrelease"))
    if receiver is None:
        return False, _UNKNOWN
    # As text: a service that wants HTML or Markdown gets it escaped.
    reached = apprise.Apprise(asset=receiver.asset)
    reached.add(receiver)
    took = bool(
        reached.notify(
            title=message["title"],
            body=message["body"],
            notify_type=apprise.NotifyType(message["type"]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    )
    return took, "" if took else said.last() or "its receiver did not take it"


if __name__ == "__main__":
    main()
