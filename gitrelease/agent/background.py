"""How is work done that nobody waits for? What goes wrong is logged with its remedy, and the agent goes on."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Callable
from types import TracebackType

from gitrelease.core.errors import Cancelled, ReleaseError, of_host
from gitrelease.core.outcome import Outcome
from gitrelease.core.redaction import redacted
from gitrelease.core.text import one_line, plain
from gitrelease.edges.cancel import Cancel

log = logging.getLogger("gitrelease.agent")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogFormat(logging.Formatter):
    """A line a record, tracebacks indented: no escape sequences, no secrets, no line that only looks like ours."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        record.message = one_line(redacted(record.message), 10_000)
        return super().formatMessage(record)

    def formatException(self, ei: _ExcInfo) -> str:  # logging's name
        return textwrap.indent(plain(redacted(super().formatException(ei))), "  ")


def guarded(what: str, work: Callable[[Cancel], Outcome | None]) -> Outcome | None:
    """Do background work; None when it failed or had nothing to tell."""
    try:
        cancel = Cancel()
        try:
            return work(cancel)
        finally:
            cancel.close()
    except ReleaseError as error:
        log.warning("%s: %s. %s", what, error.message, error.hint)
    except Cancelled as cancelled:
        log.info("%s: %s", what, cancelled)
    except OSError as error:
        tell_os_error(what, error)
    except Exception:  # a bug: its traceback is logged; a thread that died of it would be worse
        log.exception("%s failed; production goes on as it is; see: gitrelease status", what)
    return None


def tell_os_error(what: str, error: OSError, home: str = "DIR") -> None:
    """Log what the host refused, with what can be done about it; a traceback where it is a bug."""
    known = of_host(error, home, typed=False)
    if known is None:
        log.error("%s failed: %s", what, error, exc_info=error)
    else:
        log.error("%s failed: %s. %s", what, known.message, known.hint)


def to_log(step: str, text: str, spent: float | None) -> None:
    """Report a step of background work."""
    log.info("%s %s%s", step, text, "" if spent is None else f" {spent:.1f} s")


def log_outcome(outcome: Outcome) -> None:
    """Report the end of background work: what is served, and what to type next."""
    log.info("%s: %s (%s serves) %s", outcome.outcome, outcome.reason, outcome.release, outcome.hint)
