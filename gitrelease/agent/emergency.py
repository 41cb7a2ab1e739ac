"""When does the agent itself say that a person is needed, or not any more? Where nobody typed what failed."""

from __future__ import annotations

import time

from gitrelease.agent.office import Office
from gitrelease.core.events import Recovered, Stopped
from gitrelease.release.production import Production


def call_for_a_person(office: Office, why: str) -> None:
    """Production, or an instance, is down and does not come up: nobody reads why, so let those be told; once."""
    if office.remembered().stopped != why:
        office.note(Stopped(at=time.time(), reason=why, down=True))


def up_again(office: Office, production: Production, *, by: str) -> None:
    """End the emergency that production, or an instance, did not come up, now that all of it has."""
    on, live = production.memory.emergency, production.running.live
    if on is not None and on.down and live is not None and all(one.identity.alive for one in live.backends):
        office.note(Recovered(at=time.time(), number=live.number, by=by, reason="production is up again"))
