"""Would people be told: does Apprise know the receivers' services, and can the hosts that are named be reached?"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from gitrelease.core.notices import place_of, receivers, shown_address
from gitrelease.core.settings import Receiver
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, problem, warning, well
from gitrelease.edges import notify
from gitrelease.edges import settings as settings_files
from gitrelease.edges.notify import Delivery

_CONNECT = 3.0  # seconds
_EXAMINE = 10.0  # seconds in which Apprise has been read


def told(case: Case) -> Iterator[Diagnosis]:
    """Can be sent to each receiver, and does its host take a connection? Nothing is sent."""
    file = case.home.settings
    wrong = settings_files.told_wrong(file)
    if wrong is not None:
        yield problem("receivers", wrong, fix=f"change it in {file}")
        return
    named = list(receivers(settings_files.told_of(file).notify))
    if not named:
        yield well("receivers", "nobody is told of what happens; name somebody in host.toml: [notify]")
    for one, (setting, receiver) in zip(_examined(named), named, strict=True):
        if one.reached:
            yield _reached(setting, receiver.url)
        else:
            fix = f"change it in {file}; then: gitrelease notify test"
            yield problem("receivers", f"{setting} ({one.to}): {one.why}", fix=fix)


def _examined(named: Sequence[tuple[str, Receiver]]) -> list[Delivery]:
    """Ask Apprise, which is large and so in a process of its own, whether it can send there at all."""
    return notify.examine(((setting, receiver.url) for setting, receiver in named), limit=_EXAMINE)


def _reached(setting: str, url: str) -> Diagnosis:
    shown, place = f"{setting} ({shown_address(url)})", place_of(url)
    if place is None:
        return well("receivers", f"{shown} is a service's; whether it arrives: gitrelease notify test")
    try:
        socket.create_connection(place, timeout=_CONNECT).close()
    except OSError as error:
        why = f"{shown} cannot be reached: {error.strerror or error}"
        return warning("receivers", why, fix="mend the address; then: gitrelease notify test")
    return well("receivers", f"{shown} takes connections")
