"""Client of the companion: our part in the app's process, which hands a page's session to another process.

The other end is `inside/companion.py`. One JSON line each way over a unix socket of the same user.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gitrelease.core.reading import ReadAs
from gitrelease.edges.home import short_name

_ANSWER_LIMIT = 5.0  # seconds for what is answered at once
_TRANSFER_LIMIT = 20.0  # seconds for the documents of one page to be handed over
_LONGEST = 1 << 20  # bytes of an answer

T = TypeVar("T")


class CompanionError(Exception):
    """The companion does not answer, or refuses: that says nothing of the app, which is served as before.

    There is nothing to type: its pages stay where they are, and a new process has a new companion.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SessionRow(msgspec.Struct, frozen=True):
    """One session of a backend, as its process has it. `bytes`: of uploaded documents."""

    session: str
    active: bool
    running: bool
    files: int
    bytes: int


class CompanionStatus(msgspec.Struct, frozen=True):
    """`moves`: None where this version of Streamlit was never tried; `why` it cannot, where it cannot.

    `pending`: sessions that wait here for their pages; `arriving`: pages that have come, and whose first run here has
    not ended; `leaving`: pages that were sent and are not gone completely; `shared_cache`: why it shares its cache on
    disk with other processes, where it does.
    """

    streamlit: str
    moves: bool | None
    why: str
    sessions: tuple[SessionRow, ...]
    pending: int
    arriving: int = 0
    leaving: int = 0
    shared_cache: str = ""


class Dropped(msgspec.Struct, frozen=True):
    """A value of the session that could not be carried."""

    name: str
    why: str


class Sent(msgspec.Struct, frozen=True):
    """What was handed to the other process."""

    carried: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Trimmed(msgspec.Struct, frozen=True):
    """How many closed sessions were dropped."""

    dropped: int


class _Refusal(msgspec.Struct, frozen=True):
    error: str


class _Done(msgspec.Struct, frozen=True):
    pass


_STATUS, _SENT, _TRIMMED = ReadAs(CompanionStatus), ReadAs(Sent), ReadAs(Trimmed)
_REFUSAL, _DONE = ReadAs(_Refusal), ReadAs(_Done)


class Companion:
    """The companion behind a socket. Every method raises `CompanionError` when it does not answer, or refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def status(self) -> CompanionStatus:
        return self._ask({"verb": "status"}, _STATUS, _ANSWER_LIMIT)

    def send(self, session: str, *, ticket: str, to: Path, wait: float) -> Sent:
        """Hand `session` to the companion at `to`, once its run and its uploads have ended, after `wait` s at most.

        From then on the session is frozen here, until it ends or is released.
        """
        message = {"verb": "send", "session": session, "ticket": ticket, "to": str(to), "wait": wait}
        return self._ask(message, _SENT, wait + _TRANSFER_LIMIT)

    def release(self, session: str) -> None:
        """Let a session that was sent go on here: the move was called off."""
        self._ask({"verb": "release", "session": session}, _DONE, _ANSWER_LIMIT)

    def tried(self, moves: bool, why: str) -> None:
        """Tell a process whose Streamlit was never tried before whether sessions move, and if not, why."""
        self._ask({"verb": "tried", "moves": moves, "why": why}, _DONE, _ANSWER_LIMIT)

    def trim(self) -> int:
        """Give the memory of closed sessions back; return how many were dropped."""
        return self._ask({"verb": "trim"}, _TRIMMED, _ANSWER_LIMIT).dropped

    def _ask(self, message: dict[str, Any], kind: ReadAs[T], limit: float) -> T:
        try:
            line = self._exchange(msgspec.json.encode(message) + b"\n", limit)
        except OSError as error:
            raise _no_answer(str(error) or type(error).__name__) from error
        try:
            answer = msgspec.json.decode(line)
            if isinstance(answer, dict) and "error" in answer:
                raise CompanionError(_REFUSAL.convert(answer).error)
            return kind.convert(answer)
        except msgspec.MsgspecError as error:
            raise _no_answer(f"its answer is not understood: {error}") from error

    def _exchange(self, line: bytes, limit: float) -> bytes:
        """Send a request; return the line of the answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(limit)
            with short_name(self.path) as name:
                connection.connect(name)
            connection.sendall(line)
            answer = b""
            while not answer.endswith(b"\n"):
                more = connection.recv(65_536)
                if not more or len(answer) > _LONGEST:
                    raise ConnectionError("it closed the connection")
                answer += more
        return answer


def _no_answer(why: str) -> CompanionError:
    return CompanionError(f"gitrelease's part in the app's process does not answer: {why}")
