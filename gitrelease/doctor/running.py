"""Does production run as it should, would it after a reboot, and is anything left over from what ran before?"""

from __future__ import annotations

import errno
import socket
import stat
import time
from collections.abc import Generator, Iterator
from ipaddress import ip_address
from typing import Any

from gitrelease.core.errors import SettingsError
from gitrelease.core.history import release_name
from gitrelease.core.service import in_crontab
from gitrelease.core.settings import Instance, seconds
from gitrelease.core.text import quoted
from gitrelease.core.variables import told
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, Mend, problem, warning, well
from gitrelease.edges import backends, host, process_table, units
from gitrelease.edges import settings as settings_files
from gitrelease.edges import variables as variables_of_host
from gitrelease.edges.home import AGENT_MARK, user_name
from gitrelease.edges.process_table import Identity
from gitrelease.edges.slots import CHECK, NAMES
from gitrelease.release.running import Running, Serving

_UP = "gitrelease up"
_MOST_ENDING = 7.0  # seconds that are given to what ends just now: a look has ten in all


def agent(case: Case) -> Iterator[Diagnosis]:
    """Is there an agent, where production is to be up, and does it need a person?"""
    said = case.agent
    if said.silent:
        yield problem("agent", "an agent is there and does not answer", fix=case.recover)
    elif said.status is not None:
        yield from _told(case, said.status)
    elif case.wanted:

        def start() -> str:
            case.start_agent()
            return "started the agent, which looks after production"

        yield problem("agent", "production is up, and no agent looks after it", fix=_UP, mend=start)
    elif case.home.down.exists():
        who = case.home.down.read_text(errors="replace").strip()
        yield warning("agent", f"production is down, {who} asked for it", fix=_UP)
    else:
        yield warning("agent", "production was never started", fix=_UP)


def variables(case: Case) -> Iterator[Diagnosis]:
    """Are the app's variables recorded, and does what runs have those that the next process would get?"""
    anew = "gitrelease up --variables"
    recorded = variables_of_host.recorded(case.home.root)
    if (yield from _set_by_host(case)) is None:
        return
    if recorded is None or recorded.source == "nobody":
        if case.wanted:
            has = told(variables_of_host.current(case.home.root).all)
            yield warning(
                "variables",
                f"none are recorded: the app gets {has}",
                fix=f"in a shell that has them: {anew}; then: {case.restart}",
            )
        return
    groups = [running for _, running in case.groups()]
    for serving in (one.live for one in groups if one.live is not None):
        differing = _others_than_now(case, serving)
        if differing is not None:
            detail = f"the process that serves has others than the next one would get: {differing}"
            fix = f"{case.restart}; to record others first, in a shell that has them: {anew}"
            yield warning("variables", detail, fix=fix)
            return
    behind = [
        f"; {release_name(one.number)} stands by with others ({differing}): a way back there starts it anew"
        for one in (one.standby for one in groups if one.standby is not None)
        if (differing := _others_than_now(case, one)) is not None
    ]
    yield well("variables", f"recorded: {told(recorded.all)}{''.join(behind)}")


def _others_than_now(case: Case, serving: Serving) -> str | None:
    """Name the variables that a release has otherwise than its next process would; None where there are none."""
    found = [backends.others_than_now(one, case.home.root) for one in serving.backends if one.identity.alive]
    if all(one is None for one in found):
        return None
    return ", ".join(sorted({name for one in found for name in one or ()})) or "it does not tell which"


def _set_by_host(case: Case) -> Generator[Diagnosis, None, dict[str, str] | None]:
    """Return the variables that host settings set, None where they cannot be read; tell of files that others read."""
    file = case.home.settings
    named = settings_files.tables_of_host(file).get("app", {}).get("variables_file", "")
    try:
        found = settings_files.variables_of_host(file, case.root)
    except SettingsError as error:
        yield problem("variables", error.message, fix=str(error.hint))
        return None
    for one in (file, case.root / named if named else file):
        if found and one.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            detail = f"{one} has the app's variables, and others may read it"
            yield warning("variables", detail, fix=f"chmod 600 {quoted(one)}")
            break
    return found


def _told(case: Case, status: dict[str, Any]) -> Iterator[Diagnosis]:
    """Tell what the agent says of itself that keeps releases away."""
    if status["person_needed"]:
        fix = f"gitrelease rollback RELEASE; or, once it serves again, {case.recover}"
        yield problem("agent", f"a person is needed: {status['person_needed']}", fix=fix)
        return
    for group in (one for one in status["groups"] if one["person_needed"]):
        name = quoted(group["name"])
        detail = f"a person is needed for {group['name']}: {group['person_needed']}"
        back = f"gitrelease history --in {name}; then: gitrelease rollback RELEASE --in {name}"
        yield problem("agent", detail, fix=f"mend what it needs, then: gitrelease restart {name}; or go back: {back}")
    if "error" in status:
        yield problem("agent", str(status["error"]), fix=str(status.get("hint") or case.recover))
        return
    if status["frozen"]:
        yield warning("agent", status["frozen"]["told"], fix="gitrelease unfreeze")
    for reason in status["refused_edits"]:
        fix = "see it: gitrelease diff --worktree; then mend it, or take it back"
        yield warning("agent", f"an edit on disk was refused: {reason}", fix=fix)
    for waiting in status["waiting"]:
        detail = f"{waiting['commit'][:10]} waits: {waiting['reason']}"
        yield warning("agent", detail, fix=str(waiting["hint"]))
    yield well("agent", f"runs, pid {status['agent']['pid']}")


