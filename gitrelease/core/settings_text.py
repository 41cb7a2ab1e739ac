"""What is written in a settings file, and is it right? Text in, checked values out.

A wrong key or value is refused with its file, line and path, and what is accepted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from gitrelease.core import data_folders
from gitrelease.core.errors import SettingsError
from gitrelease.core.groups import ALL, PRODUCTION
from gitrelease.core.kinds import Kind
from gitrelease.core.notices import EVENTS, LEVELS, is_address, shown_address
from gitrelease.core.reading import ReadAs
from gitrelease.core.regions import Region
from gitrelease.core.settings import (
    MOST_KEPT,
    SETTINGS_FILE,
    App,
    Contract,
    Instance,
    Limits,
    Monitor,
    Notify,
    Reaction,
    Receiver,
    Sessions,
    Setting,
    seconds,
)
from gitrelease.core.variables import USABLE, why_no_variable


class PartialPolicy(Setting, frozen=True):
    """A `[policy.KIND]` table as written: what is left out keeps its default."""

    risk: str | None = None
    automation: str | None = None
    approval: str | None = None
    soak: str | None = None
    strict: bool | None = None
    via: str | None = None


class Written(Setting, frozen=True):
    """A settings file as written."""

    app: App = App()
    instance: tuple[Instance, ...] = ()
    policy: dict[Kind, PartialPolicy] = msgspec.field(default_factory=dict)
    region: tuple[Region, ...] = ()
    limits: Limits = Limits()
    contract: Contract = Contract()
    notify: Notify = Notify()
    on: tuple[Reaction, ...] = ()
    variables: dict[str, str] = msgspec.field(default_factory=dict)  # of the app; host settings only: may be secrets
    monitor: Monitor = Monitor()
    sessions: Sessions = Sessions()


_WRITTEN = ReadAs(Written)
TOLD = ("notify", "on")  # who is told of what happens, and what runs then
SECRETS = (*TOLD, "variables")  # tables of host settings alone; what they hold is kept nowhere else


def read(content: bytes, name: str, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Parse and check one settings file; `SettingsError` says where it is wrong.

    The tables named in `without` are left out, whatever is in them: what is wrong there must stop no release.
    """
    try:
        text = content.decode()
        table = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{name} is not TOML: {error}", hint=f"Mend that line of {name}") from error
    table = {key: value for key, value in table.items() if key not in without}
    if name == SETTINGS_FILE:
        _refuse_what_is_the_hosts(table, text, name)
    try:
        written = _WRITTEN.convert(table)
    except msgspec.ValidationError as error:
        raise _explain(str(error), text, name) from error
    _check_values(written, text, name)
    return table


def _refuse_what_is_the_hosts(table: dict[str, Any], text: str, name: str) -> None:
    app = table.get("app")
    found = [key for key in SECRETS if key in table]
    if isinstance(app, dict) and "variables_file" in app:
        found.append("app.variables_file")
    if found:
        raise SettingsError(
            f"{name}{_line(text, found[0])}: {found[0]} is for host settings only",
            hint=f"Take it out of {name}: everybody who clones would have it; set it in .git/gitrelease/host.toml",
        )


def from_table(table: dict[str, Any], name: str) -> Written:
    """Return settings that were checked before as values, checked once more; `SettingsError`, `msgspec.DecodeError`."""
    written = _WRITTEN.convert(table)
    _check_values(written, "", name)
    return written


def _check_values(written: Written, text: str, name: str) -> None:
    """Check what types cannot say: ports, durations, words, names that must be told apart."""
    for instance in written.instance:
        if not 1 <= instance.port <= 65535:
            raise _wrong(name, text, "instance.port", f"is {instance.port}", "a port from 1 to 65535")
        for key in ("name", "group"):
            word = getattr(instance, key)
            if not _WORD.fullmatch(word):
                raise _wrong(name, text, f"instance.{key}", f"is {word!r}", "letters, digits, - and _, 40 at most")
            if word == ALL:
                raise _wrong(name, text, f"instance.{key}", f"is {word!r}", f"another one: {ALL} means all instances")
    _check_instances(written.instance, text, name)
    regions = [region.name for region in written.region]
    for twice in {name for name in regions if regions.count(name) > 1}:
        raise _wrong(name, text, "region.name", f"{twice!r} is used twice", "a name of its own for each region")
    for limit, value in msgspec.structs.asdict(written.limits).items():
        if isinstance(value, str):
            _check_duration(value, f"limits.{limit}", text, name)
    for limit, least in _LEAST.items():
        _check_number(getattr(written.limits, limit), least, f"limits.{limit}", text, name)
    _check_monitor(written.monitor, text, name)
    _check_sessions(written.sessions, text, name)
    for kind, policy in written.policy.items():
        _check_policy(kind, policy, text, name)
    _check_telling(written, text, name)
    _check_variables(written.variables, text, name)
    _check_data(written.app, text, name)
    if written.app.kind == "command" and not written.app.command:
        raise _wrong(name, text, "app.command", "is missing", 'a list such as ["{python}", "server.py", "{port}"]')


