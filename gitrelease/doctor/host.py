"""Does this host have what a release needs: git, room on the disk, memory, a clock?"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gitrelease.core import refs
from gitrelease.core.text import ago, counted, quoted
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, problem, warning, well
from gitrelease.edges import host, housekeeping, process_table
from gitrelease.release import room

_OLDEST = (2, 30)  # before, `git rev-parse` knows no --end-of-options
_DURABLE = (2, 36)  # before, there is no core.fsync
_MB = 1 << 20
_SKEW = 60.0  # seconds by which a committer's clock may be ahead of ours


def git_program(_: Case) -> Iterator[Diagnosis]:
    """Is there a git, and is it new enough?"""
    version = host.git_version()
    if version is None:
        yield problem("git", "there is no git on PATH that runs", fix="install git")
        return
    shown = ".".join(map(str, version))
    if version < _OLDEST:
        yield problem("git", f"version {shown} is too old, 2.30 is the oldest that will do", fix="install a newer git")
    elif version < _DURABLE:
        detail = f"version {shown} does not write refs through to the disk: a power cut may lose some"
        yield warning("git", detail, fix="install git 2.36 or newer")
    else:
        yield well("git", shown)


def disk(case: Case) -> Iterator[Diagnosis]:
    """Can the file systems be written, and do they execute hooks?"""
    place = next(path for path in (case.home.root, case.directory, case.root) if path.is_dir())
    if host.is_read_only(place):
        yield problem("disk", f"the file system of {place} is read-only", fix="dmesg; mount -o remount,rw")
        return
    if host.runs_no_programs(place):
        detail = f"the file system of {place} executes nothing (noexec): no hook runs there"
        yield problem("disk", detail, fix="mount -o remount,exec, or move the checkout")
    scratch = Path(tempfile.gettempdir())
    if housekeeping.is_full(scratch):
        yield problem("disk", f"{scratch}, for temporary files, is full", fix=f"make room ({_looks(scratch)})")
    if housekeeping.is_full(place):
        yield problem("disk", f"the disk is full: {place}", fix=_room(place))
        return
    yield well("disk", f"{housekeeping.room_at(place).free // _MB} MB free")


def _looks(place: Path) -> str:
    return f"df -h {quoted(place)}; df -i {quoted(place)}"


def _room(place: Path) -> str:
    return f"make room ({_looks(place)}); drop old releases: gitrelease prune --keep N"


def slot(case: Case) -> Iterator[Diagnosis]:
    """Is there room on the disk for a slot with what would be released next?"""
    head = case.git.resolve("HEAD") or ""
    short = room.on_disk(case.world, head)
    if short:
        yield problem("room", short, fix=_room(case.home.root))
    else:
        yield well("room", f"a slot for {case.branch} fits")


def memory(case: Case) -> Iterator[Diagnosis]:
    """Is there memory for the processes of one more release?"""
    short = room.in_memory(case.production())
    if short:
        yield problem("memory", short, fix="free -m; end what uses it, or set limits.memory_mb")
    else:
        yield well("memory", f"{process_table.available_mb():.0f} MB available")


def clock(case: Case) -> Iterator[Diagnosis]:
    """Is the clock behind what was committed and released here? Then times in the history make no sense."""
    git = case.git
    names = [name for name in ("HEAD", refs.LIVE) if git.resolve(name)]
    dates = [int(git.text("show", "-s", "--format=%ct", f"{name}^{{commit}}")) for name in names]
    behind = max(dates, default=0) - time.time()
    if behind > _SKEW:
        detail = f"the clock is {ago(behind)} behind the newest commit"
        yield warning("clock", detail, fix="date; timedatectl set-ntp true")
        return
    kept = "kept right by this host" if host.clock_is_kept() else "nothing on this host says that it keeps it right"
    yield well("clock", f"{time.strftime('%Y-%m-%d %H:%M:%S %Z')}, {kept}")


def rights(case: Case) -> Iterator[Diagnosis]:
    """Can everything in `.git` be written that a release writes? A `sudo git` leaves files behind that cannot."""
    foreign = host.foreign_files(case.directory, most=20_000)
    mine = f"sudo chown -R {os.getuid()}:{os.getgid()} {quoted(case.directory)}"
    if foreign:
        first = foreign[0].relative_to(case.root)
        yield problem(
            "rights",
            f"{counted(len(foreign), 'file')} cannot be written by their owner's git, such as {first}",
            fix=mine,
        )
    elif shut := list(_shut(case)):
        names = " ".join(map(quoted, shut))
        shown = ", ".join(str(place.relative_to(case.root)) for place in shut)
        yield problem("rights", f"their owner cannot write {shown}", fix=f"chmod -R u+rwX {names}")
    elif not os.access(case.root, os.W_OK):
        yield problem("rights", f"{case.root} cannot be written", fix=f"sudo chown {os.getuid()} {quoted(case.root)}")
    else:
        yield well("rights", "everything in .git can be written")


def _shut(case: Case) -> Iterator[Path]:
    """Yield what a release writes in `.git`, git's side of it and ours, and its owner may not."""
    yield from (path for name in ("refs", "objects") if not host.can_write_below(path := case.directory / name))
    for home in case.home.every():
        ours = (home.root, home.run, home.logs, home.slots, home.journal)
        yield from (path for path in ours if not host.can_write(path))
