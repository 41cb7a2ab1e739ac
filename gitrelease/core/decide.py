"""May a candidate go live? A table read from top to bottom; its last row is the cautious one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitrelease.core.diff import Diff
from gitrelease.core.kinds import Kind
from gitrelease.core.remedy import OF_IGNORED, TAKE_BACK
from gitrelease.core.replay import Difference, told
from gitrelease.core.schemas import breaking, named
from gitrelease.core.settings import Policy
from gitrelease.core.text import one_line


@dataclass(frozen=True)
class Go:
    """Stage it, and promote it when it is fit."""


@dataclass(frozen=True)
class NothingToDo:
    """Nothing that runs would change: the branch may advance, no release is made."""

    why: str


@dataclass(frozen=True)
class No:
    """Refused before anything was started."""

    why: str


@dataclass(frozen=True)
class AfterApproval:
    """Check it all the same; it goes live only when a person approves."""

    why: str


@dataclass(frozen=True)
class Frozen:
    """Not now: nothing is released by itself while production is frozen."""

    why: str


Decision = Go | NothingToDo | No | AfterApproval | Frozen


def decide(
    diff: Diff | None,
    policy: Policy,
    *,
    same_content: bool,
    quarantined: str | None,
    explicit: bool,
    approved: bool,
    frozen: str | None = None,
    leaves_out: str = "",
    returns: str = "",
) -> Decision:
    """Decide on a candidate.

    `diff` is None when nothing is live yet; `quarantined` is the first reason for which its content went bad;
    `explicit` means that a person named it (`deploy REV`), which overrides a quarantine; `frozen` says who froze
    production, None where nobody did or where a person releases by hand; `leaves_out` says behind which release the
    branch went back, nothing where it did not; `returns` what it brings back that was taken back, likewise.
    """
    if diff is None:
        return Go()
    if same_content or diff.kind is Kind.NONE:
        return NothingToDo("nothing that runs has changed")
    if quarantined is not None and not explicit:
        return No(f"this content was taken back before: {quarantined}")
    if frozen is not None:
        return Frozen(frozen)
    if approved:
        return Go()
    whys = [why for why in (leaves_out, returns) if why]
    if policy.automation == "approve":
        whys.append(approval_reason(diff, policy))
    elif taken := breaking(diff):
        whys.append(f"it breaks what reads the output: {named(taken)}")
    return AfterApproval("; ".join(whys)) if whys else Go()


def objections(*, retyped: Sequence[str], losses: Sequence[Difference]) -> str:
    """Say what the checks found that only a person may wave through; nothing when there is nothing."""
    found = []
    if retyped:
        found.append(f"it breaks what reads the output: {named(retyped)}")
    if losses:
        metrics = ", ".join(dict.fromkeys(item.metric for item in losses))
        found.append(
            f"it loses {len(losses)} values of the sample documents ({one_line(metrics, 120)}): {told(losses)}"
        )
    return "; ".join(found)


def approval_reason(diff: Diff, policy: Policy) -> str:
    """Say what about `diff` makes a person's approval necessary."""
    whys = [item.why for item in diff.other] + [
        f"{region.region} changed" for region in diff.regions if region.kind is diff.kind
    ]
    named = one_line("; ".join(dict.fromkeys(whys)), 600)
    return f"a {diff.kind} change is {policy.risk} risk and needs approval: {named or diff.kind}"


def approval_hint(commit: str, branch: str, *, refusable: bool) -> str:
    """Say how the one who waits can approve; `refusable`: a push that is refused, what was taken is on the branch."""
    if refusable:
        short = commit[:10]
        return f"Approve it, with the remote that you pushed to: git push -o approve={short} REMOTE {short}:{branch}"
    return f"Approve it: gitrelease deploy {commit[:10]} --approve"


def thaw_hint(commit: str, *, refusable: bool) -> str:
    """Say what can be done about a freeze."""
    end = "End it on the host: gitrelease unfreeze"
    if refusable:
        return f"{end}; then push again; {_all_the_same(commit, refusable=True)}"
    return f"It is released when that is over; {end[0].lower()}{end[1:]}; {_all_the_same(commit, refusable=False)}"


def quarantine_hint(commit: str, *, refusable: bool) -> str:
    """Say what can be done about content that was taken back before."""
    return f"{'Push' if refusable else 'Put'} a fix on top of it; {_all_the_same(commit, refusable=refusable)}"


def _all_the_same(commit: str, *, refusable: bool) -> str:
    """How does a person release what does not go live by itself? A push that was refused is not on the host."""
    if refusable:
        there = f"git push REMOTE {commit[:10]}:refs/heads/NAME"
        return f"to release it all the same: {there}, then on the host: gitrelease deploy NAME"
    return f"to release it all the same: gitrelease deploy {commit[:10]}"


def loss_hint(metrics: Sequence[str]) -> str:
    """Say how a commit itself can say that values may go."""
    named = ", ".join(f"Allow-Loss: {metric}" for metric in dict.fromkeys(metrics))
    return f"or say so in the commit message, a line each at its end: {one_line(named, 200)}"


def mend_hint(trigger: str, commit: str, *, unknown: bool = False) -> str:
    """Say what the one whose candidate failed its checks can do; `unknown`: it could not be judged."""
    if unknown:
        return f"Nothing is held against it: mend what kept it from being judged, {again_hint(trigger)}"
    if trigger == "push":
        return "Mend it, commit and push again"
    if trigger == "edit":
        return f"It stays on disk as it is: mend it there, or take it back: {TAKE_BACK}, {OF_IGNORED}"
    if trigger == "shell":
        return f"Mend it; the same checks without production: gitrelease check {commit[:10]}"
    return "The branch is back at what is live; mend it, commit or pull again"


def again_hint(trigger: str) -> str:
    """Say what the one whose candidate could not be judged does, once what kept it from that is mended."""
    again = {"push": "then push again", "edit": "then commit it: it stays on disk as it is", "shell": "then again"}
    return again.get(trigger, "then pull or commit again: the branch is back at what is live")
