"""What is under way, once this step was told? Steps are told when they are done; people want to know what runs now."""

from __future__ import annotations

# Verb → the step that was told → the one that follows; "" is the begin. What is not here changes nothing.
_FOLLOWS: dict[str, dict[str, str]] = {
    "deploy": {"": "classify", "classify": "stage", "stage": "promote"},
    "rollback": {"": "stage", "classify": "stage", "stage": "promote"},
    "restart": {"": "stage", "stage": "switch"},
    "up": {"": "start", "classify": "stage", "stage": "switch"},
    "drill": {"": "stage"},
    "check": {"": "stage", "stage": "compare"},
}
_WORDS = {
    "classify": "what does it change?",
    "stage": "it starts beside production and is asked",
    "promote": "the other instances, the tag, the switch, the files",
    "switch": "the other instances, the switch",
    "start": "production comes up",
    "compare": "what does it say that the live release does not?",
}


def first(verb: str) -> tuple[str, str]:
    """Return the step that `verb` begins with, and what happens in it."""
    return _told(_FOLLOWS.get(verb, {}).get("", verb))


def following(verb: str, done: str) -> tuple[str, str] | None:
    """Return what is under way after the step `done`; None where that is what was under way before."""
    step = _FOLLOWS.get(verb, {}).get(done)
    return None if step is None else _told(step)


def _told(step: str) -> tuple[str, str]:
    return step, _WORDS.get(step, "is under way")
