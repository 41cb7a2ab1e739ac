"""What do users notice? A client that asks the public port at a steady rate and counts what fails.

Every request is a new connection, as a browser's first one is.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """What a stretch of time looked like from outside; the gap is the longest time without an answer, seconds."""

    asked: int
    failed: int
    longest_gap: float


class Load:
    """Asks `http://127.0.0.1:PORT/PATH` `rate` times a second from `start` to `stop`."""

    def __init__(self, port: int, *, rate: float = 50.0, path: str = "/", timeout: float = 5.0) -> None:
        self._port, self._rate, self._path, self._timeout = port, rate, path, timeout
        self._answers: list[tuple[float, float, bool]] = []  # asked at, ended at (monotonic), answered
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=64, thread_name_prefix="user")
        self._clock = threading.Thread(target=self._tick, name="users", daemon=True)

    def start(self) -> Load:
        self._clock.start()
        return self

    def stop(self) -> None:
        """Stop asking, and wait for the answers that are still out."""
        self._stopping.set()
        self._clock.join()
        self._pool.shutdown(wait=True)

    def since(self, begun: float) -> Seen:
        """Return what was seen of the requests that were asked since `begun` (monotonic)."""
        answers = sorted(answer for answer in list(self._answers) if answer[0] >= begun)
        good = sorted(ended for _, ended, answered in answers if answered)
        gaps = [later - earlier for earlier, later in itertools.pairwise(good)]
        failed = sum(not answered for _, _, answered in answers)
        return Seen(asked=len(answers), failed=failed, longest_gap=max(gaps, default=0.0))

    def _tick(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(due - time.monotonic(), 0)):
            self._pool.submit(self._ask)
            due += 1 / self._rate

    def _ask(self) -> None:
        begun = time.monotonic()
        answered = False
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            connection.request("GET", self._path, headers={"Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            answered = answer.status == 200
        except (OSError, http.client.HTTPException):
            answered = False
        finally:
            connection.close()
        self._answers.append((begun, time.monotonic(), answered))
