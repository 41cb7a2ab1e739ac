"""Does a failed check speak against the candidate, or does it fail on the live release as well?"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gitrelease.core.outcome import Check

# The app must come up and its script must run, whatever the live release does.
ABSOLUTE = frozenset({"start", "script", "import", "settings", "schema export"})


FORGIVEN = "fails on the live release too: "


def judge(checks: Sequence[Check], baseline: Sequence[Check]) -> tuple[Check, ...]:
    """Return `checks`, with those that fail on the live release too turned into warnings."""
    failing = {check.name for check in baseline if check.status in ("failed", "warned")} - ABSOLUTE
    return tuple(
        _warn(check) if check.status == "failed" and check.name in failing and not check.absolute else check
        for check in checks
    )


def _warn(check: Check) -> Check:
    return msgspec.structs.replace(check, status="warned", detail=f"{FORGIVEN}{check.detail}")


def forgive_first(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Return `checks` of the first release: nothing is live yet, so what may fail becomes the baseline.

    Where the script does not run, the session that says why is no baseline either.
    """
    stays = (
        ABSOLUTE | {"session"} if any(one.name == "script" and one.status == "failed" for one in checks) else ABSOLUTE
    )
    return tuple(
        _baseline(check) if check.status == "failed" and check.name not in stays else check for check in checks
    )


def _baseline(check: Check) -> Check:
    return msgspec.structs.replace(check, status="warned", detail=f"failed from the first release on: {check.detail}")
