"""Would people be told: do the addresses of the receivers name hosts that can be reached?"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from gitrelease.core.notices import place_of, receivers, shown_address
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, problem, warning, well
from gitrelease.edges import settings as settings_files

_CONNECT = 3.0  # seconds


def told(case: Case) -> Iterator[Diagnosis]:
    """Does the host of each receiver take a connection? Nothing is sent."""
    file = case.home.settings
    wrong = settings_files.told_wrong(file)
    if wrong is not None:
        yield problem("receivers", wrong, fix=f"change it in {file}")
        return
    named = list(receivers(settings_files.told_of(file).notify))
    if not named:
        yield well("receivers", "nobody is told of what happens; name somebody in host.toml: [notify]")
    for setting, receiver in named:
        yield _reached(setting, receiver.url)


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
