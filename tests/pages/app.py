"""The sample app of open pages: everything that a person can lose in one, and one line that tells what is there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from tests.checkout import Clone

SCRIPT_NAME = "pages_app.py"

# The picture depends on the release and on what was entered, so that each result has a file of its own under /media.
SCRIPT = '''\
import hashlib
import json
import struct
import zlib

import streamlit as st

RELEASE = "one"


def digest(content):
    return hashlib.sha256(content).hexdigest()[:12]


def picture(text):
    """Return a PNG of 16 by 16 pixels, the colours of which depend on the text."""
    rows = b"".join(b"\\0" + hashlib.sha512((text + str(row)).encode()).digest()[:48] for row in range(16))

    def chunk(kind, body):
        return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))

    head = struct.pack("!IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    return (
        b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


st.title("Pages")
st.session_state.setdefault("count", 0)
plain = st.text_input("Plain")
keyed = st.text_input("Keyed", key="keyed")
document = st.file_uploader("Document")
if st.button("Count"):
    st.session_state.count += 1
content = document.getvalue() if document else b""
result = f"{RELEASE};{plain};{keyed};{digest(content)}\\n".encode() * 200
shown = {
    "release": RELEASE,
    "plain": plain,
    "keyed": keyed,
    "document": digest(content) if document else "",
    "count": st.session_state.count,
    "result": digest(result),
}
st.download_button("Download", result, file_name="result.csv", mime="text/csv")
st.image(picture(result.decode()), width=64)
st.text(json.dumps(shown))
'''

SETTINGS = f"""\
[app]
script = "{SCRIPT_NAME}"

[contract]
classes = []

[limits]
stop = "5s"
settle = "200ms"

[policy.dictionary]
soak = "300ms"

[policy.major]
automation = "auto"
soak = "300ms"

[[region]]
name = "release"
kind = "dictionary"
assign = "RELEASE"
"""


@dataclass(frozen=True)
class Shown:
    """What the app shows on a page: its release, and what it has of the person."""

    release: str
    plain: str
    keyed: str
    document: str  # digest of its content; empty where there is none
    count: int
    result: str  # digest of what can be downloaded

    @classmethod
    def read(cls, line: str) -> Shown | None:
        """Return what the app's line says; None for any other text."""
        return cls(**json.loads(line)) if line.startswith("{") else None


def digest(content: bytes) -> str:
    """Return what the app says of a document with this content."""
    return hashlib.sha256(content).hexdigest()[:12]


def script_of(release: str) -> str:
    """Return the app as it is in a release that shows this name."""
    assert SCRIPT.count('RELEASE = "one"\n') == 1
    return SCRIPT.replace('RELEASE = "one"\n', f'RELEASE = "{release}"\n')


def app_files(settings: str = SETTINGS) -> dict[str, str]:
    """Return the files of a repository with the app, in which it shows the release `one`."""
    return {SCRIPT_NAME: SCRIPT, "gitrelease.toml": settings, "README.md": "Pages\n"}


def commit_release(clone: Clone, release: str) -> str:
    """Commit the app as it shows this release."""
    clone.write(SCRIPT_NAME, script_of(release))
    return clone.commit(f"Release {release}")
