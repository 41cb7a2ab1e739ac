"""What can be set, what are the defaults, and what do durations look like?

The values only; `settings_text.py` reads them, `edges/settings.py` knows where they are written.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Literal

import msgspec

from gitrelease.core.approval import Asked
from gitrelease.core.groups import PRODUCTION
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region

Risk = Literal["low", "medium", "high"]
Automation = Literal["auto", "approve"]
Signed = Literal["none", "commits", "tags"]

DEFAULT_BRANCH = "deploy"
DEFAULT_SCRIPT = "FinDocPipeline.py"
DEFAULT_SCHEMA = "complete_system_schema_export.json"
DEFAULT_PORT = 8501
SETTINGS_FILE = "gitrelease.toml"
MOST_KEPT = 4  # old releases beside live and standby: each takes a slot

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds(duration: str) -> float:
    """Return `duration`, such as `500ms`, `10s`, `2m`, `1h` or `14d`, in seconds; `ValueError` for anything else."""
    match = _DURATION.fullmatch(duration.strip())
    if match is None:
        raise ValueError(f"{duration!r} is no duration: write a number and a unit, such as 10s, 2m, 500ms")
    return float(match[1]) * _SECONDS[match[2]]


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the settings files: frozen, and a typo in a key is an error."""


class App(Setting, frozen=True):
    """`[app]`: what is released and how it is run. Paths are relative to the checkout."""

    kind: Literal["streamlit", "command"] = "streamlit"
    script: str = DEFAULT_SCRIPT
    schema: str = DEFAULT_SCHEMA
    python: str = ".venv/bin/python"
    branch: str = DEFAULT_BRANCH
    shared: tuple[str, ...] = ()
    data: tuple[str, ...] = ()  # folders that the app writes to, and that outlive its releases
    require_signed: Signed = "none"  # what must carry a good signature before anything of a candidate runs
    command: tuple[str, ...] = ()  # kind = "command": the argument list; {port}, {address}, {python} are filled in
    health: str = "/"  # kind = "command": the path that answers 2xx when the app is well
    companion: bool = True  # kind = "streamlit": our part in the app's process, by which open pages move
    variables_file: str = ""  # of more variables for the app, `NAME=value` lines. Host settings only

    def interpreter(self, checkout: Path) -> Path:
        """Return the app's Python; a relative one is relative to the checkout. Links are kept: a venv is one."""
        return Path(posixpath.normpath(checkout / self.python))


class Instance(Setting, frozen=True):
    """`[[instance]]`: one public address that users know, served by a process of its own."""

    name: str = "primary"
    port: int = DEFAULT_PORT
    address: str = "127.0.0.1"
    script: str = ""  # what it runs, where that is not `app.script`
    group: str = PRODUCTION  # instances that always serve the same release


class Policy(Setting, frozen=True):
    """`[policy.KIND]`: how risky a kind is, whether it needs a person, how long it is watched."""

    risk: Risk
    automation: Automation
    soak: str
    approval: Asked = "any"  # commit: one that names it, by a push option or a command; any: -o approve as well
    strict: bool = False  # schema: fields that the export does not declare refuse instead of warning
    via: str = ""  # the group in which a release must have proved good before it goes to production

    @property
    def soak_seconds(self) -> float:
        return seconds(self.soak)


class Limits(Setting, frozen=True):
    """`[limits]`: how long things may take, and how much is kept."""

    start: str = "30s"  # from spawn to the first finished script run
    checks: str = "30s"  # the contract, import of the app included
    checks_memory_mb: int = 4096  # address space of the process that runs it
    busy: str = "60s"  # a backend that is at work and answers nobody, before it is started again
    stop: str = "5s"  # between TERM and KILL
    hold: str = "30s"  # a connection held while a backend is being replaced
    linger: str = "30m"  # an old backend that still has open connections
    settle: str = "400ms"  # quiet time after which an edit on disk counts as finished
    wait: str = "120s"  # a push waits as long for another release to end
    processes_most: int = 64  # of a candidate, and of a release that soaks
    memory_most_mb: int = 0  # likewise; 0: twice what the live one uses, 1000 at least
    disk_mb: int = 200  # must stay free on the file system of .git after a release was checked out
    cache_mb: int = 1024  # of what the releases' apps cache on disk; the oldest goes first, but of what runs
    leftovers_mb: int = 1024  # of what apps have written beside their script; the oldest goes first
    log_mb: int = 20  # a log file that is larger is rotated; one older generation is kept
    memory_mb: int = 0  # what one more backend is reckoned to need; 0: as much as the live one uses


