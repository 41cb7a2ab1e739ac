"""Which browser is it? Digests of the cookies that only this browser has, compared when a page comes back. No I/O.

A session's id stands in upload paths, and so in access logs: whoever knows it must not be given the page. Besides what
the app gives its browsers they get a cookie of ours, which the app does not see: an app may give none
(`server.enableXsrfProtection = false`), and two tabs that a browser opens at once are given one token each, of which
the browser keeps the last. Each cookie of ours has a name of its own: one does not take the place of another.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

# A login is signed by the app, in one cookie or in several: _streamlit_user, _streamlit_user_1, …
_LOGIN = re.compile(rb"_streamlit_user(?:_+\d+)?")
_XSRF = (b"_streamlit_xsrf", b"_xsrf")  # the second one up to Streamlit 1.4x
OURS = b"_gitrelease_browser"
# In every version from 1.28 on.
_FIRST_ASKED = "/_stcore/host-config"

Proof = tuple[str, ...]  # digests, none where nothing tells this browser from others


def proof_of(cookie_headers: Iterable[bytes]) -> Proof:
    """Return the digest of the login, without one those of the XSRF token and of the cookies that are ours."""
    cookies = dict(_cookies(cookie_headers))
    login = sorted((name, value) for name, value in cookies.items() if _LOGIN.fullmatch(name))
    if login and b"_streamlit_user" in cookies:
        return (_digest(b"login", *(part for pair in login for part in pair)),)
    tokens = [_digest(b"xsrf", unmasked(cookies[name])) for name in _XSRF if cookies.get(name)][:1]
    ours = sorted(name for name, value in cookies.items() if _is_ours(name) and value)
    # The one without a number is of an earlier version.
    return (*tokens, *(_digest(b"ours", *([name] if name != OURS else []), cookies[name]) for name in ours))


def same_browser(known: Proof, shown: Proof) -> bool:
    """Is it the browser that a page came from first? A page that came without any proof is anybody's."""
    return not known or not set(known).isdisjoint(shown)


def asks_first(path: str) -> bool:
    """Does a page ask for this before it opens its first websocket?"""
    return path.endswith(_FIRST_ASKED)


def has_ours(cookie_headers: Iterable[bytes]) -> bool:
    """Does the browser have a cookie of ours?"""
    return any(_is_ours(name) for name, _ in _cookies(cookie_headers))


def new_cookie(token: str) -> bytes:
    """Return the `Set-Cookie` by which a browser is known from now on: for its session, and not for scripts.

    `token`: 40 random hexadecimal digits.
    """
    return b"%b_%b=%b; Path=/; HttpOnly; SameSite=Lax" % (OURS, token[:8].encode(), token[8:].encode())


def without_ours(cookie_header: bytes) -> bytes:
    """Return a `Cookie` header as the app gets it: without the cookies that are ours."""
    if OURS not in cookie_header:
        return cookie_header
    kept = [one.strip() for one in cookie_header.split(b";") if not _is_ours(one.partition(b"=")[0].strip())]
    return b"; ".join(kept)


def _is_ours(name: bytes) -> bool:
    return name == OURS or name.startswith(OURS + b"_")


def unmasked(token: bytes) -> bytes:
    """Return what stays of an XSRF token: every answer may bring the same one behind another mask.

    `2|MASK|TOKEN|TIME`, both in hexadecimal, the token xored with the mask over and over (Tornado's version 2, which
    Streamlit keeps without Tornado). What has another form is its own token.
    """
    match token.strip(b'"').split(b"|"):
        case [b"2", mask, masked, _]:
            try:
                key, hidden = bytes.fromhex(mask.decode()), bytes.fromhex(masked.decode())
            except ValueError:
                return token
            if key:
                return bytes(byte ^ key[at % len(key)] for at, byte in enumerate(hidden))
    return token


def _cookies(headers: Iterable[bytes]) -> Iterable[tuple[bytes, bytes]]:
    for header in headers:
        for cookie in header.split(b";"):
            name, found, value = cookie.partition(b"=")
            if found:
                yield name.strip(), value.strip()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part) + part)  # lengths, so that no two lists of parts look the same
    return digest.hexdigest()
