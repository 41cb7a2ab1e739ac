"""What is said of slots, those that are held, changed, or cannot be saved: it is typed, and nothing is lost."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gitrelease.edges.backends import MARK
from gitrelease.edges.home import open_log
from gitrelease.edges.slots import NAMES
from tests.checkout import SERVER, SETTINGS, Production, make_checkout, make_several, until
from tests.remedies import typed
from tests.stories.test_disk import mounted


@contextlib.contextmanager
def left_over(production: Production) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Let something that an app has started hold every slot in which nothing runs."""
    found = []
    for name in NAMES:
        with open_log(production.home / "slots" / f"{name}.lock") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(
                subprocess.Popen(
                    ["sleep", "600"], cwd=production.home / "slots", pass_fds=[lock.fileno()],
                    env={**os.environ, MARK: str(production.home)}, start_new_session=True,
                )
            )  # fmt: skip
    try:
        yield found
    finally:
        for one in found:
            one.kill()
            one.wait()


@typed("edges.slots.Slots.take: gitrelease doctor", "edges.slots.Slots.take: gitrelease recover")
def test_slots_that_are_held_by_what_was_left_over_are_free_after_a_recover(production: Production) -> None:
    backend = production.backend_pid()
    production.gitrelease("freeze")
    commit = production.commit_term("second")
    with left_over(production) as held:
        refused = production.gitrelease("deploy", commit)

        assert "no free slot" in refused.words
        seen = production.type(refused.said, "gitrelease doctor")
        assert "processes that nobody knows hold slot" in seen.words
        recovered = production.type(refused.said, "gitrelease recover")
        assert recovered.code == 0, recovered.said
        assert [one.wait(timeout=5) for one in held] == [-15] * len(held)
    assert (production.live(), production.backend_pid()) == ("release/1", backend)
    assert production.gitrelease("deploy", commit).code == 0
    assert production.answer() == "one revenue second profit"


@typed("edges.slots.Slots.share: gitrelease restart")
def test_an_instance_whose_slot_somebody_has_changed_comes_back_in_another_one(tmp_path: Path) -> None:
    production = make_several(tmp_path)
    try:
        production.up()
        production.await_idle()
        slot = production.home / "slots" / production.backend()["slot"]
        other = production.git("commit-tree", "-m", "Another", "HEAD^{tree}")
        subprocess.run(["git", "checkout", "--quiet", "--detach", other], cwd=slot, check=True)

        production.kill(production.backend(instance="second")["identity"]["pid"])
        said = until(lambda: "does not hold" in production.agent_log() and production.agent_log(), "it is noticed")

        restarted = production.type(said, "gitrelease restart")
        assert restarted.code == 0, restarted.said
        assert production.answer(port=production.others["second"].port) == "one revenue profit"
        assert production.backend(instance="second")["slot"] != slot.name
        assert production.live() == "release/1"
    finally:
        production.clear_away()


@typed("edges.slots.Slots.remove_all: df -h {folder}", "edges.slots.Slots.remove_all: gitrelease uninstall")
def test_uninstall_on_a_full_disk_keeps_what_the_app_has_written_until_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    mounted(disk, "size=60m")
    settings = SETTINGS.replace('start = "5s"', 'start = "20s"\ndisk_mb = 1\nlog_mb = 1')
    production = make_checkout(disk, {"server.py": SERVER, "gitrelease.toml": settings, ".gitignore": "uploads/\n"})
    try:
        (production.root / "uploads").mkdir()
        (production.root / "uploads" / "old.bin").write_bytes(bytes(8 << 20))
        production.init().up()
        production.await_idle()
        slot = production.home / "slots" / production.backend()["slot"]
        (slot / "uploads").unlink()  # a link, which the app has replaced by a folder of its own
        (slot / "uploads").mkdir()
        (slot / "uploads" / "new.csv").write_text("a,b\n")
        shutil.rmtree(production.home / "data" / "uploads")
        production.gitrelease("down")
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - (4 << 20)))

        refused = production.gitrelease("uninstall")

        assert f"the disk is full: what the app has written in slot {slot.name} cannot be kept" in refused.words
        assert (slot / "uploads" / "new.csv").read_text() == "a,b\n"
        assert str(disk) in production.type(refused.said, f"df -h {slot.parent}").out
        filler.unlink()
        done = production.type(refused.said, "gitrelease uninstall")
        assert done.code == 0, done.said
        assert (production.root / "uploads" / "new.csv").read_text() == "a,b\n"
        assert (production.root / "uploads" / "old.bin").stat().st_size == 8 << 20
        assert not production.home.exists()
        assert production.git("tag", "--list", "release/*") == "release/1"
    finally:
        production.clear_away()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
