"""What is set, and is it right? Reads `gitrelease.toml` from a revision and `host.toml` from this host.

Host settings win. A wrong key or value is refused with its file, line and path, and what is accepted.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gitrelease.core import refs
from gitrelease.core.errors import SettingsError
from gitrelease.core.groups import ALL, PRODUCTION
from gitrelease.core.kinds import Kind
from gitrelease.core.notices import EVENTS, LEVELS, is_address, shown_address
from gitrelease.core.reading import ReadAs
from gitrelease.core.regions import Region
from gitrelease.core.settings import (
    DEFAULT_POLICY,
    DEFAULT_SCRIPT,
    SETTINGS_FILE,
    App,
    Contract,
    Instance,
    Limits,
    Monitor,
    Notify,
    Policy,
    Reaction,
    Receiver,
    Setting,
    Settings,
    seconds,
)
from gitrelease.edges.git import Git, RefUpdate


class PartialPolicy(Setting, frozen=True):
    """A `[policy.KIND]` table as written: what is left out keeps its default."""

    risk: str | None = None
    automation: str | None = None
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
    monitor: Monitor = Monitor()


_TABLE, _WRITTEN, _APP, _POLICY = ReadAs(dict[str, Any]), ReadAs(Written), ReadAs(App), ReadAs(Policy)
_LIMITS, _CONTRACT, _MONITOR = ReadAs(Limits), ReadAs(Contract), ReadAs(Monitor)
_INSTANCES, _REGIONS = ReadAs(tuple[Instance, ...]), ReadAs(tuple[Region, ...])


def load(git: Git, host: Mapping[str, Any], revision: str | None) -> Settings:
    """Return the settings that hold when `revision` is live; without one, those of the `host` and the defaults."""
    repository = git.blob(revision, SETTINGS_FILE) if revision else None
    return combine(read(repository or b"", SETTINGS_FILE), host)


def tables_of_host(file: Path) -> dict[str, Any]:
    """Return the settings of this host, checked, but for who is told: what is wrong there must stop no release."""
    return read(of_host(file), str(file), told=False)


def written_by_init(file: Path) -> dict[str, Any]:
    """Return the same of a host that was set up; `SettingsError` also where the file is gone, or was emptied."""
    tables = tables_of_host(file)
    if "app" not in tables:  # `init` writes more than that
        raise SettingsError(f"{file} is gone, or empty", hint="Bring it back: gitrelease recover")
    return tables


def keep(git: Git, host: Mapping[str, Any]) -> None:
    """Keep the settings of this host, as `tables_of_host` has read them, for when nobody can read them any more.

    Whoever may fetch can ask for them: who is told, whose addresses are secrets, is not among them.
    """
    content = msgspec.json.encode(host)
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if git.ref(refs.HOST) != blob:
        git.update_refs([RefUpdate(refs.HOST, git.write_blob(content))], reason="settings of the host")


def kept(git: Git) -> dict[str, Any] | None:
    """Return the settings of this host that were read well last; None where none are kept, or none that hold now."""
    blob = git.ref(refs.HOST)
    content = git.blobs([blob]).get(blob) if blob else None
    try:
        table = _TABLE.decode(content or b"")
        _check_values(_WRITTEN.convert(table), "", refs.HOST)
    except (msgspec.DecodeError, SettingsError):  # of a later version, say
        return None
    return table


def told_of(host_file: Path) -> Written:
    """Return the settings of this host as they are written now: who is told, and what runs, when something happens."""
    return _WRITTEN.convert(read(of_host(host_file), str(host_file)))


def told_wrong(host_file: Path) -> str | None:
    """Say what is wrong with the settings of who is told, and what is accepted; None where nothing is."""
    try:
        told_of(host_file)
    except SettingsError as error:
        return f"{error.message}. {error.hint}"
    return None


def of_host(file: Path) -> bytes:
    """Return the settings of this host as they are written; nothing where there are none."""
    try:
        return file.read_bytes() if file.exists() else b""
    except IsADirectoryError as error:
        raise SettingsError(
            f"{file} is a folder, the settings of this host are a file of that name",
            hint=f"Move it away: mv {file} {file}.old; then: gitrelease recover, or init the first time",
        ) from error
    except PermissionError as error:
        owner = file.stat().st_uid
        mend = f"chmod u+rw {file}" if owner == os.getuid() else f"sudo chown {os.getuid()} {file}"
        raise SettingsError(f"{file} cannot be read: {error.strerror}", hint=f"Give it back: {mend}") from error


def combine(repository: Mapping[str, Any], host: Mapping[str, Any]) -> Settings:
    """Lay the host's tables over the repository's and both over the defaults."""
    tables: dict[str, Any] = {}
    for name in ("app", "limits", "contract", "monitor"):
        tables[name] = {**repository.get(name, {}), **host.get(name, {})}
    # Both know files that the app needs: `init` finds some on this host, the repository names others.
    tables["app"]["shared"] = sorted(
        {*repository.get("app", {}).get("shared", ()), *host.get("app", {}).get("shared", ())}
    )
    policies = {kind: msgspec.to_builtins(policy) for kind, policy in DEFAULT_POLICY.items()}
    for written in (repository, host):
        for kind, values in written.get("policy", {}).items():
            policies[Kind(kind)] |= values
    app = _APP.convert(tables["app"])
    regions = (*repository.get("region", ()), *host.get("region", ()))
    return Settings(
        app=app,
        instances=_INSTANCES.convert(host.get("instance") or repository.get("instance") or [{}]),
        policy={kind: _POLICY.convert(values) for kind, values in policies.items()},
        regions=_REGIONS.convert(regions) if regions else _built_in_regions(app),
        limits=_LIMITS.convert(tables["limits"]),
        contract=_CONTRACT.convert(tables["contract"]),
        monitor=_MONITOR.convert(tables["monitor"]),
    )


def _built_in_regions(app: App) -> tuple[Region, ...]:
    from gitrelease.profiles.findoc.regions import REGIONS

    return tuple(REGIONS) if Path(app.script).name == DEFAULT_SCRIPT else ()


def read(content: bytes, name: str, *, told: bool = True) -> dict[str, Any]:
    """Parse and check one settings file; `SettingsError` says where it is wrong.

    Without `told`, who is told of what happens is left out: what is wrong there must stop no release.
    """
    try:
        text = content.decode()
        table = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{name} is not TOML: {error}", hint=f"Mend that line of {name}") from error
    if not told:
        table = {key: value for key, value in table.items() if key not in _HOST_ONLY}
    for alien in _HOST_ONLY if name == SETTINGS_FILE else ():
        if alien in table:
            raise SettingsError(
                f"{name}{_line(text, alien)}: {alien} is for host settings only",
                hint=f"Take it out of {name}: everybody who clones would have it; set it in .git/gitrelease/host.toml",
            )
    try:
        written = _WRITTEN.convert(table)
    except msgspec.ValidationError as error:
        raise _explain(str(error), text, name) from error
    _check_values(written, text, name)
    return table


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
    for kind, policy in written.policy.items():
        _check_policy(kind, policy, text, name)
    _check_telling(written, text, name)
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


_HOST_ONLY = ("notify", "on")
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


def _check_events(events: tuple[str, ...], path: str, text: str, name: str) -> None:
    for event in events:
        if event not in EVENTS:
            raise _wrong(name, text, path, f"is {event!r}", ", ".join(EVENTS))


_LEAST = {
    "memory_mb": 0, "memory_most_mb": 0, "disk_mb": 0, "checks_memory_mb": 1, "log_mb": 1, "processes_most": 1,
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


def _check_policy(kind: Kind, policy: PartialPolicy, text: str, name: str) -> None:
    if policy.strict is not None and kind is not Kind.SCHEMA:
        raise _wrong(name, text, f"policy.{kind}.strict", "is for schema", "strict in [policy.schema] only")
    if policy.soak is not None:
        _check_duration(policy.soak, f"policy.{kind}.soak", text, name)
    for key, accepted in (("risk", ("low", "medium", "high")), ("automation", ("auto", "approve"))):
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


def as_toml(tables: Mapping[str, Any]) -> bytes:
    """Return settings of a host as they stand in its file."""
    import tomlkit

    return f"{_HEAD}{tomlkit.dumps(tables)}".encode()


_HEAD = "# Settings of this host; they win over gitrelease.toml. See docs/configuration.md.\n\n"
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
        "monitor": Monitor,
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


def changed(text: str, *, app: Mapping[str, Any], port: int | None) -> str:
    """Return the host settings `text` with keys of `[app]` and the port of the only instance set.

    Everything else stays as a person wrote it, comments and all. `SettingsError` when `port` could mean several.
    """
    import tomlkit

    written = tomlkit.parse(text or _HEAD)
    table = written.setdefault("app", tomlkit.table())
    for key, value in app.items():
        if table.get(key) != value:
            table[key] = value
    if port is not None:
        instances = written.setdefault("instance", tomlkit.aot())
        if len(instances) > 1:
            raise SettingsError(
                f"--port {port} could mean any of {len(instances)} instances",
                hint="Change the port of the one you mean in .git/gitrelease/host.toml",
            )
        if not instances:
            instances.append(tomlkit.table())
        instances[0]["port"] = port
    return tomlkit.dumps(written)
