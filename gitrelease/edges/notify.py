"""How are people told? A process of its own sends: Apprise is large, and a receiver that hangs is ended with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gitrelease.core.notices import shown_address, without_address
from gitrelease.core.reading import ReadAs
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line
from gitrelease.edges.process_table import identify
from gitrelease.edges.processes import kill_group


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver is to get; `setting` says where its address is set, `type` colours it where a service can."""

    setting: str
    url: str
    title: str
    body: str
    type: str  # as Apprise has it: info, success, warning, failure


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How a message fared; nothing in it is a secret."""

    setting: str
    to: str
    reached: bool
    why: str
    seconds: float


class _Told(msgspec.Struct, frozen=True):
    place: int
    reached: bool
    why: str
    seconds: float


def deliver(messages: Sequence[Message], *, environment: Mapping[str, str], limit: float) -> list[Delivery]:
    """Send `messages` and say how each fared; what has not within `limit` seconds is given up.

    A proxy that `environment` names is used.
    """
    return _asked(messages, limit=limit, send=True, environment=environment)


def examine(receivers: Iterable[tuple[str, str]], *, limit: float) -> list[Delivery]:
    """Say of each receiver (where its address is set, and the address) whether Apprise could send to it, and why not.

    Nothing is sent. What has no answer within `limit` seconds is said not to be reached.
    """
    messages = [Message(setting=setting, url=url, title="", body="", type="info") for setting, url in receivers]
    return _asked(messages, limit=limit, send=False)


def _asked(
    messages: Sequence[Message], *, limit: float, send: bool, environment: Mapping[str, str] | None = None
) -> list[Delivery]:
    if not messages:
        return []
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "gitrelease.notify"],
        cwd="/",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    identity = identify(child.pid)
    asked = json.dumps({"limit": limit, "send": send, "messages": [msgspec.to_builtins(one) for one in messages]})
    try:
        out, said = child.communicate(asked.encode(), timeout=limit)
        late = ""
    except subprocess.TimeoutExpired:
        kill_group(identity)
        out, said = child.communicate()
        late = f"it has not answered within {limit:g} s"
    ends = {one.place: one for one in map(_decode, out.splitlines())}
    lost = late or _last_line(said) or "the process that sends ended before it had an answer"
    unknown = _Told(-1, reached=False, why=lost, seconds=limit if late else 0.0)
    return [_delivery(message, ends.get(place, unknown)) for place, message in enumerate(messages)]


_decode = ReadAs(_Told).decode


def _delivery(message: Message, end: _Told) -> Delivery:
    return Delivery(
        setting=message.setting,
        to=shown_address(message.url),
        reached=end.reached,
        why=without_address(end.why, message.url),
        seconds=end.seconds,
    )


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return one_line(redacted(lines[-1]), 300) if lines else ""
