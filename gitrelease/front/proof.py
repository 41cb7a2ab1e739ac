"""Which browser is it? A digest of the cookies that only this browser has, compared when a page comes back. No I/O.

A session's id stands in upload paths, and so in access logs: whoever knows it must not be given the page. Where the app
gives its browsers no cookie (`server.enableXsrfProtection = false`) they get one of ours, which the app does not see.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

# A login is signed by the app, in one cookie or in several: _streamlit_user, _streamlit_user_1, …
_LOGIN = re.compile(rb"_streamlit_user(?:_+\d+)?")
_XSRF = (b"_streamlit_xsrf", b"_xsrf")  # the second one up to Streamlit 1.4x
OURS = b"_gitrelease_browser"
# The page asks for it before its first websocket, in every version from 1.28 on.
_FIRST_ASKED = "/_stcore/host-config"


def proof_of(cookie_headers: Iterable[bytes]) -> str | None:
    """Return the digest of the login, without one of the XSRF token; None where there is neither."""
    cookies = dict(_cookies(cookie_headers))
    login = sorted((name, value) for name, value in cookies.items() if _LOGIN.fullmatch(name))
    if login and b"_streamlit_user" in cookies:
        return _digest(b"login", *(part for pair in login for part in pair))
    for name in _XSRF:
        if cookies.get(name):
            return _digest(b"xsrf", unmasked(cookies[name]))
    return _digest(b"ours", cookies[OURS]) if cookies.get(OURS) else None


def cookie_for(path: str, cookie_headers: Iterable[bytes], given: Iterable[bytes], token: str) -> bytes:
    """Return the `Set-Cookie` by which a browser without any proof is known from now on; nothing where it needs none.

    `given` are those of the app's answer to this request. For the session of the browser, and not for scripts.
    """
    if not path.endswith(_FIRST_ASKED) or proof_of(cookie_headers) is not None:
        return b""
    names = {cookie.partition(b"=")[0].strip() for cookie in given}
    if names & {*_XSRF, OURS}:
        return b""
    return b"%b=%b; Path=/; HttpOnly; SameSite=Lax" % (OURS, token.encode())


def without_ours(cookie_header: bytes) -> bytes:
    """Return a `Cookie` header as the app gets it: without the cookie that is ours."""
    if OURS not in cookie_header:
        return cookie_header
    kept = [one.strip() for one in cookie_header.split(b";") if one.partition(b"=")[0].strip() != OURS]
    return b"; ".join(kept)


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