_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def _check_instances(instances: Sequence[Instance], text: str, name: str) -> None:
    """Check what several instances must not share: a name, a port; one of them at least is production's."""
    if len({instance.name for instance in instances}) < len(instances):
        raise _wrong(name, text, "instance.name", "is used twice", "a name of its own for each instance")
    ports = [instance.port for instance in instances]
    for port in {port for port in ports if ports.count(port) > 1}:
        raise _wrong(name, text, "instance.port", f"{port} is used twice", "a port of its own for each instance")
    groups = {instance.group for instance in instances}
    if instances and PRODUCTION not in groups:
        raise _wrong(name, text, "instance.group", "never is production", "production for one instance at least")
    both = groups & {instance.name for instance in instances}
    if both:
        raise _wrong(name, text, "instance.name", f"{min(both)!r} is a group as well", "names that no group has")


_ADDRESS = "a URL of Apprise, such as mailto://USER:PASSWORD@HOST?to=WHOM or json://HOST:PORT/PATH"


def _check_telling(written: Written, text: str, name: str) -> None:
    """Check who is told of what, and what runs then; an address is never shown whole."""
    notify = written.notify
    for path, addresses in (("notify.urls", notify.urls), ("notify.to.url", [one.url for one in notify.to])):
        for number, address in enumerate(addresses, start=1):
            if not is_address(address):
                raise _wrong(name, text, path, f"({number}: {shown_address(address)}) is no URL", _ADDRESS)
    _check_duration(notify.acknowledge, "notify.acknowledge", text, name)
    _check_duration(notify.timeout, "notify.timeout", text, name)
    for receiver in notify.to:
        _check_events(receiver.events, "notify.to.events", text, name)
        if set(receiver.levels) - set(LEVELS):
            accepted = f"numbers from {LEVELS[0]} to {LEVELS[-1]}"
            raise _wrong(name, text, "notify.to.levels", f"is {list(receiver.levels)}", accepted)
    for reaction in written.on:
        _check_events((reaction.event,), "on.event", text, name)
        _check_duration(reaction.timeout, "on.timeout", text, name)
        if not reaction.run or not reaction.run[0] or any("\0" in word for word in reaction.run):
            raise _wrong(name, text, "on.run", "names no command", 'a list such as ["/usr/local/bin/told", "--now"]')


def _check_variables(variables: dict[str, str], text: str, name: str) -> None:
    for variable, value in variables.items():
        wrong = why_no_variable(variable, value)
        if wrong:
            raise _wrong(name, text, f"variables.{variable}", wrong, USABLE)


def _check_data(app: App, text: str, name: str) -> None:
    for path in app.data:
        wrong = data_folders.why_not(path)
        if wrong:
            raise _wrong(name, text, "app.data", f"names {path!r}, which {wrong}", data_folders.ACCEPTED)
    wrong = data_folders.conflict(app.data, app.shared)
    if wrong:
        raise _wrong(name, text, "app.data", wrong, data_folders.ACCEPTED)


def _check_events(events: tuple[str, ...], path: str, text: str, name: str) -> None:
    for event in events:
        if event not in EVENTS:
            raise _wrong(name, text, path, f"is {event!r}", ", ".join(EVENTS))


_LEAST = {
    "memory_mb": 0, "memory_most_mb": 0, "disk_mb": 0, "checks_memory_mb": 1, "cache_mb": 0, "leftovers_mb": 0,
    "log_mb": 1, "processes_most": 1,
}  # fmt: skip


def _check_number(value: int, least: int, path: str, text: str, name: str) -> None:
    if value < least:
        unit = "megabytes" if path.endswith("_mb") else "processes"
        accepted = f"a number of {unit}" + (f", {least} at least" if least else "")
        raise _wrong(name, text, path, f"is {value}", accepted)


