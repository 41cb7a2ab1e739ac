"""Does a failed check speak against the candidate, or does it fail on the live release as well?"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gitrelease.core.outcome import Check

# The app must come up and its script must run, whatever the live release does.
ABSOLUTE = frozenset({"start", "script", "import", "settings", "schema export", "limits", "files", "config"})


FORGIVEN = "fails on the live release too: "


def judge(checks: Sequence[Check], baseline: Sequence[Check]) -> tuple[Check, ...]:
    """Return `checks`, with those that fail on the live release too turned into warnings."""
    failing = {check.name for check in baseline if check.status in ("failed", "warned")} - _never_forgiven(checks)
    return tuple(
        _warn(check) if check.status == "failed" and check.name in failing and not check.absolute else check
        for check in checks
    )


def _warn(check: Check) -> Check:
    return msgspec.structs.replace(check, status="warned", detail=f"{FORGIVEN}{check.detail}")


def forgive_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return `checks` of the first release: nothing is live yet, so what may fail becomes the baseline."""
    stays = _never_forgiven(checks)
    return tuple(
        _baseline(check) if check.status == "failed" and check.name not in stays else check for check in checks
    )


def _never_forgiven(checks: Sequence[Check]) -> frozenset[str]:
    """Return the names of checks that speak for themselves; where the script does not run, the session says why."""
    broken = any(check.name == "script" and check.status == "failed" for check in checks)
    return ABSOLUTE | {"session"} if broken else ABSOLUTE


def _baseline(check: Check) -> Check:
    return msgspec.structs.replace(check, status="warned", detail=f"failed from the first release on: {check.detail}")
