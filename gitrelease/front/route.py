"""Which backend gets this request? By the session it names, else the live one. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitrelease.front.messages import Answer, Request
from gitrelease.front.proof import Proof, proof_of, same_browser
from gitrelease.front.sessions import Sessions
from gitrelease.front.targets import Target

_STREAM = re.compile(r"(?:.*/)?_stcore/stream/?")
_UPLOAD = re.compile(r".*/_stcore/upload_file/([^/]+)/[^/]+")
# Of the release that a page was opened on: its media, the app's static files, its components, Streamlit's own files.
_OF_A_RELEASE = re.compile(r"/(?:media|static|component|_stcore/bidi-components)/")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. `backend`: where its session lives, None for the live target.

    `page`: it is a page's websocket. `session`: whose, where that is known; `protocols`: what stands in place of its
    `Sec-WebSocket-Protocol`, None where that stays; `ticket`: the one in there; `proof`: of its browser.
    `awaits`: the session whose websocket should be there first.
    """

    backend: Target | None = None
    page: bool = False
    session: str | None = None
    protocols: bytes | None = None
    ticket: str | None = None
    proof: Proof = ()
    awaits: str | None = None


LIVE = Route()


def choose(request: Request, sessions: Sessions) -> Route:
    """Choose the backend of a request."""
    if request.upgrade:
        return _page(request, sessions) if _STREAM.fullmatch(request.path) else LIVE
    if "/_stcore/upload_file/" in request.path and (upload := _UPLOAD.fullmatch(request.path)):
        session = sessions.get(upload[1])
        if session is not None and session.backend in sessions.backends:
            # Streamlit takes documents only for sessions that are connected: while a page moves, or comes back.
            away = request.method in (b"PUT", b"POST") and (session.ticket is not None or not session.open)
            return Route(sessions.backends[session.backend].target, awaits=upload[1] if away else None)
    return LIVE


def _page(request: Request, sessions: Sessions) -> Route:
    """Route a page's websocket: one of its protocols is the session that it had before, if it had one.

    It is the third, behind an XSRF token, up to Streamlit 1.28 the second.
    """
    proof = proof_of(request.values(b"cookie"))
    protocols = [one.strip() for one in b",".join(request.values(b"sec-websocket-protocol")).split(b",")]
    at = len(protocols[:3]) - 1
    name = protocols[at].decode("latin-1") if at > 0 else ""
    session = sessions.get(name)
    known = sessions.backends.get(session.backend) if session is not None else None
    if session is None or known is None:
        # Streamlit makes a new session for an id that it does not know.
        return Route(page=True, proof=proof)
    if not same_browser(session.proof, proof):
        # Another browser: a page like any new one, and its backend is not even told the id.
        return Route(page=True, proof=proof, protocols=b", ".join(protocols[:at]))
    if session.ticket is None:
        return Route(known.target, page=True, session=name, proof=proof)
    moved = [*protocols[:at], session.ticket.encode(), *protocols[at + 1 :]]
    return Route(known.target, True, name, b", ".join(moved), session.ticket, proof)


def may_be_elsewhere(request: Request) -> bool:
    """Is it for something that only the release may have which the page was opened on?"""
    return request.repeatable and _OF_A_RELEASE.search(request.path) is not None


def missing(request: Request, answer: Answer) -> bool:
    """Does the answer to such a request say that this backend does not have it?

    For a file that it does not have Streamlit answers with its page, and with 200.
    """
    if answer.status == 404:
        return True
    page = answer.status == 200 and answer.value(b"content-type").startswith(b"text/html")
    return page and "/static/" in request.path and not request.path.endswith((".html", "/"))
