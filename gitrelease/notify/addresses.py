"""Can Apprise send to an address at all, and if not, what is wrong with it? Nothing is sent, nobody is connected to."""

from __future__ import annotations

import difflib
from typing import Any

import apprise

_ALL = "https://appriseit.com/services/"
_TEMPLATES = 2  # that are shown


def wrong_with(url: str) -> str:
    """Say what is wrong with an address and what it should look like; nothing where a message can be sent there.

    Of the address only its scheme is quoted: the rest is secret.
    """
    if apprise.Apprise.instantiate(url) is not None:
        return ""
    scheme = url.partition("://")[0].lower()
    services = _services()
    found = services.get(scheme)
    if found is None:
        near = difflib.get_close_matches(scheme, services, n=1, cutoff=0.7)
        meant = f"; {near[0]}:// is meant?" if near else ""
        return f"Apprise knows no service {scheme}://{meant} All of them: {_ALL}"
    if not found["enabled"]:
        needed = ", ".join(found["requirements"]["packages_required"]) or found["requirements"]["details"]
        return f"for {scheme}:// Apprise needs what is not installed beside gitrelease: {needed}"
    shapes = " or ".join(str(shape).replace("{schema}", scheme) for shape in found["details"]["templates"][:_TEMPLATES])
    return f"a part of the address is missing or wrong; it is written {shapes}, see {found['setup_url'] or _ALL}"


def _services() -> dict[str, Any]:
    """Return what Apprise tells of each service, those that cannot be used here included, by scheme."""
    told = apprise.Apprise().details(show_requirements=True, show_disabled=True)
    return {
        scheme: service
        for service in told["schemas"]
        for scheme in (*(service["protocols"] or ()), *(service["secure_protocols"] or ()))
    }
