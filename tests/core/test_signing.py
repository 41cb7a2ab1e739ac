"""Where a signature stands in a commit or a tag, and which tool it takes."""

import pytest

from gitrelease.core.signing import format_of, signature_of

HEAD = b"tree 4b825dc\nauthor Ann <a@b> 1 +0000\ncommitter Ann <a@b> 1 +0000"
PGP = b"-----BEGIN PGP SIGNATURE-----"
SSH = b"-----BEGIN SSH SIGNATURE-----"


@pytest.mark.parametrize(
    ("content", "program"),
    [
        pytest.param(HEAD + b"\ngpgsig " + PGP + b"\n \n iHUE\n\nMessage\n", "gpg", id="a commit signed with OpenPGP"),
        pytest.param(HEAD + b"\ngpgsig " + SSH + b"\n U1NI\n\nMessage\n", "ssh-keygen", id="a commit signed with SSH"),
        pytest.param(HEAD + b"\ngpgsig-sha256 " + PGP + b"\n\nMessage\n", "gpg", id="in a repository of SHA-256"),
        pytest.param(HEAD + b"\ngpgsig -----BEGIN SIGNED MESSAGE-----\n\nMessage\n", "gpgsm", id="with X.509"),
        pytest.param(b"object 1\ntype commit\ntag v1\n\nFit\n" + SSH + b"\nU1NI\n", "ssh-keygen", id="a signed tag"),
        pytest.param(HEAD + b"\n\ngpgsig " + PGP + b"\n", None, id="a message that only looks signed"),
        pytest.param(HEAD + b"\n\n" + PGP + b"\n", None, id="a commit with a signature in its message"),
        pytest.param(HEAD + b"\ngpgsig nonsense\n\nMessage\n", None, id="a signature of no known kind"),
        pytest.param(b"object 1\ntype commit\ntag v1\n\nFit\n", None, id="a tag without one"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_the_tool_is_the_one_of_the_signature(content: bytes, program: str | None) -> None:
    found = format_of(signature_of(content))

    assert (found and found.program) == program
