"""Why can Apprise not send to an address, and what was meant?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

_ALL = "https://appriseit.com/services/"
_TEMPLATES = 2  # that are shown


def why_not(url: str, services: Iterable[Mapping[str, Any]]) -> str:
    """Say what is wrong with an address that Apprise does not take; `services` is what Apprise tells of each service.

    Of the address only its scheme is quoted: the rest is secret.
    """
    scheme = url.partition("://")[0].lower()
    by_scheme = {
        name: service
        for service in services
        for name in (*(service["protocols"] or ()), *(service["secure_protocols"] or ()))
    }
    found = by_scheme.get(scheme)
    if found is None:
        near = difflib.get_close_matches(scheme, by_scheme, n=1, cutoff=0.7)
        meant = f"; {near[0]}:// is meant?" if near else ";"
        return f"Apprise knows no service {scheme}://{meant} All of them: {_ALL}"
    if not found["enabled"]:
        needed = ", ".join(found["requirements"]["packages_required"]) or found["requirements"]["details"]
        return f"for {scheme}:// Apprise needs what is not installed beside gitrelease: {needed}"
    templates = found["details"]["templates"][:_TEMPLATES]
    shapes = " or ".join(str(shape).replace("{schema}", scheme) for shape in templates)
    return f"a part of the address is missing or wrong; it is written {shapes}, see {found['setup_url'] or _ALL}"
