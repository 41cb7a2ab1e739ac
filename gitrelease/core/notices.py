"""What is told when something has happened, how urgent is it, who wants to know, and in which words?

Levels are those of the deployment guide's escalation: 0 only told, 1 production went back by itself, 2 a person must
act, 3 nobody has acknowledged it, 4 recovered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import msgspec

from gitrelease.core.events import (
    AnyEvent,
    Attempted,
    Escalated,
    FilesFound,
    HooksElsewhere,
    Promoted,
    Recovered,
    SoakFailed,
    StartTried,
    Stopped,
    TagsRestored,
    WentBack,
)
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.history import Release, release_name
from gitrelease.core.memory import Emergency, Memory
from gitrelease.core.redaction import HIDDEN, redacted
from gitrelease.core.settings import Notify, Receiver
from gitrelease.core.text import one_line, quoted, short

EVENTS = (
    "released", "refused", "waiting", "pending", "rolled_back", "soak_failed", "recovered", "stuck",
    "tags_restored", "files_found", "hooks_elsewhere", "start_failed",
)  # fmt: skip
TEST = "test"  # what is told by `notify test`, to everybody
LEVELS = (0, 1, 2, 3, 4)
TOLD, BY_ITSELF, PERSON, UNHEARD, RECOVERED = LEVELS

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s\x00-\x1f\x7f]+")
# Whose host is a host; with every other service that place holds a token.
_HAS_HOST = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})
_MAIL_PORT = 587
_SHORTEST_SECRET = 3  # letters; what is shorter is in every other word


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is told; `more` is how many of its kind it stands for beside itself."""

    event: str
    level: int
    at: float  # seconds since 1970
    release: str = ""  # what it is about; after a way back the release that serves again
    previous: str = ""
    kind: str = ""
    reason: str = ""
    by: str = ""
    commit: str = ""
    more: int = 0


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Where it happened, and what production serves by now."""

    host: str
    checkout: str
    serves: str
    group: str = PRODUCTION  # of instances


# -- what is told ------------------------------------------------------------------------------------------------


def notice_of(event: AnyEvent, before: Memory, releases: Callable[[int], Release | None]) -> Notice | None:
    """Return what is told of `event`, None where nothing is; `before` is what was remembered until then."""
    match event:
        case Attempted(outcome="refused"):
            return _attempted("refused", TOLD, event)
        case Attempted(outcome="waiting"):
            return None if _waited(event, before) else _attempted("waiting", _how_urgent(event), event)
        case Attempted(outcome="pending"):
            return _attempted("pending", PERSON, event)
        case Promoted(number=number):
            return _promoted(event, before, releases(number))
        case SoakFailed(number=number, reason=reason):
            return _about("soak_failed", BY_ITSELF, event, number, releases(number), reason=reason)
        case WentBack(number=left, to=number, reason=reason, by=by, automatic=automatic):
            level = BY_ITSELF if automatic else TOLD
            told = _about("rolled_back", level, event, number, releases(number), reason=reason, by=by)
            return msgspec.structs.replace(told, previous=release_name(left))
        case Stopped(reason=reason):
            return Notice(event="stuck", level=PERSON, at=event.at, reason=reason) if reason != before.stopped else None
        case Escalated(reason=reason):
            return Notice(event="stuck", level=UNHEARD, at=event.at, reason=reason)
        case Recovered(number=number, reason=reason, by=by):
            return _about("recovered", RECOVERED, event, number, releases(number), reason=reason, by=by)
        case TagsRestored() | StartTried() | HooksElsewhere() | FilesFound():
            return _noticed(event, releases)
        case _:
            return None


def _noticed(
    event: TagsRestored | StartTried | HooksElsewhere | FilesFound, releases: Callable[[int], Release | None]
) -> Notice | None:
    """Return what is told of what the agent has noticed by itself."""
    match event:
        case TagsRestored(names=names):
            return Notice(event="tags_restored", level=TOLD, at=event.at, reason=_deleted(names))
        case StartTried(number=number, ok=False, reason=reason):
            told = f"a new process of it does not start, after a rollback over other packages: {reason}"
            return _about("start_failed", PERSON, event, number, releases(number), reason=told)
        case HooksElsewhere(path=path):
            reason = f"git looks for hooks in {path} (core.hooksPath): what is pushed is not checked before it is taken"
            return Notice(event="hooks_elsewhere", level=PERSON, at=event.at, reason=reason) if path else None
        case FilesFound(number=number, names=names):
            reason = f"the app writes {_few(names)} beside its script, and the next release will not have it"
            return _about("files_found", TOLD, event, number, releases(number), reason=reason)
    return None


def _deleted(names: Sequence[str]) -> str:
    return f"{_few(names)} had been deleted or replaced, and are again what they were"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _attempted(name: str, level: int, event: Attempted) -> Notice:
    return Notice(
        event=name, level=level, at=event.at, kind=event.kind, reason=event.reason, by=event.by, commit=event.commit
    )


def _how_urgent(event: Attempted) -> int:
    """Must a person act? Git has told whose push was refused; what waits for the end of a freeze goes on by itself."""
    nobody_told = event.trigger in ("pull", "branch", "edit") or event.taken
    return PERSON if nobody_told and not event.frozen else TOLD


def _waited(event: Attempted, before: Memory) -> bool:
    """Is it what waited already? A new agent judges that once more, and whoever pulls by a timer brings it again."""
    last = before.attempts[-1] if before.attempts else None
    return last is not None and (last.outcome, last.key, last.frozen) == ("waiting", event.key, event.frozen)


def _promoted(event: Promoted, before: Memory, release: Release | None) -> Notice:
    intent = before.unfinished
    if intent is not None and intent.previous is not None and intent.previous > event.number:
        # A way back that was cut off before it was written down; somebody finished it from the refs.
        told = _about("rolled_back", BY_ITSELF, event, event.number, release, reason="a way back that was cut off")
        return msgspec.structs.replace(told, previous=release_name(intent.previous))
    summary, by = (release.summary, release.by) if release else ("", "")
    return _about("released", TOLD, event, event.number, release, reason=summary, by=by)


def _about(
    name: str, level: int, event: AnyEvent, number: int, release: Release | None, *, reason: str, by: str = ""
) -> Notice:
    return Notice(
        event=name, level=level, at=event.at, release=release_name(number), reason=reason, by=by,
        kind=release.kind.value if release else "",
        commit=release.commit if release else "",
        previous=(release.previous or "") if release else "",
    )  # fmt: skip


def wants(receiver: Receiver, notice: Notice) -> bool:
    """Does a receiver want to know? Where no events, or no levels, are named, all are meant."""
    by_event = not receiver.events or notice.event in receiver.events
    return by_event and (not receiver.levels or notice.level in receiver.levels)


def receivers(notify: Notify) -> Iterator[tuple[str, Receiver]]:
    """Yield everybody who is told something, with the place in the settings that names him."""
    for number, url in enumerate(notify.urls, start=1):
        yield f"notify.urls {number}", Receiver(url=url)
    for number, receiver in enumerate(notify.to, start=1):
        yield f"notify.to {number}", receiver


def until_told_again(emergency: Emergency | None, *, now: float, after: float) -> float | None:
    """Return in how many seconds level 3 is told; None where it is not to be. `now` is in seconds since 1970.

    A clock that was set back makes nobody wait longer than `after` seconds.
    """
    if emergency is None or emergency.acknowledged is not None or emergency.escalated is not None:
        return None
    return min(max(after - (now - emergency.at), 0.0), after)


# -- in which words ----------------------------------------------------------------------------------------------

_TITLES = {
    "released": "{release} is live",
    "refused": "a candidate was refused",
    "waiting": "a change waits",
    "pending": "a change was taken and is not live yet",
    "rolled_back": "production is back at {release}",
    "soak_failed": "{release} failed its soak",
    "recovered": "production was recovered and serves {release}",
    "stuck": "a person is needed",
    "tags_restored": "tags were put back",
    "files_found": "files that will not stay",
    "hooks_elsewhere": "pushes are not checked",
    "start_failed": "{release} would not come up again",
    TEST: "gitrelease: a test",
}
_NEXT_OF_THE_FIRST = "nothing is to be done; see it: gitrelease{where} status"  # there is no way back from it
_NEXT = {
    "released": "undo it: gitrelease{where} rollback{within}",
    "refused": "read why: gitrelease{where} history{within}",
    "waiting": (
        "what for: gitrelease{where} history{within}; when you want it: gitrelease{where} deploy {commit}{to} --approve"
    ),
    "pending": (
        "it is tried again; what is in the way: gitrelease{where} doctor; clear it away: gitrelease{where} recover"
    ),
    "rolled_back": "push a fix on top; what happened: gitrelease{where} show {previous}",
    "soak_failed": "production goes back by itself where it can; see: gitrelease{where} status",
    "recovered": "see it: gitrelease{where} status",
    "stuck": "gitrelease{where} ack; gitrelease{where} status; then: gitrelease{where} rollback RELEASE{within}",
    "tags_restored": "whether a setting of git deletes them: gitrelease{where} doctor",
    "start_failed": "install the packages of that release, then: gitrelease{where} restart",
    "hooks_elsewhere": "put it right: gitrelease{where} doctor --fix",
    "files_found": "what keeps them: gitrelease{where} doctor",
    TEST: "nothing is to be done; see how production stands: gitrelease{where} status",
}


def title_of(notice: Notice, scene: Scene) -> str:
    """Return the subject of a notice, with its level where it is more than told."""
    level = f"level {notice.level}: " if notice.level else ""
    again = ", and nobody has acknowledged it" if notice.level == UNHEARD else ""
    what = _TITLES[notice.event].format(release=safe(notice.release))
    more = f", and {notice.more} more" if notice.more else ""
    return f"{level}{what}{again}{more} ({safe(scene.host, 80)}{_group(scene)})"


def body_of(notice: Notice, scene: Scene) -> str:
    """Return what happened, what production serves now, what to type next, and where."""
    return "\n".join(_lines(notice, scene))


def _lines(notice: Notice, scene: Scene) -> Iterator[str]:
    about = [short(notice.commit) if notice.commit else "", notice.kind, f"by {notice.by}" if notice.by else ""]
    known = ", ".join(safe(one, 120) for one in about if one)
    why = safe(notice.reason, 600) or "no reason was given"
    yield f"{notice.event.replace('_', ' ')}: {why}" + (f" ({known})" if known else "")
    if notice.previous and notice.event != "refused":
        yield f"Before: {safe(notice.previous)}"
    if notice.more:
        yield f"And {notice.more} more of these since; this is the last one"
    who = "Production" if scene.group == PRODUCTION else f"Group {safe(scene.group, 80)}"
    yield f"{who} serves {safe(scene.serves)} now" if scene.serves else f"{who} serves nobody just now"
    where = f" -C {quoted(safe(scene.checkout, 300))}"
    within = "" if scene.group == PRODUCTION else f" --in {safe(scene.group, 80)}"
    previous = safe(notice.previous) or "RELEASE"
    to = within.replace("--in", "--to", 1)
    commit = short(notice.commit)
    first = notice.event == "released" and notice.release == release_name(1)
    following = _NEXT_OF_THE_FIRST if first else _NEXT[notice.event]
    yield "Next: " + following.format(where=where, previous=previous, within=within, to=to, commit=commit)
    when = datetime.fromtimestamp(notice.at, UTC)
    host, checkout = safe(scene.host, 80), safe(scene.checkout, 300)
    yield f"Host {host}{_group(scene)}, checkout {checkout}, {when:%Y-%m-%d %H:%M:%S} UTC"


def _group(scene: Scene) -> str:
    return "" if scene.group == PRODUCTION else f", group {safe(scene.group, 80)}"


# What would be a tag, a link, a mention or code to one of the services.
_MARKUP = str.maketrans({"<": "‹", ">": "›", "`": "'", "@": "＠", "[": "［", "]": "］", "&": "＆"})


def safe(text: str, limit: int = 300) -> str:
    """Return data as it can stand in a notice: on one line, no secrets, nothing that some service acts upon."""
    return one_line(redacted(text), limit).translate(_MARKUP)


def variables(notice: Notice, scene: Scene) -> dict[str, str]:
    """Return what a command is told of a notice, as environment variables."""
    told = {
        "EVENT": notice.event, "LEVEL": str(notice.level), "RELEASE": notice.release, "PREVIOUS": notice.previous,
        "KIND": notice.kind, "REASON": one_line(redacted(notice.reason)), "BY": one_line(notice.by),
        "COMMIT": notice.commit, "MORE": str(notice.more), "AT": f"{notice.at:.0f}", "LIVE": scene.serves,
        "HOST": scene.host, "CHECKOUT": scene.checkout, "GROUP": scene.group,
    }  # fmt: skip
    return {f"GITRELEASE_{name}": value for name, value in told.items()}


# -- addresses ---------------------------------------------------------------------------------------------------


def is_address(address: str) -> bool:
    """Can it be a URL of Apprise? Whether its service exists, and answers, says only who sends."""
    return _ADDRESS.fullmatch(address) is not None


def shown_address(address: str) -> str:
    """Return as much of an address as holds no secret: its scheme, and the host where that place has one."""
    if not is_address(address):
        return "…"
    scheme, _, rest = address.partition("://")
    place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    known = scheme.lower() in _HAS_HOST and re.fullmatch(r"[\w.:\[\]-]{1,100}", place)
    return f"{scheme}://{place}/…" if known else f"{scheme}://…"


def place_of(address: str) -> tuple[str, int] | None:
    """Return host and port of a receiver; None where its address does not tell, as with most services."""
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    try:
        port = parts.port
    except ValueError:
        return None
    if scheme.startswith("mailto"):
        server = parse_qs(parts.query).get("smtp", [parts.hostname if port else None])[0]
        return (server, port or _MAIL_PORT) if server else None
    if scheme not in _HAS_HOST or not parts.hostname:
        return None
    return parts.hostname, port or (443 if scheme.endswith("s") else 80)


def without_address(text: str, address: str) -> str:
    """Return what was said of an address with every part of it hidden that may be a secret."""
    text = text.replace(address, shown_address(address))
    shown = set(re.split(r"[^\w.-]+", shown_address(address)))
    parts = {part for part in re.split(r"[:/?&=#@,]+", address.partition("://")[2]) if len(part) >= _SHORTEST_SECRET}
    for part in sorted(parts - shown, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return one_line(redacted(text), 300)
