"""How do messages reach their receivers? `python -m gitrelease.notify` sends what it reads, says how each fared, ends.

Standard input: one JSON object, `{"limit": seconds, "messages": [{"setting", "url", "title", "body", "type"}]}`.
Standard output: one line for each message as soon as its end is known, `{"place", "reached", "why", "seconds"}`. URLs
hold secrets: they come by the pipe, since everybody on the host can read an argument list. With `"send": false` nothing
is sent: a line says whether that could be done.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from typing import Any

import apprise

from gitrelease.notify.addresses import why_not

_AT_ONCE = 16  # receivers
_SLACK = 5  # seconds: whoever started us has given up by then, or is gone

Message = dict[str, Any]


class _Listener(logging.Handler):
    """Keeps what Apprise said last."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()


def main() -> None:
    os.nice(5)  # a release that is being staged just now goes before
    asked = json.load(sys.stdin)
    each: dict[str, list[tuple[int, Message]]] = {}
    for place, message in enumerate(asked["messages"]):
        each.setdefault(message["setting"], []).append((place, message))
    limit = int(asked["limit"]) + _SLACK
    signal.alarm(limit)
    apprise.Apprise.instantiate("json://localhost")  # reads what services there are, once for all
    if not asked.get("send", True):
        for place, message in enumerate(asked["messages"]):
            why = _wrong_with(message["url"])
            print(json.dumps({"place": place, "reached": not why, "why": why, "seconds": 0.0}), flush=True)
        return
    # A fork for each receiver: Apprise sends from a few threads that all share, and some that hang would fill them.
    forking = multiprocessing.get_context("fork")
    with forking.Pool(min(_AT_ONCE, len(each)), initializer=signal.alarm, initargs=(limit,)) as pool:
        for _ in pool.imap_unordered(_send, each.values()):
            pass


def _send(messages: list[tuple[int, Message]]) -> None:
    """Send to one receiver what is for it, in order."""
    listener = _Listener(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [listener], False
    for place, message in messages:
        begun, listener.said = time.monotonic(), ""
        reached, why = _sent(message, listener)
        told = {"place": place, "reached": reached, "why": why[:1000], "seconds": round(time.monotonic() - begun, 3)}
        with contextlib.suppress(
            BrokenPipeError
        ):  # an agent that has ended reads nothing; the rest is sent all the same
            os.write(sys.stdout.fileno(), json.dumps(told).encode() + b"\n")  # at once, so that lines do not mix


def _sent(message: Message, listener: _Listener) -> tuple[bool, str]:
    """Send one message; return whether its receiver took it, and what was wrong."""
    asset = apprise.AppriseAsset(app_id="gitrelease", async_mode=False)
    receiver = apprise.Apprise.instantiate(message["url"], asset=asset)
    if receiver is None:
        return False, _wrong_with(message["url"])
    sender = apprise.Apprise(asset=asset)
    sender.add(receiver)
    # As text: a service that wants HTML or Markdown gets it escaped.
    took = sender.notify(
        title=message["title"],
        body=message["body"],
        notify_type=apprise.NotifyType(message["type"]),
        body_format=apprise.NotifyFormat.TEXT,
    )
    return (True, "") if took else (False, listener.said or "its receiver did not take it")


def _wrong_with(url: str) -> str:
    """Say why nothing can be sent to an address; nothing where it can. Nobody is connected to."""
    if apprise.Apprise.instantiate(url) is not None:
        return ""
    return why_not(url, apprise.Apprise().details(show_requirements=True, show_disabled=True)["schemas"])


if __name__ == "__main__":
    main()
