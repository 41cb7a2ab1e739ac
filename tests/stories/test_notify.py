"""People are told of what happens: by web hook, by mail, once; nobody who does not listen holds up a release."""

from __future__ import annotations

import os
import sys
import time

import pytest

from tests import receivers
from tests.checkout import Production, until


def tell(production: Production, text: str) -> None:
    """Add to the host's settings, as an editor would."""
    file = production.home / "host.toml"
    file.write_text(f"{file.read_text()}\n{text}\n")


def urls(*addresses: str) -> str:
    return f"[notify]\nurls = {list(addresses)}".replace("'", '"')


def test_a_release_is_told_by_hook_and_by_mail(production):
    with receivers.hook() as hook, receivers.mailbox() as (box, address):
        tell(production, urls(hook.url, address))
        developer = production.clone()
        developer.commit_term("ebitda")
        assert developer.push().code == 0

        body = until(lambda: hook.body("release/2 is live"), "the hook is told")
        until(lambda: box.mails, "a mail arrives")

    assert "Production serves release/2 now" in body
    assert f"gitrelease -C {production.root} rollback" in body
    assert "ebitda" in body
    to, subject, text = box.mails[0]
    assert to == ["ops@example.com"]
    assert "release/2 is live" in subject
    assert "Production serves release/2 now" in text
