"""Where in a commit or a tag is its signature, and which tool verifies it?"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A kind of signature: how it begins, git's program for it, and the setting that names another one."""

    begin: bytes
    program: str
    setting: str


# As in git's gpg-interface.c; the first two are one format.
FORMATS = (
    Format(b"-----BEGIN PGP SIGNATURE-----", "gpg", "gpg.program"),
    Format(b"-----BEGIN PGP MESSAGE-----", "gpg", "gpg.program"),
    Format(b"-----BEGIN SSH SIGNATURE-----", "ssh-keygen", "gpg.ssh.program"),
    Format(b"-----BEGIN SIGNED MESSAGE-----", "gpgsm", "gpg.x509.program"),
)
_HEADERS = (b"gpgsig ", b"gpgsig-sha256 ")


def signature_of(content: bytes) -> bytes:
    """Return the signature of a commit (in its head) or of a tag (at the end of its message); empty where none is."""
    head, _, message = content.partition(b"\n\n")
    for line in head.split(b"\n"):
        if line.startswith(_HEADERS):
            return line.partition(b" ")[2]
    if not head.startswith(b"object "):
        return b""
    return next((line for line in reversed(message.split(b"\n")) if format_of(line)), b"")


def format_of(signature: bytes) -> Format | None:
    """Return the format of a signature by its first line; None where it is none that git knows."""
    return next((one for one in FORMATS if signature.startswith(one.begin)), None)
