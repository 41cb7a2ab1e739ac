"""Where are settings, and which hold? `gitrelease.toml` of a revision, `host.toml` of this host, the defaults.

Host settings win. What is written in a file is read by `core/settings_text.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gitrelease.core import data_folders, settings_text
from gitrelease.core.errors import SettingsError
from gitrelease.core.kinds import Kind
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
    Policy,
    Sessions,
    Settings,
)
from gitrelease.core.settings_text import Written
from gitrelease.core.text import quoted
from gitrelease.edges import variables_file
from gitrelease.edges.git import Git

_APP, _POLICY = ReadAs(App), ReadAs(Policy)
_LIMITS, _CONTRACT, _MONITOR, _SESSIONS = ReadAs(Limits), ReadAs(Contract), ReadAs(Monitor), ReadAs(Sessions)
_INSTANCES, _REGIONS = ReadAs(tuple[Instance, ...]), ReadAs(tuple[Region, ...])

_HEAD = "# Settings of this host; they win over gitrelease.toml. See docs/configuration.md.\n\n"


def load(git: Git, host: Mapping[str, Any], revision: str | None) -> Settings:
    """Return the settings that hold when `revision` is live; without one, those of the `host` and the defaults."""
    repository = git.blob(revision, SETTINGS_FILE) if revision else None
    return combine(settings_text.read(repository or b"", SETTINGS_FILE), host)


def limits_of(git: Git, revision: str) -> Mapping[str, Any]:
    """Return the limits that the repository sets at `revision`."""
    found: Mapping[str, Any] = settings_text.read(git.blob(revision, SETTINGS_FILE) or b"", SETTINGS_FILE)
    limits: Mapping[str, Any] = found.get("limits", {})
    return limits


def tables_of_host(file: Path) -> dict[str, Any]:
    """Return the settings of this host, checked, but for those that may be secrets: they are read apart.

    Who is told of what happens, and the app's variables: what is wrong there must stop no release.
    """
    return settings_text.read(of_host(file), str(file), without=settings_text.SECRETS)


def variables_of_host(file: Path, checkout: Path) -> dict[str, str]:
    """Return the app's variables that host settings set: those of `app.variables_file`, over them `[variables]`.

    `SettingsError` where one of the two cannot be read; no value is in it.
    """
    table = settings_text.read(of_host(file), str(file), without=settings_text.TOLD)
    written = settings_text.from_table(table, str(file))
    named = written.app.variables_file
    return {**(variables_file.of_file(checkout / named) if named else {}), **written.variables}


def written_by_init(file: Path) -> dict[str, Any]:
    """Return the same of a host that was set up; `SettingsError` also where the file is gone, or was emptied."""
    tables = tables_of_host(file)
    if "app" not in tables:  # `init` writes more than that
        raise SettingsError(f"{file} is gone, or empty", hint="Bring it back: gitrelease recover")
    return tables


def told_of(host_file: Path) -> Written:
    """Return the settings of this host as they are written now: who is told, and what runs, when something happens."""
    return settings_text.from_table(settings_text.read(of_host(host_file), str(host_file)), str(host_file))


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
            hint=f"Move it away: mv {quoted(file)} {quoted(f'{file}.old')}; then: gitrelease recover, "
            "the first time: gitrelease init",
        ) from error
    except PermissionError as error:
        owner = file.stat().st_uid
        mend = f"chmod u+rw {quoted(file)}" if owner == os.getuid() else f"sudo chown {os.getuid()} {quoted(file)}"
        raise SettingsError(f"{file} cannot be read: {error.strerror}", hint=f"Give it back: {mend}") from error


def combine(repository: Mapping[str, Any], host: Mapping[str, Any]) -> Settings:
    """Lay the host's tables over the repository's and both over the defaults."""
    tables: dict[str, Any] = {}
    for name in ("app", "limits", "contract", "monitor", "sessions"):
        tables[name] = {**repository.get(name, {}), **host.get(name, {})}
    # Both know files that the app needs: `init` finds some on this host, the repository names others.
    shared, data = data_folders.laid_over(repository.get("app", {}), host.get("app", {}))
    tables["app"]["shared"], tables["app"]["data"] = sorted(shared), sorted(data)
    policies = {kind: msgspec.to_builtins(policy) for kind, policy in DEFAULT_POLICY.items()}
    for table in (repository, host):
        for kind, values in table.get("policy", {}).items():
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
        sessions=_SESSIONS.convert(tables["sessions"]),
    )


def _built_in_regions(app: App) -> tuple[Region, ...]:
    from gitrelease.profiles.findoc.regions import REGIONS

    return tuple(REGIONS) if Path(app.script).name == DEFAULT_SCRIPT else ()


def as_toml(tables: Mapping[str, Any]) -> bytes:
    """Return settings of a host as they stand in its file."""
    import tomlkit

    return f"{_HEAD}{tomlkit.dumps(tables)}".encode()


def changed(text: str, *, app: Mapping[str, Any], port: int | None) -> str:
    """Return the host settings `text` with keys of `[app]` and the port of the only instance set.

    Everything else stays as a person wrote it, comments and all. `SettingsError` when `port` could mean several.
    """
    import tomlkit

    document = tomlkit.parse(text or _HEAD)
    table = document.setdefault("app", tomlkit.table())
    for key, value in app.items():
        if table.get(key) != value:
            table[key] = value
    if port is not None:
        instances = document.setdefault("instance", tomlkit.aot())
        if len(instances) > 1:
            raise SettingsError(
                f"--port {port} could mean any of {len(instances)} instances",
                hint="Change the port of the one you mean in .git/gitrelease/host.toml",
            )
        if not instances:
            instances.append(tomlkit.table())
        instances[0]["port"] = port
    written = tomlkit.dumps(document)
    return written if text else written.replace("\n[[", "\n\n[[")
