"""How do documents go through the app so that none keeps the others from it? Each batch in a process of its own.

The processes are forked off the one that has imported the app, a few beside each other. What takes too long is ended,
what ends its process is known, and the rest goes on; a batch that fails is tried again in parts.

Standard library only, Python 3.8 and later: this is the app's interpreter, not ours.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    Answer = dict[str, Any]  # of one document: "metrics" and "signs", or "failed", or "skipped"
    Run = Callable[[Sequence[Path]], list[Answer] | str]

PAUSE = 0.005  # seconds between two looks at the processes
MOST_WORKERS = 4
OVER: Answer = {"skipped": "there was no time left for it"}


class Limits(NamedTuple):
    """How long a batch of documents may take, in seconds, and when all must have ended, by `time.monotonic()`."""

    each: float
    until: float


def answers(run: Run, batches: Sequence[Sequence[Path]], limits: Limits) -> Iterator[tuple[Path, Answer]]:
    """Yield each document of `batches` with what it gave, in the order in which they are done.

    `run` returns the answers of some documents in their order, or says why there are none. `failed` are documents that
    gave none or took longer than `limits.each`; `skipped` are those that were not done at `limits.until`.
    """
    gc.freeze()  # what is collected in a forked process is copied first
    waiting = deque(batches)
    working: list[Worker] = []
    try:
        while waiting or working:
            while waiting and len(working) < workers():
                working.append(Worker(run, waiting.popleft()))
            time.sleep(PAUSE)
            over = time.monotonic() > limits.until
            for worker in list(working):
                if not (over or worker.has_ended() or worker.spent() > limits.each):
                    continue
                working.remove(worker)
                gave = worker.answers(limits, over=over)
                if gave is not None:
                    yield from zip(worker.documents, gave)  # noqa: B905 - Python 3.8 has no `strict`
                elif len(worker.documents) > 1:
                    waiting.extendleft(reversed(worker.parts()))
                else:
                    yield worker.documents[0], {"failed": worker.why}
            if over:
                yield from ((document, dict(OVER)) for batch in waiting for document in batch)
                waiting.clear()
    finally:
        for worker in working:
            worker.end()


def workers() -> int:
    """Return how many processes work beside each other."""
    return max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0))))


class Worker:
    """A process that puts a batch of documents through the app."""

    def __init__(self, run: Run, documents: Sequence[Path]) -> None:
        self.documents = documents
        self.why = ""  # there are no answers
        self._slow = False
        self._began = time.monotonic()
        self._status: int | None = None
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `answers` and `end`
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # the app may have closed it
                stream.flush()
        self._pid = os.fork()
        if not self._pid:
            self._work(run)

    def _work(self, run: Run) -> None:
        """Do the work, in the forked process, which ends with it."""
        code = 1
        try:
            self._file.write(json.dumps(run(self.documents), ensure_ascii=False).encode(errors="replace"))
            self._file.flush()
            code = 0
        finally:
            os._exit(code)

    def has_ended(self) -> bool:
        """Has the process ended?"""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def spent(self) -> float:
        """Return the seconds since it began, without those in which others had the processors that it waited for."""
        held_up = 0
        with contextlib.suppress(OSError, ValueError, IndexError):  # a kernel that does not count them
            held_up = int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[1])
        return time.monotonic() - self._began - held_up / 1e9

    def answers(self, limits: Limits, *, over: bool) -> list[Answer] | None:
        """Return what the documents gave, None where `why` says that they gave nothing; `over`: no time is left."""
        if not self.has_ended():
            self.end()
            if over:
                return [dict(OVER) for _ in self.documents]
            self.why, self._slow = f"took longer than {limits.each:g} s", True
            return None
        self._file.seek(0)
        content = self._file.read()
        self._file.close()
        if self._status or not content:
            self.why = f"ended the process ({told(self._status or 0)})"
            return None
        said = json.loads(content.decode())
        if isinstance(said, str):
            self.why = said
            return None
        gave: list[Answer] = said
        return gave

    def parts(self) -> list[Sequence[Path]]:
        """Return what is tried after it has given nothing: each document where it was too slow, else its quarters."""
        count = len(self.documents)
        size = 1 if self._slow else -(-count // 4)
        return [self.documents[start : start + size] for start in range(0, count, size)]

    def end(self) -> None:
        """End the process, wherever it is."""
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self._status = os.waitpid(self._pid, 0)[1]
        self._file.close()


def told(status: int) -> str:
    """Return how a process ended, by what `waitpid` said."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"