def _check_monitor(monitor: Monitor, text: str, name: str) -> None:
    for key, least in (("every", 1), ("keep", 60)):
        value = getattr(monitor, key)
        _check_duration(value, f"monitor.{key}", text, name)
        if seconds(value) < least:
            raise _wrong(name, text, f"monitor.{key}", f"is {value!r}", f"a duration, {least}s at least")
    for key, unit in (("cpu_percent", "percent"), ("memory_mb", "megabytes"), ("history_mb", "megabytes")):
        value = getattr(monitor, key)
        if value < 1:
            raise _wrong(name, text, f"monitor.{key}", f"is {value}", f"a number of {unit}, 1 at least")


def _check_sessions(sessions: Sessions, text: str, name: str) -> None:
    _check_duration(sessions.wait, "sessions.wait", text, name)
    if not 0 <= sessions.keep <= MOST_KEPT:
        accepted = f"a number of old releases, from 0 to {MOST_KEPT}"
        raise _wrong(name, text, "sessions.keep", f"is {sessions.keep}", accepted)


def _check_policy(kind: Kind, policy: PartialPolicy, text: str, name: str) -> None:
    if policy.strict is not None and kind is not Kind.SCHEMA:
        raise _wrong(name, text, f"policy.{kind}.strict", "is for schema", "strict in [policy.schema] only")
    if policy.soak is not None:
        _check_duration(policy.soak, f"policy.{kind}.soak", text, name)
    for key, accepted in (
        ("risk", ("low", "medium", "high")), ("automation", ("auto", "approve")), ("approval", ("any", "commit")),
    ):  # fmt: skip
        value = getattr(policy, key)
        if value is not None and value not in accepted:
            raise _wrong(name, text, f"policy.{kind}.{key}", f"is {value!r}", " or ".join(accepted))


def _check_duration(value: str, path: str, text: str, name: str) -> None:
    try:
        seconds(value)
    except ValueError as error:
        raise _wrong(name, text, path, f"is {value!r}", "a number and a unit: 500ms, 10s, 2m, 1h, 14d") from error


def _wrong(name: str, text: str, path: str, what: str, accepted: str) -> SettingsError:
    return SettingsError(
        f"{name}{_line(text, path)}: {path} {what}", hint=f"Accepted is {accepted}; change it in {name}"
    )


_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_PLACE = re.compile(r"at `(?:key in )?\$\.?([^`]*)`")


def _explain(error: str, text: str, name: str) -> SettingsError:
    """Turn a validation error into one with a line and with what is accepted there."""
    place = _PLACE.search(error)
    path = re.sub(r"\[(\.\.\.|\d+)\]", "", place[1]) if place else ""
    what = error.split(" - at ", maxsplit=1)[0]
    unknown = _UNKNOWN.search(error)
    if unknown:
        path = f"{path}.{unknown[1]}".lstrip(".")
        table = path.rpartition(".")[0]
        accepted = ", ".join(_accepted_keys(table))
        return SettingsError(
            f"{name}{_line(text, path)}: there is no setting {path}", hint=f"Accepted there: {accepted}"
        )
    return SettingsError(
        f"{name}{_line(text, path)}: {path or 'the file'}: {what}",
        hint=f"Change it in {name}; see docs/configuration.md",
    )


def _accepted_keys(table: str) -> tuple[str, ...]:
    types: dict[str, type[msgspec.Struct]] = {
        "": Written, "app": App, "instance": Instance, "policy": PartialPolicy, "region": Region,
        "limits": Limits, "contract": Contract, "notify": Notify, "notify.to": Receiver, "on": Reaction,
        "monitor": Monitor, "sessions": Sessions,
    }  # fmt: skip
    return types.get(table, types.get(table.split(".", maxsplit=1)[0], Written)).__struct_fields__


def _line(text: str, path: str) -> str:
    """Return `, line N` for the line of `text` on which the key at the end of `path` stands."""
    *tables, key = path.split(".")
    header = re.compile(r"\s*\[\[?\s*" + re.escape(".".join(tables[:2])) + r"\s*\]\]?") if tables else None
    inside = header is None
    for number, line in enumerate(text.splitlines(), start=1):
        if header is not None and line.lstrip().startswith("["):
            inside = header.match(line) is not None
        if inside and re.match(rf"\s*[\[\"']*{re.escape(key)}\b", line):
            return f", line {number}"
    return ""
