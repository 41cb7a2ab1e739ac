"""Under which names do releases, pointers, marks and backups stand in the repository?"""

from __future__ import annotations

from gitrelease.core.groups import PRODUCTION

OURS = "refs/gitrelease/"
LIVE = OURS + "live"
GOOD = OURS + "good"
CHECKOUT = OURS + "checkout"
BAD = OURS + "bad/"
QUARANTINE = OURS + "quarantine/"
KEPT = OURS + "kept/"
PINNED = OURS + "pinned/"
FROZEN = OURS + "frozen"
ONLY = OURS + "only/"
HOST = OURS + "host"
STATE = OURS + "state/"
TAGS = OURS + "tags/"
RELEASES = "refs/tags/release/"
BACKUPS = "refs/tags/backup/"


def live_ref(group: str) -> str:
    """Return the pointer to what a group of instances serves."""
    return LIVE if group == PRODUCTION else f"{LIVE}-{group}"


def good_ref(group: str) -> str:
    return GOOD if group == PRODUCTION else f"{GOOD}-{group}"