class Sessions(Setting, frozen=True):
    """`[sessions]`: what becomes of open pages when another release goes live."""

    keep: int = 2  # old releases whose processes stay for their pages, beside live and standby
    wait: str = "30s"  # a run or an upload under way gets as long before its page moves


class Receiver(Setting, frozen=True):
    """`[[notify.to]]`: somebody who is told of some events or levels only; nothing said means all."""

    url: str
    events: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()


class Notify(Setting, frozen=True):
    """`[notify]`: who is told of what happens, by the URLs of Apprise. Host settings only: they hold secrets."""

    urls: tuple[str, ...] = ()  # are told everything
    to: tuple[Receiver, ...] = ()
    acknowledge: str = "15m"  # a person who is needed has as long to say so, then level 3 is told
    timeout: str = "20s"  # receivers that have not answered by then are given up


class Reaction(Setting, frozen=True):
    """`[[on]]`: a command of this host that runs when something has happened. Host settings only."""

    event: str
    run: tuple[str, ...]
    timeout: str = "60s"  # then its process group is ended


class Monitor(Setting, frozen=True):
    """`[monitor]`: what an instance may use before `monitor` says so, and the history that the agent keeps."""

    cpu_percent: int = 50  # of one core, on average
    memory_mb: int = 1000  # at most, children included
    every: str = "30s"  # between two samples of the agent
    keep: str = "14d"  # how long they stay
    history_mb: int = 64  # that they may take on disk; the oldest go first


class Contract(Setting, frozen=True):
    """`[contract]`: the classes that the app must keep answering with, and the documents that it is replayed on."""

    classes: tuple[str, ...] | None = None
    documents: tuple[str, ...] = ()  # folders of the repository with sample documents, beside the profile's


DEFAULT_POLICY: dict[Kind, Policy] = {
    Kind.NONE: Policy(risk="low", automation="auto", soak="0s"),
    Kind.DICTIONARY: Policy(risk="low", automation="auto", soak="10s"),
    Kind.PATTERN: Policy(risk="medium", automation="auto", soak="20s"),
    Kind.SCHEMA: Policy(risk="medium", automation="auto", soak="30s"),
    Kind.MAJOR: Policy(risk="high", automation="approve", soak="60s"),
}


class Settings(Setting, frozen=True):
    """Everything that judges and runs a release, defaults filled in; who is told of it is read apart."""

    app: App = App()
    instances: tuple[Instance, ...] = (Instance(),)
    policy: dict[Kind, Policy] = msgspec.field(default_factory=lambda: dict(DEFAULT_POLICY))
    regions: tuple[Region, ...] = ()
    limits: Limits = Limits()
    contract: Contract = Contract()
    monitor: Monitor = Monitor()
    sessions: Sessions = Sessions()

    def file_of(self, region: Region) -> str:
        """Return the file that a region is in, or is."""
        return region.file or self.app.script

    def regions_of(self, path: str) -> tuple[Region, ...]:
        """Return the regions of a file, in the order in which they are set."""
        return tuple(region for region in self.regions if self.file_of(region) == path)

    @property
    def region_files(self) -> tuple[str, ...]:
        """The files that have regions, each once."""
        return tuple(dict.fromkeys(self.file_of(region) for region in self.regions))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of instances, production first."""
        return tuple(dict.fromkeys((PRODUCTION, *(instance.group for instance in self.instances))))

    def instances_of(self, group: str) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.instances if instance.group == group)

    @property
    def branch_ref(self) -> str:
        return f"refs/heads/{self.app.branch}"
