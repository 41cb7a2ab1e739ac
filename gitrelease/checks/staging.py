"""Is a candidate fit to be seen? It is checked out in a slot, started on a private port and judged there.

Nothing here touches production: a candidate that fails is stopped, its slot is free again. The contract runs
in the app's interpreter while the app itself starts, so that it costs no time of its own.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from gitrelease.candidate import Candidate
from gitrelease.checks.app_config import config_checks, configs, with_way_there
from gitrelease.checks.baseline import Known, read_baseline
from gitrelease.checks.check_slot import check_slot
from gitrelease.checks.checking import asked, has_contract
from gitrelease.checks.findings import Findings, LiveSide
from gitrelease.checks.judging import beside_live
from gitrelease.checks.page_moves import page_moves
from gitrelease.checks.probing import probe, taken_port
from gitrelease.checks.static import static_checks
from gitrelease.checks.surroundings import Surroundings
from gitrelease.core.diff import Diff
from gitrelease.core.errors import Busy, ReleaseError
from gitrelease.core.history import Release
from gitrelease.core.kinds import Kind
from gitrelease.core.outcome import Check
from gitrelease.core.redaction import redacted
from gitrelease.core.settings import Instance, seconds
from gitrelease.core.text import counted, one_line, readable
from gitrelease.core.verdict import FORGIVEN, forgive_first, judge
from gitrelease.edges import backends, disk_cache, limits
from gitrelease.edges.backends import Backend, NotStarted
from gitrelease.edges.cancel import Cancel
from gitrelease.edges.faults import passing
from gitrelease.edges.slots import CHECK, Slot
from gitrelease.world import World

_NOTHING = Findings()
_NO_ROOM = "there is no room for a copy of the app's data (app.data) that the candidate may write to"

Report = Callable[[str, str, float | None], None]


@dataclass(frozen=True)
class Staged:
    """A candidate that runs in its slot and was found fit: one switch away from its users."""

    candidate: Candidate
    diff: Diff | None
    backend: Backend
    findings: Findings

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.findings.checks


@dataclass(frozen=True)
class Unfit:
    """A candidate that failed: nothing of it runs any more. `unknown`: it could not be judged."""

    candidate: Candidate
    checks: tuple[Check, ...]
    reason: str
    unknown: bool = False
    findings: Findings = _NOTHING


@dataclass(frozen=True)
class Scope:
    """How much of a candidate is tried."""

    contract: bool  # what the app must answer
    runs: int  # of the script: one as a real session, two with Streamlit's own check of a script
    new: bool  # it was never released: its processes are counted, and its files looked at afterwards


def _scope(world: World, diff: Diff | None, judged_by: str, *, released: bool, checked_before: bool) -> Scope:
    """Try all of a change to the code; a term, a pattern or a field cannot break a second run that a first one passes.

    What was checked before has only to come up: its files have not changed since.
    """
    if checked_before:
        return Scope(contract=False, runs=1, new=not released)
    # The script check answers in steps of 0.1 s, beside a session that says more: see docs/decisions/0010.
    runs = 2 if diff is None or diff.kind is Kind.MAJOR else 1
    return Scope(contract=has_contract(world, judged_by), runs=runs, new=not released)


def stage(
    world: World,
    candidate: Candidate,
    *,
    diff: Diff | None,
    live: LiveSide | None,
    cancel: Cancel,
    report: Report,
    name: str,
    checking_only: bool = False,
    released: bool = False,
    checked_before: bool = False,
    given: tuple[Check, ...] = (),
    beside: Backend | None = None,
    instance: Instance | None = None,
) -> Staged | Unfit:
    """Stage `candidate` as it runs for `instance`, the first one where none is named.

    What `live` says to the same questions is asked only where it matters.
    Without `live` nothing is live yet: what the app fails, but for coming up at all, is forgiven.
    With `checking_only` it uses the slot that is set aside for that, and nothing is left running. What was `released`
    before is not held to the limits of a new one, and what was `checked_before` has only to come up: its files have not
    changed since. Checks that were made already are `given`; `beside` is what users get meanwhile.
    """
    begun = time.monotonic()
    static = given if checked_before else (*given, *static_checks(world, candidate))
    if any(check.status in ("failed", "unknown") for check in static):
        return _unfit(candidate, static)
    slot = _slot_for(world, candidate, cancel, checking_only=checking_only, tried=not released)
    if isinstance(slot, Check):
        return _unfit(candidate, (*static, slot))
    around = None
    with contextlib.ExitStack() as undo:  # unless it is fit, whatever happens: the candidate does not stay behind
        undo.callback(world.slots.drop_tried, slot.name)
        try:
            passing("stage: slot taken")
            if not checking_only and not released:
                around = Surroundings(world, candidate, slot)
            judged_by = live.commit if live else None
            scope = _scope(world, diff, judged_by or candidate.commit, released=released, checked_before=checked_before)
            start_and_judge = functools.partial(
                _start_and_judge, world, slot, candidate, diff, scope, judged_by=judged_by, cancel=cancel, name=name,
                beside=beside, instance=instance or world.instances[0],
            )  # fmt: skip
            backend, findings = start_and_judge(attempt := undo.enter_context(contextlib.ExitStack()))
            if backend is not None and _is_unfit(findings) and (taken := taken_port(backend)):
                report("stage", f"{taken}: once more on another one", None)
                attempt.close()
                backend, findings = start_and_judge(attempt)
        finally:
            slot.release()
        findings = msgspec.structs.replace(
            findings, checks=(*static, *(_plain(check, slot) for check in findings.checks))
        )
        if checking_only:
            undo.close()  # what is live may have to be asked, in the same slot
        findings = _judged(world, candidate, diff, findings, live)
        checks = findings.checks
        unfit = backend is None or _is_unfit(findings)
        touched = around.touched() if around else ()
        if backend is None or unfit or touched:
            undo.close()  # what has ended does no more
            if around is not None and (trespass := around.put_right(touched)):
                findings = msgspec.structs.replace(findings, checks=(trespass, *checks))
            return _unfit(candidate, findings.checks, findings)
        passed = sum(check.status == "passed" for check in checks)
        warned = [check for check in checks if check.status == "warned"]
        told = f"slot {slot.name}, port {backend.port}, {counted(passed, 'check')} passed"
        if warned:
            told += f", {len(warned)} warned ({one_line(warned[0].name, 40)})"
        report("stage", told, time.monotonic() - begun)
        _tell_news(warned, findings, live, report)
        passing("stage: judged")
        if not checking_only:
            undo.pop_all()
        return Staged(candidate=candidate, diff=diff, backend=backend, findings=findings)


def _slot_for(world: World, candidate: Candidate, cancel: Cancel, *, checking_only: bool, tried: bool) -> Slot | Check:
    """Check the candidate out in a slot of its own; a check that could not be made says why there is none."""
    commit = candidate.commit
    try:
        if checking_only:
            return check_slot(world, commit, cancel)
        return world.slots.take(commit, shared=world.settings.app.shared, data=world.data_of(commit), tried=tried)
    except Busy:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        detail = f"{_NO_ROOM}: {error.strerror}"
    except ReleaseError as error:
        detail = f"{error.message}. {error.hint}"
    return Check(name="slot", kind="major", status="unknown", detail=detail)


def _plain(check: Check, slot: Slot) -> Check:
    """What a check quotes of the app's output goes to the pusher, the journal and the tags: its secrets do not.

    Paths are those of the checkout: nobody but us knows a slot.
    """
    if not check.detail:
        return check
    return msgspec.structs.replace(check, detail=redacted(check.detail.replace(f"{slot.path}/", "")))


def _judged(
    world: World, candidate: Candidate, diff: Diff | None, findings: Findings, live: LiveSide | None
) -> Findings:
    """Hold what was found against what the live release says to the same questions."""
    if live is not None and diff is not None:
        findings = beside_live(world, candidate, diff, findings, live)
    checks = findings.checks
    if any(check.status == "failed" for check in checks):
        checks = judge(checks, live.findings().checks) if live else forgive_first(checks)
    return msgspec.structs.replace(findings, checks=checks)


def _is_unfit(findings: Findings) -> bool:
    return any(check.status in ("failed", "unknown") for check in findings.checks)


def _tell_news(warned: Sequence[Check], findings: Findings, live: LiveSide | None, report: Report) -> None:
    """Tell whoever made the change what it does to the numbers, and what is odd about it and not about live."""
    known = {check.name: check.detail for check in live.findings().checks} if warned and live else {}
    for check in warned:
        told = check.absolute or (live is not None and check.detail != known.get(check.name) and not _forgiven(check))
        if told and check.name != "replay":
            report("warning", one_line(f"{check.name}: {check.detail}", 400), None)
    if findings.replay is not None and findings.replay.differs:
        report("replay", one_line(findings.replay.told, 400), None)
    if findings.replay is not None and findings.replay.unread:
        report("replay", one_line(findings.replay.unread_told, 600), None)


def _forgiven(check: Check) -> bool:
    """Is it a failure that is none, because the live release fails as well?"""
    return check.detail.startswith(FORGIVEN)


def _unfit(candidate: Candidate, checks: tuple[Check, ...], findings: Findings | None = None) -> Unfit:
    """Say why: the first check that failed, else the first that could not tell, and the names of the others."""
    failed = [check for check in checks if check.status == "failed"]
    first, *others = failed or [check for check in checks if check.status == "unknown"]
    also = f"; also {', '.join(check.name for check in others)}" if others else ""
    return Unfit(
        candidate=candidate,
        checks=checks,
        reason=one_line(f"{first.name}: {first.detail}", 600) + one_line(also, 400),
        unknown=not failed,
        findings=findings or Findings(checks),
    )


def _start_and_judge(
    world: World,
    slot: Slot,
    candidate: Candidate,
    diff: Diff | None,
    scope: Scope,
    undo: contextlib.ExitStack,
    *,
    judged_by: str | None,
    cancel: Cancel,
    name: str,
    beside: Backend | None,
    instance: Instance,
) -> tuple[Backend | None, Findings]:
    """Start the candidate and ask it; `undo` gets what ends it again."""
    found = configs(world, slot)
    config = found.get(instance.script or world.settings.app.script)
    configured = config_checks(world, tuple(found.values()), new=scope.new)
    if any(check.status in ("failed", "unknown") for check in configured):
        return None, Findings(configured)
    # A check leaves alone what the release of that content has kept.
    cache = world.home.caches / CHECK if slot.name == CHECK else world.cache_of(slot.commit)
    if slot.name == CHECK:
        disk_cache.drop(cache)  # of one that was killed
    if not cache.exists():
        undo.callback(disk_cache.drop, cache)  # once its process has ended
    try:
        backend = backends.start(
            world.settings, slot, checkout=world.git.root, home=world.home, name=name, instance=instance, cache=cache
        )
    except NotStarted as error:
        problem = f"{error.message}: set app.python in host.toml"
        return None, Findings((Check(name="start", kind="major", status="unknown", detail=problem),))
    passing("stage: started")
    undo.callback(backends.end, backend, world.home, grace=seconds(world.settings.limits.stop))
    with contextlib.ExitStack() as stack:
        sampler = None
        if scope.new:
            meter = limits.Meter(backend, limits.beside(world.settings.limits, beside), world.limit_told)
            end = functools.partial(backends.end, backend, world.home, grace=0.0)
            sampler = stack.enter_context(limits.Sampler(meter, end))
        promise = None
        if scope.contract:
            promise = stack.enter_context(asked(world, slot, candidate, diff, judged_by=judged_by))
        checks = probe(world, slot, backend, cancel, runs=scope.runs, asked=promise)
        if all(check.status == "passed" for check in checks):
            checks = (*checks, *page_moves(world, slot, backend, cancel))
        checks = (*configured, *(with_way_there(check, config) for check in checks))
        findings = promise.collect(cancel) if promise else Findings()
        # The contract says more precisely what is broken than the page that breaks over it: it comes first.
        checks = (*findings.checks, *checks)
        if sampler is not None:
            beyond = sampler.result()
            if beyond:  # all else that failed did so because it was ended over this
                checks = (Check(name="limits", kind="major", status="failed", detail=beyond), *checks)
            checks = (*checks, *_slot_checks(slot, world))
        return backend, msgspec.structs.replace(findings, checks=checks)


def _slot_checks(slot: Slot, world: World) -> tuple[Check, Check]:
    """See that what was checked is still what lies there: neither the app nor a check may change its files.

    Files of its own beside them are another thing: an app that has always written some may go on.
    """
    changed, added = world.slots.changed(slot)

    def check(name: str, paths: Sequence[str], what: str) -> Check:
        detail = f"{one_line(readable(', '.join(paths)), 200)} {what}" if paths else ""
        return Check(name=name, kind="major", status="failed" if paths else "passed", detail=detail)

    return (
        check("files", changed, "was changed or deleted in the slot while it was checked"),
        check("slot", added, "was written into the slot while it was checked"),
    )


def stage_again(
    world: World,
    release: Release,
    *,
    cancel: Cancel,
    report: Report,
    name: str,
    checking_only: bool = False,
    instance: Instance | None = None,
) -> Staged | Unfit:
    """Stage a release that was released before: for a rollback, a restart, after a reboot; to rehearse one of them."""
    kept = read_baseline(world, release.commit)
    return stage(
        world,
        Candidate(commit=release.commit, source=release.source, key="", trigger="agent", by="agent"),
        diff=None,
        live=None if kept is None else Known(release.commit, kept),
        cancel=cancel,
        report=report,
        name=name,
        checking_only=checking_only,
        released=True,
        checked_before=kept is not None,
        instance=instance,
    )
