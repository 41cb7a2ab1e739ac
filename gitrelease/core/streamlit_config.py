"""The Streamlit options of an app: what counts of them here, what is overruled, what cannot work."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from gitrelease.core.settings import Instance

Value = bool | int | float | str

BASE, CERT, KEY = "server.baseUrlPath", "server.sslCertFile", "server.sslKeyFile"
PORT, ADDRESS, BROWSER_ADDRESS = "server.port", "server.address", "browser.serverAddress"
# What every start of the app says on its command line: docs/configuration.md has the reason for each.
OVERRULED = (
    PORT, ADDRESS, "server.headless", "server.fileWatcherType", "server.runOnSave",
    "server.scriptHealthCheckEnabled", "browser.gatherUsageStats",
)  # fmt: skip

_HELD = "a release is a commit, what is edited in its slot must not reach users"
# Of these what is started with, and why.
_AS_STARTED: dict[str, tuple[Value, str]] = {
    "server.headless": (True, "nobody sits at the screen of a host"),
    "server.fileWatcherType": ("none", _HELD),
    "server.runOnSave": (False, _HELD),
}


class Option(msgspec.Struct, frozen=True):
    """An option that somebody set; `where` is a file, relative to the app's working directory, or a variable."""

    value: Value
    where: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What of the configuration cannot be read or used. `of_release`: a file of the commit is the cause."""

    what: str
    remedy: str
    of_release: bool

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


class StreamlitConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The options that count for an app in one working directory, as its own Streamlit resolves them.

    Only what somebody set is in `options`. `unknown` says why Streamlit could not be asked; then nothing is set.
    """

    version: str = ""
    options: dict[str, Option] = {}
    problems: tuple[Problem, ...] = ()
    unknown: str = ""

    def text(self, name: str) -> str:
        """Return the value of an option of text; empty where it is not set."""
        found = self.options.get(name)
        return str(found.value) if found is not None and found.value else ""

    @property
    def base(self) -> str:
        """The path before every path of the app, with a slash before it, as it stands in a URL; empty for none."""
        stripped = self.text(BASE).strip("/")
        return f"/{quote(stripped)}" if stripped else ""

    @property
    def tls(self) -> bool:
        """Does the app speak TLS? Streamlit takes both files or none."""
        return bool(self.text(CERT) and self.text(KEY))

    def source(self, name: str) -> str:
        """Return an option as it was set, and where: `server.baseUrlPath = "fin" (.streamlit/config.toml)`."""
        found = self.options[name]
        value = f'"{found.value}"' if isinstance(found.value, str) else str(found.value).lower()
        return f"{name} = {value} ({found.where})"

    @property
    def way_there(self) -> str:
        """The options that decide at which URL the app answers, as they were set; empty where none was."""
        names = [name for name in (BASE, CERT, KEY) if self.text(name)]
        return ", ".join(self.source(name) for name in names)


def overruled(config: StreamlitConfig, instances: Sequence[Instance]) -> list[tuple[str, str]]:
    """Return what is set and is gitrelease's to say, each with the remedy: users' port and address, how it starts."""
    found: list[tuple[str, str]] = []
    reached = f"users reach the app at {' and '.join(f'{one.address}:{one.port}' for one in instances)} ([[instance]])"
    port = config.options.get(PORT)
    if port is not None and port.value not in {one.port for one in instances}:
        what = f"{config.source(PORT)} is overruled: {reached}"
        found.append((what, f"To use that port: gitrelease init --port {port.value}; else take the option out"))
    address = config.options.get(ADDRESS)
    if address is not None and str(address.value) not in {one.address for one in instances}:
        what = f"{config.source(ADDRESS)} is overruled: {reached}"
        remedy = f'To use that address: address = "{address.value}" under [[instance]] in .git/gitrelease/host.toml'
        found.append((what, f"{remedy}; else take the option out"))
    for name, (ours, why) in _AS_STARTED.items():
        option = config.options.get(name)
        if option is not None and option.value != ours:
            found.append((f"{config.source(name)} is overruled: {why}", "It has no effect here: take the option out"))
    return found


def remarks(config: StreamlitConfig, instances: Sequence[Instance]) -> list[tuple[str, str]]:
    """Return all that somebody has to know of a configuration, each with what to do about it."""
    found = [(one.what, one.remedy) for one in config.problems]
    found += overruled(config, instances)
    if config.tls and not config.problems:
        found.append((of_tls(config), "To have pages move: end TLS in a proxy in front, and take both options out"))
    return found


def of_tls(config: StreamlitConfig) -> str:
    """Say what is different where the app speaks TLS by itself; empty where it does not."""
    if not config.tls:
        return ""
    return (
        f"{config.source(CERT)}: the app speaks TLS, so a page is routed by its connection, not by its session, "
        "and is not moved to the next process"
    )
