"""When does the agent itself say that a person is needed, or not any more? Where nobody typed what failed."""

from __future__ import annotations

import time

from gitrelease.agent.office import Office
from gitrelease.core.events import Recovered, Stopped
from gitrelease.edges.home import Home
from gitrelease.release.production import Production
from gitrelease.release.running import read_running

_ALL_HAD_ENDED = "all of it had ended, after a reboot say; production is up again"


def call_for_a_person(office: Office, why: str) -> None:
    """Production, or an instance, is down and does not come up: nobody reads why, so let those be told; once."""
    if office.remembered().stopped != why:
        office.note(Stopped(at=time.time(), reason=why, down=True))


def ended_unasked(home: Home) -> bool:
    """Was production to be up, and does nothing of it run any more: after a reboot, say?"""
    written = home.processes.exists()  # a `down` takes it away
    return written and home.wanted.exists() and read_running(home.processes).live is None


def up_again(office: Office, production: Production, *, by: str, ended: bool = False) -> None:
    """End the emergency that production, or an instance, did not come up, now that all of it has.

    Where nobody was called, and all of it had `ended` unasked, those who are told hear of that now.
    """
    on, live = production.memory.emergency, production.running.live
    if live is None or not all(one.identity.alive for one in live.backends):
        return
    if on is not None and on.down:
        office.note(Recovered(at=time.time(), number=live.number, by=by, reason="production is up again"))
    elif on is None and ended:
        office.note(Recovered(at=time.time(), number=live.number, by=by, reason=_ALL_HAD_ENDED))