def start(case: Case) -> Iterator[Diagnosis]:
    """Would a new process of what is live come up, after a rollback over other packages?"""
    status = case.agent.status or {}
    of_groups = (
        (one.get("start", {}), f"{one['live']} in {one['name']}", f" {quoted(one['name'])}")
        for one in status.get("groups", ())
    )
    for start, release, within in ((status.get("start", {}), "the live release", ""), *of_groups):
        if start.get("in_doubt"):
            why = start["reason"] or "the release that was left needs other packages"
            fix = f"install the packages of {release} in the app's environment, then: gitrelease restart{within}"
            yield problem("start", f"no new process of {release} has been shown to start: {why}", fix=fix)


def instances(case: Case) -> Iterator[Diagnosis]:
    """Does every instance answer?"""
    status = case.agent.status
    if status is None or "instances" not in status:
        return
    serving = {group["name"] for group in status.get("groups", ()) if group["live"]} | {"production"}
    rows = [row for row in status["instances"] if row.get("group", "production") in serving]
    ill = [row for row in rows if row["health"] not in ("healthy", "starting")]
    for row in ill:
        who = f"{row['name']} ({row['url']})"
        if row.get("at_work"):
            detail = f"{who} answers nobody and is at work: it is waited for, limits.busy at most"
            fix = f"wait; or, where what people have entered there may be lost: gitrelease restart {row['name']}"
            yield warning("instances", detail, fix=fix)
        else:
            yield problem(
                "instances", f"{who} is {row['health']}", fix=f"gitrelease restart {row['name']}; or {case.recover}"
            )
    if not ill:
        yield well("instances", ", ".join(f"{row['name']} {row['url']} {row['health']}" for row in rows))


def ports(case: Case) -> Iterator[Diagnosis]:
    """Are the public ports ours, or free?"""
    seen: set[tuple[str, int]] = set()
    for world, running in case.groups():
        for instance in world.instances:
            if (instance.address, instance.port) in seen:
                detail = f"two instances have port {instance.port}"
                yield problem("ports", detail, fix="give each its own in .git/gitrelease/host.toml")
            seen.add((instance.address, instance.port))
            yield _port(case, instance, running)


def _port(case: Case, instance: Instance, running: Running) -> Diagnosis:
    shown = f"{instance.address}:{instance.port}"
    front = running.front
    held = process_table.listening(front, instance.port) if front is not None else set()
    if front is not None and held:
        if _is_none_of(instance.address, held):
            detail = f"{instance.name} is set to {shown}, and our front holds {', '.join(sorted(held))}"
            return warning("ports", detail, fix="gitrelease down && gitrelease up")
        return well("ports", f"{shown} is held by our front, pid {front.pid}")
    refused = _bind(instance)
    if refused is None:
        served = front is not None and case.agent.status is not None
        if not served:
            return well("ports", f"{shown} is free")
        detail = f"{instance.name} is set to {shown}, and production was started without it"
        return warning("ports", detail, fix="gitrelease down && gitrelease up")
    if refused == errno.EADDRINUSE and any(process_table.listens(one, instance.port) for one in _agents(case)):
        detail = f"the agent keeps {shown}, and no front serves it"
        return problem("ports", detail, fix=case.recover)
    if refused == errno.EADDRINUSE:
        owner = process_table.port_owner(instance.port) or "a process that cannot be seen from here"
        fix = "end that process, or gitrelease init --port PORT"
        if len(case.world.settings.instances) > 1:  # which of them `init` could not know
            fix = f"end that process, or give {instance.name} another port in .git/gitrelease/host.toml"
        return problem("ports", f"port {instance.port} is taken by {owner}", fix=fix)
    why = errno.errorcode.get(refused, str(refused))
    fix = "choose another address or port in .git/gitrelease/host.toml"
    return problem("ports", f"{shown} cannot be listened on: {why}", fix=fix)


def _is_none_of(address: str, held: set[str]) -> bool:
    try:
        return ip_address(address) not in map(ip_address, held)
    except ValueError:  # a name, such as localhost
        return False


def _bind(instance: Instance) -> int | None:
    """Return the error of binding to an address, None where it is free. Nobody can connect to what does not listen."""
    family = socket.AF_INET6 if ":" in instance.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((instance.address, instance.port))
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno
    return None


