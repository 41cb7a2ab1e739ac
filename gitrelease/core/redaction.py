"""Which parts of a text are secrets, and how does it read without them?

For what quotes others: the app's output, tracebacks, command lines of strangers. Rules, applied in order; each looks at
a place once, so that the time grows with the length of the text and no faster.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "CREDENTIAL", "PWD")
_VALUE = r"""("[^"\n]*"|'[^'\n]*'|[^\s&;,|(){}\[\]"']+)"""

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----.*?(?:-----END [^-]{0,80}-----|\Z)", re.S
)
_USER_AND_PASSWORD = re.compile(r"(://[^\s/@:]*:)[^\s/@]+@")
_TOKEN_AS_USER = re.compile(r"(https?://)[^\s/@:]+@", re.IGNORECASE)
_HEADER = re.compile(
    r"""(authorization["']?\s{0,2}[:=]\s{0,2}["']?(?:(?:bearer|basic|token|digest)\s{1,2})?)[^\s"',;]+""", re.IGNORECASE
)
_BEARER = re.compile(r"(?<![\w-])(bearer\s{1,2})[\w.~+/=-]{16,}", re.IGNORECASE)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-)[A-Za-z0-9_-]{16,})"
)
_QUERY = re.compile(r"([?&](?:key|sig|signature|auth|access_token|api_key|token)=)[^\s&#\"']+", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?<![\w.-])([\w.-]{1,100})(\s?=\s?)" + _VALUE)
_QUOTED = re.compile(r"""(?<![\w.-])([\w.-]{1,100})(["']\s?:\s?)("[^"\n]*"|'[^'\n]*')""")
_OPTION = re.compile(r"(?<![\w.-])(--[\w-]{1,100})(\s{1,2})(?!-)" + _VALUE)


def redacted(text: str) -> str:
    """Return `text` with secrets hidden; what names them stays, so that it can be understood."""
    text = _PRIVATE_KEY.sub(f"{HIDDEN} private key", text)
    text = _USER_AND_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    text = _TOKEN_AS_USER.sub(rf"\1{HIDDEN}@", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _KNOWN.sub(HIDDEN, text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    for assignment in (_ASSIGNED, _QUOTED, _OPTION):
        text = assignment.sub(_without_value, text)
    return text


def _without_value(found: re.Match[str]) -> str:
    name, between, _ = found.groups()
    return f"{name}{between}{HIDDEN}" if _names_secret(name) else found[0]


def _names_secret(name: str) -> bool:
    """Does a variable, a key or an option of that name hold a secret? `key` alone is a word like any other."""
    if name.isupper():
        return any(word in name for word in _WORDS)
    *before, last = re.split(r"[_.-]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper())
    return last in _WORDS and (last != "KEY" or any(before))
