"""What came in, as a commit: how is it put together, and what does it change against what is live?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gitrelease.core import refs
from gitrelease.core.changes import Change, Lines, follow_file, parse_diff_tree
from gitrelease.core.classify import Diff, FileChange, classify
from gitrelease.core.errors import ReleaseError
from gitrelease.core.exports import LARGEST
from gitrelease.core.history import Release, release_number
from gitrelease.core.regions import Region
from gitrelease.edges import records
from gitrelease.edges.checkout import identity_env
from gitrelease.edges.git import Git
from gitrelease.edges.records import Records
from gitrelease.world import World


@dataclass(frozen=True)
class Candidate:
    """A commit that might go live. What is checked is what is served: `commit`, never "what is on disk"."""

    commit: str  # `source`, or a child of it with the carried file
    source: str  # the commit of the deploy branch that it stands for
    key: str  # its content without documents
    trigger: str
    by: str
    reason: str = ""
    at: float = 0.0  # when it came in
    refusable: bool = False  # a push whose branch has not moved yet
    made_here: bool = False  # our own commit, of what was released before: nobody else signs it
    made_on: str | None = None  # of an edit: the head of the branch then, which is `source` where git ignores the file
    carries: Release | None = None  # what another group has tried: it becomes no new release

    @property
    def taken(self) -> bool:
        """Is it a push that is on the branch already? Who pushed it may be gone, and pushed again it is up to date."""
        return self.trigger == "push" and not self.refusable

    @property
    def came_by_branch(self) -> bool:
        """Did the branch bring it? Then it is there already, or will be before it goes live."""
        return self.trigger in ("push", "pull", "branch")

    @property
    def known_as(self) -> str:
        """The commit that people know: the branch's, but for an edit of a file that only releases have."""
        return self.commit if self.trigger == "edit" else self.source


def compose(world: World, source: str, *, carried_from: str | None) -> str:
    """Return the commit that would be served for `source`: itself, or a child that has the carried file.

    The carried file is the managed one that git ignores: it comes from the commit or tree `carried_from`.
    The child's id depends on nothing but the two, so that the same content is the same commit again.
    """
    git, path = world.git, world.settings.app.schema
    if carried_from is None or git.entry(source, path) is not None:
        return source
    carried = git.entry(carried_from, path)
    if carried is None:
        return source
    tree = git.tree_with(source, {path: (carried.mode, carried.id)})
    date = int(git.text("show", "-s", "--format=%ct", source))
    return git.commit_tree(
        tree,
        parents=[source],
        message=f"Carry {path}, which git ignores\n",
        env=identity_env("gitrelease", "gitrelease@localhost", date),
    )


def of_branch(world: World, source: str, *, live: Release | None, trigger: str, by: str, at: float) -> Candidate:
    """Return the candidate for a commit of the deploy branch; what git ignores comes from the live release."""
    carried_from = live.commit if live else world.checkout.disk_tree()
    commit = compose(world, source, carried_from=carried_from)
    return Candidate(
        commit=commit,
        source=source,
        key=records.content_key(world.git, commit),
        trigger=trigger,
        by=by,
        at=at,
    )


def belonging_to(world: World, head: str, live: Release | None) -> str:
    """Return the commit whose files belong on disk when the branch is at `head` and nothing is under way."""
    if live is not None and live.source == head:
        return live.commit
    return of_branch(world, head, live=live, trigger="agent", by="", at=0).commit


def of_release(world: World, commit: str, known: Records, *, at: float) -> Candidate | None:
    """Return the candidate for what a release served already, None where `commit` is no release's.

    One that carries a file is a child of what was on the branch: that is where the branch goes.
    """
    release = known.release_at(world.git, commit)
    if release is None:
        return None
    key = records.content_key(world.git, commit)
    return Candidate(commit=commit, source=release.source, key=key, trigger="shell", by="", at=at)


def carried(world: World, commit: str, known: Records, *, only_elsewhere: bool = False) -> Candidate | None:
    """Return the candidate that is a release already, the newest of `commit`: it is carried to another group as it is.

    None where there is no such release, or with `only_elsewhere` none that production never had.
    """
    names = (name for name, _ in world.git.tags_at(commit) if name.startswith(refs.RELEASES))
    numbers = [number for number in map(release_number, names) if not only_elsewhere or number in known.elsewhere]
    release = max(filter(None, map(known.every.numbered, numbers)), key=lambda one: one.number, default=None)
    if release is None:
        return None
    key = records.content_key(world.git, commit)
    return Candidate(commit=commit, source=release.source, key=key, trigger="shell", by="", carries=release)


def difference(world: World, before: str, after: str) -> Diff:
    """Say what `after` changes against `before`, two commits or trees, by the regions that are set."""
    git, settings = world.git, world.settings
    changes = parse_diff_tree(git.diff_tree(before, after))
    contents = git.blobs(_worth_reading(git, changes))
    return classify(
        [FileChange.of(change, contents) for change in changes],
        settings.regions,
        script=settings.app.script,
        schema=settings.app.schema,
        old_placed=placed(world, before),
        new_placed=placed(world, after),
    )


def _worth_reading(git: Git, changes: Iterable[Change]) -> list[str]:
    """Return the ids of the contents to look into: a file of hundreds of megabytes says nothing but that it differs."""
    names: list[str] = []
    doubtful: list[str] = []
    for change in changes:
        (names if change.hunks else doubtful).extend((change.old_id, change.new_id))
    sizes = git.sizes(doubtful)
    return [*names, *(name for name in doubtful if sizes.get(name, 0) <= LARGEST)]


def placed(world: World, tree: str) -> dict[str, Lines]:
    """Return where the regions that are set as a line range of some revision stand in `tree`, by name.

    One whose revision is not there is nowhere, so that what it would cover is major; `lost_revision` names it.
    """
    found: dict[str, Lines] = {}
    for region in world.settings.regions:
        if region.lines is None or region.at is None:
            continue
        at = world.git.resolve(region.at)
        if at is None:
            continue
        changes = parse_diff_tree(world.git.diff_tree(at, tree))
        lines = follow_file(world.settings.file_of(region), Lines(*region.lines), changes)
        if lines is not None:
            found[region.name] = lines
    return found


def lost_revision(git: Git, regions: Iterable[Region]) -> str:
    """Say which region is set by a revision that is not there; nothing where all are."""
    for region in regions:
        if region.at is not None and git.resolve(region.at) is None:
            return f"region {region.name}: there is no revision {region.at} here; name one that exists as its `at`"
    return ""


def commit_of(world: World, name: str) -> str:
    """Return the commit that `name` names; a release can be named by its number alone."""
    commit = world.git.resolve(name) or (world.git.resolve(f"refs/tags/release/{name}") if name.isdigit() else None)
    if commit is None:
        raise ReleaseError(f"there is no commit {name!r} here", hint="Name one that exists: git log --oneline --all")
    return commit


def allowed_losses(git: Git, before: str, after: str) -> frozenset[str]:
    """Return the metrics that the commits between two say may be lost, each in a trailer `Allow-Loss: METRIC`."""
    listed = git.lines("log", "--format=%(trailers:key=Allow-Loss,valueonly)", f"{before}..{after}", "--")
    return frozenset(name.strip() for line in listed for name in line.split(",") if name.strip())