def slots(case: Case) -> Iterator[Diagnosis]:
    """Is a slot held by what nobody knows, or damaged?"""
    status = case.agent.status
    busy = status is not None and status.get("lock") is not None
    seen = False
    strangers = {} if busy else _strangers(case)
    for world, running in case.groups():
        strange = strangers.get(world.group)
        if strange:
            seen = True
            detail = f"processes that nobody knows hold slot {', '.join(strange)}"
            tell = problem if len(world.slots.held()) == len(NAMES) else warning
            yield tell("slots", detail, fix=case.recover)
        folder = world.slots.folder
        damaged = [name for name in (*NAMES, CHECK) if (folder / name).exists() and world.slots.standing(name) is None]
        if damaged:
            seen = True
            detail = f"slot {', '.join(damaged)} is no checkout any more"
            free = not set(damaged) & {backend.slot for backend in running.backends()}
            mend: Mend | None = (lambda slots=world.slots: _cleared(slots.clear_free())) if free else None
            fix = case.recover if free else f"{case.restart}; then, once their pages have moved: {case.recover}"
            yield warning("slots", detail, fix=fix, mend=mend)
    lost = [line for line in case.git.lines("worktree", "list", "--porcelain") if line.startswith("prunable")]
    if lost:
        seen = True
        detail = f"git remembers {len(lost)} worktrees that are gone"
        yield warning("slots", detail, fix="git worktree prune", mend=lambda: _pruned(case))
    if not seen:
        yield well("slots", "a release is under way" if busy else "nothing is left over")


def _strangers(case: Case) -> dict[str, list[str]]:
    """Return the slots of each group that are held by what is not written down.

    What has been told to end is written down no more and may take its time, what is staged is not written down yet:
    only who is there all the while is a stranger.
    """
    limit = time.monotonic() + min(seconds(case.world.settings.limits.stop) + 1, _MOST_ENDING)
    strange = _not_written_down(case)
    while any(strange.values()) and time.monotonic() < limit:
        time.sleep(0.1)
        now = _not_written_down(case)
        strange = {group: [slot for slot in slots if slot in now[group]] for group, slots in strange.items()}
    return strange


def _not_written_down(case: Case) -> dict[str, list[str]]:
    return {
        world.group: sorted(set(world.slots.held()) - {backend.slot for backend in running.backends()})
        for world, running in case.groups()
    }


def _cleared(names: list[str]) -> str:
    return f"removed slot {', '.join(names)}: it is made again when needed" if names else "no slot was free"


def _pruned(case: Case) -> str:
    case.git.run("worktree", "prune")
    return "let git forget worktrees that are gone"


def journal(case: Case) -> Iterator[Diagnosis]:
    """Can every line of the journal be read? The last one may be half written."""
    torn = max(one.journal.unreadable() for one in case.world.every())
    if torn > 1:
        yield warning("journal", f"{torn} lines of the journal cannot be read", fix=case.recover)
    else:
        yield well("journal", "can be read")


CRONS = ("cron", "crond", "fcron")  # as their processes are called


def _by_cron() -> Iterator[Diagnosis]:
    if process_table.runs(*CRONS):
        yield well("boot", "the crontab starts production with the host")
    else:
        detail = "the crontab starts production with the host, and no cron runs that reads it"
        yield warning("boot", detail, fix="as root: service cron start; or: gitrelease service --supervisor")


def boot(case: Case) -> Iterator[Diagnosis]:
    """Does production come back by itself when the host is started again?"""
    user = user_name(case.home.root.stat().st_uid)
    found = list(units.of_checkout(case.root, user))
    enabled = [unit for unit in found if unit.enabled]
    if any(unit.lingers for unit in enabled):
        yield well("boot", f"{enabled[0].path.name} starts production with the host")
    elif in_crontab(host.crontab(), str(case.root)):
        yield from _by_cron()
    elif _foreground(case):
        yield well("boot", "production runs under a service manager")
    elif not units.systemd_runs():
        detail = "after a reboot nothing starts production, and systemd does not run this host"
        yield warning("boot", detail, fix="gitrelease service --cron, or gitrelease service --supervisor")
    elif enabled:
        detail = f"{enabled[0].path.name} starts production when {user} logs in, and ends it at logout"
        yield warning("boot", detail, fix=f"loginctl enable-linger {user}")
    elif found:
        detail = f"{found[0].path.name} is there and not enabled"
        yield warning("boot", detail, fix=f"{found[0].manager} enable {found[0].path.name}")
    else:
        yield warning("boot", "after a reboot nothing starts production", fix="gitrelease service")


def _foreground(case: Case) -> bool:
    return any("--foreground" in process_table.arguments(one) for one in _agents(case))


def _agents(case: Case) -> list[Identity]:
    return process_table.marked(AGENT_MARK, str(case.home.root))
