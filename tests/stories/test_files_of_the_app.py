"""What the app writes beside its script: it is told of, is not lost, and stays where the settings say so."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests.checkout import Clone, Production, make_several, until
from tests.remedies import typed
from tests.stories.test_remedies_doctor import fix_of, told

WRITES = """
import pathlib
output = pathlib.Path("output")
output.mkdir(exist_ok=True)
(output / f"{pathlib.Path.cwd().name}-{len(list(output.iterdir()))}.txt").write_text("a result")
"""


def writing(checkout: Production, code: str = WRITES) -> Production:
    """Let the app write when it starts, and bring it up."""
    checkout.replace("server.py", "import sys\n", f"import sys\n{code}\n")
    checkout.write(".gitignore", "output/\n")
    checkout.commit("It writes")
    return checkout


def set_data(production: Production, *paths: str) -> None:
    file = production.home / "host.toml"
    file.write_text(
        re.sub(r"(?m)^data = .*\n", "", file.read_text()).replace("[app]\n", f"[app]\ndata = {json.dumps(paths)}\n", 1)
    )


def slot_that_serves(production: Production) -> Path:
    backend = json.loads((production.home / "run" / "processes.json").read_text())["live"]["workers"]
    return production.home / "slots" / next(iter(backend.values()))["backend"]["slot"]


def results(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture
def losing(checkout: Production) -> Production:
    """A production whose app writes to a folder that no setting names."""
    writing(checkout)
    checkout.init()
    checkout.up()
    checkout.await_idle()
    return checkout


@pytest.fixture
def keeping(checkout: Production) -> Production:
    """A production whose app writes to a folder of data that held something before."""
    writing(checkout)
    checkout.write("output/before.txt", "from the time before gitrelease")
    checkout.init()
    checkout.up()
    checkout.await_idle()
    return checkout


@typed("release.app_files.look: gitrelease doctor")
def test_what_the_app_writes_beside_its_script_is_told_of_once_with_what_keeps_it(losing: Production) -> None:
    developer = losing.clone()
    developer.commit_term("second")
    developer.push()

    until(lambda: losing.status()["files"]["written"] == ["output/"], "it is told of")
    losing.await_idle()
    doctor = " ".join(losing.type(losing.agent_log(), "gitrelease doctor").said.split())

    assert "output/: written beside the script, not in the next release" in losing.gitrelease("status").out
    assert 'data = ["output/"]; then: gitrelease restart' in doctor
    events = map(json.loads, (losing.home / "journal.jsonl").read_text().splitlines())
    assert [one["names"] for one in events if one["event"] == "files_found"] == [["output/"]]


@typed("doctor.case.Case.restart: gitrelease restart")
def test_what_doctor_says_keeps_it_keeps_it(losing: Production) -> None:
    first = slot_that_serves(losing)
    had = results(first / "output")
    fix = fix_of(told(losing), "files", "the app writes output/")
    set_data(losing, "output/")

    assert losing.type(fix, "gitrelease restart").code == 0
    until(lambda: had <= results(losing.home / "data" / "output"), "what was there before is taken over")

    now = slot_that_serves(losing)
    assert (now / "output").is_symlink()
    assert had < results(now / "output")  # a restart has the data itself from its first moment
    assert "the app writes output" not in " ".join(losing.gitrelease("doctor").said.split())


@typed("doctor.case.Case.restart: gitrelease restart {group}")
def test_what_a_group_writes_is_kept_once_its_processes_are_new_ones(tmp_path: Path) -> None:
    several = make_several(tmp_path)
    several.write(".gitignore", "output/\n")
    several.commit("Ignore what it writes")
    several.up()
    try:
        several.await_idle()
        developer = several.clone()
        developer.commit_version("two")
        assert developer.push("origin", "HEAD:refs/heads/next").code == 0
        deployed = several.gitrelease("deploy", "next", "--to", "test")
        assert deployed.code == 0, deployed.said
        several.await_idle()
        written = several.home_of("test") / "slots" / several.backend(instance="test-1")["slot"] / "output"
        written.mkdir()
        (written / "1.txt").write_text("a result")
        fix = fix_of(told(several), "files", "the app writes output/")
        set_data(several, "output/")

        assert several.type(fix, "gitrelease restart && gitrelease restart test").code == 0

        assert "files" not in {name for name, detail in told(several) if "the app writes" in detail}
    finally:
        several.clear_away()


@typed("doctor.files.run_time_files: gitrelease init", "doctor.case.Case.restart: gitrelease restart")
def test_a_file_that_git_ignores_is_given_to_the_app(losing: Production) -> None:
    losing.write(".gitignore", "output/\n.env\n")
    losing.commit("Ignore it")
    losing.await_idle()
    losing.write(".env", "KEY=1\n")
    fix = fix_of(told(losing), "run-time files", "git ignores .env")

    assert losing.type(fix, "gitrelease init").code == 0
    assert losing.type(fix, "gitrelease restart").code == 0

    assert (slot_that_serves(losing) / ".env").read_text() == "KEY=1\n"
    assert "run-time files" not in {name for name, _ in told(losing)}


@typed("doctor.case.Case.restart: gitrelease up", "doctor.files.run_time_files: gitrelease init")
def test_a_file_that_git_ignores_is_given_to_an_app_that_is_down(checkout: Production) -> None:
    checkout.init()
    checkout.write(".gitignore", ".env\n")
    checkout.commit("Ignore it")
    checkout.write(".env", "KEY=1\n")
    fix = fix_of(told(checkout), "run-time files", "git ignores .env")

    assert checkout.type(fix, "gitrelease init").code == 0
    assert checkout.type(fix, "gitrelease up").code == 0

    assert (slot_that_serves(checkout) / ".env").read_text() == "KEY=1\n"
    assert "run-time files" not in {name for name, _ in told(checkout)}


@typed(
    "commands.prune._tell_of_leftovers: gitrelease prune --leftovers",
    "doctor.files.beside_the_script: gitrelease prune --leftovers",
)
def test_what_lies_in_a_slot_that_is_used_again_is_kept_for_a_while(losing: Production) -> None:
    first = slot_that_serves(losing)
    had = results(first / "output")

    assert losing.gitrelease("restart").code == 0
    assert losing.gitrelease("restart").code == 0
    kept = losing.home / "leftovers"
    until(lambda: any(kept.rglob("*.txt")), "it is kept")

    assert had <= {path.name for path in kept.rglob("*.txt")}
    assert "that apps wrote in slots that were used again are kept" in losing.gitrelease("status").out
    fix = fix_of(told(losing), "files", "is kept in")
    pruned = losing.gitrelease("prune").out
    assert "gitrelease prune --leftovers" in fix
    would = losing.gitrelease("prune", "--leftovers", "--dry-run")
    assert would.out.startswith("would drop 0.0 MB")
    assert any(kept.rglob("*.txt"))
    serving = slot_that_serves(losing)
    had = results(serving / "output")
    assert losing.type(pruned, "gitrelease prune --leftovers").code == 0
    assert not kept.exists()
    assert results(serving / "output") == had
    assert "are kept; drop them" not in losing.gitrelease("prune").out


def test_init_finds_the_usual_name_and_takes_what_was_there_before(keeping: Production) -> None:
    assert 'data = ["output"]' in (keeping.home / "host.toml").read_text()
    assert "before.txt" in results(slot_that_serves(keeping) / "output")


def test_data_outlives_releases_and_a_candidate_writes_to_a_copy(keeping: Production) -> None:
    before = results(keeping.home / "data" / "output")
    developer = keeping.clone()
    developer.commit_term("second")
    assert developer.push().code == 0
    keeping.await_idle()
    after = slot_that_serves(keeping)

    # What the candidate has written while it was tried is nobody's result.
    assert results(keeping.home / "data" / "output") == before
    (after / "output" / "report.csv").write_text("1\n")
    assert keeping.gitrelease("rollback").code == 0
    assert "report.csv" in results(slot_that_serves(keeping) / "output")
    assert keeping.gitrelease("down").code == 0
    assert keeping.gitrelease("recover").code == 0
    keeping.up()
    assert {"report.csv", "before.txt"} <= results(slot_that_serves(keeping) / "output")
    assert "output" not in keeping.git("ls-tree", "-r", "--name-only", "refs/gitrelease/live")


@pytest.mark.parametrize(
    ("prepare", "write"),
    [
        ('LOG = open("output/log.txt", "a")', 'print("seen", file=LOG, flush=True)'),
        (
            'LOG = __import__("pathlib").Path("output").resolve() / "log.txt"',
            'open(LOG, "a").write("seen\\n")',
        ),
    ],
    ids=["a file that stays open", "a path that was resolved"],
)
def test_what_was_opened_while_it_was_tried_is_the_data_itself_when_it_is_live(
    keeping: Production, prepare: str, write: str
) -> None:
    developer = keeping.clone()
    developer.replace("server.py", "VERSION =", f"{prepare}\nVERSION =")
    developer.replace(
        "server.py", "        self.send_response(200)", f"        {write}\n        self.send_response(200)"
    )
    developer.commit("It logs")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code == 0, pushed.said
    keeping.answer()
    log = keeping.home / "data" / "output" / "log.txt"
    until(lambda: log.exists() and "seen" in log.read_text(), "it is in the data")
    before = log.read_text().count("seen")
    keeping.answer()
    until(lambda: log.read_text().count("seen") > before, "each answer is in the data")


def test_a_process_that_is_started_again_after_a_crash_has_the_data(keeping: Production) -> None:
    pid = keeping.backend_pid()
    (keeping.home / "data" / "output" / "report.csv").write_text("1\n")

    keeping.kill(pid)
    until(lambda: keeping.backend_pid() not in (0, pid), "another process serves")

    assert "report.csv" in results(slot_that_serves(keeping) / "output")


def test_a_candidate_that_is_refused_changes_no_data(keeping: Production) -> None:
    before = {path.name: path.read_bytes() for path in (keeping.home / "data" / "output").iterdir()}
    developer = keeping.clone()
    developer.replace(
        "server.py", "import sys\n", 'import shutil, sys\nshutil.rmtree("output/.", ignore_errors=True)\n'
    )
    developer.replace("server.py", "a result", "666")
    developer.replace("server.py", "HTTPServer(", "no_such_name(")
    developer.commit("It deletes its data and does not run")

    assert developer.push().code != 0

    assert {path.name: path.read_bytes() for path in (keeping.home / "data" / "output").iterdir()} == before
    copies = [path for place in (keeping.home / "slots").glob("*.data") for path in place.iterdir()]
    assert all(path.is_symlink() for path in copies)  # those of what serves


@pytest.mark.parametrize("command", ["check", "drill"])
def test_what_is_only_tried_gets_a_copy_of_the_data(keeping: Production, command: str) -> None:
    """Started once more, the app would delete what is there, and write one more result."""
    data = keeping.home / "data" / "output"
    keeping.replace("server.py", "import sys\n", 'import shutil, sys\nshutil.rmtree("output/.", ignore_errors=True)\n')
    commit = keeping.commit("It deletes its data")
    until(lambda: keeping.state()["waiting"], "it waits")
    if command == "drill":
        assert keeping.gitrelease("deploy", commit, "--approve").code == 0
        keeping.await_idle()
    (data / "kept.csv").write_text("of a person\n")
    before = results(data)

    ended = keeping.gitrelease(command)

    assert ended.code == 0, ended.said
    assert results(data) == before


def test_a_folder_that_has_replaced_its_link_is_taken_over_when_its_slot_ends(keeping: Production) -> None:
    slot = slot_that_serves(keeping)
    old = keeping.home / "data" / "output" / "report.csv"
    old.write_text("old\n")
    os.utime(old, (time.time() - 60, time.time() - 60))
    (slot / "output").unlink()
    (slot / "output" / "by day").mkdir(parents=True)
    (slot / "output" / "report.csv").write_text("new\n")
    (slot / "output" / "by day" / "1.csv").write_text("1\n")

    assert keeping.gitrelease("restart").code == 0
    data = keeping.home / "data" / "output"
    until(lambda: (data / "by day" / "1.csv").exists() and old.read_text() == "new\n", "it is taken over")

    assert (data / "report.csv").read_text() == "new\n"
    assert "before.txt" in results(data)
    assert [path.read_text() for path in (keeping.home / "leftovers").rglob("report.csv")] == ["old\n"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('data = ["../elsewhere"]', "leads out of the checkout"),
        ('data = ["/srv/data"]', "leads out of the checkout"),
        ('data = [".git/x"]', "is git's"),
        ('data = ["."]', "is the checkout itself"),
        ('data = ["a", "a/b"]', "one of which is in the other"),
        ('data = ["a/b"]\nshared = ["a"]', "and app.shared"),
    ],
)
def test_folders_that_cannot_be_data_are_refused(keeping: Production, lines: str, said: str) -> None:
    developer = keeping.clone()
    developer.write(
        "gitrelease.toml", re.sub(r"(?m)^\[app\]\n", f"[app]\n{lines}\n", developer.read("gitrelease.toml"))
    )
    developer.commit("Data elsewhere")

    pushed = developer.push()

    assert pushed.code != 0
    assert said in pushed.words
    assert keeping.status()["live"]["release"] == "release/1"


@typed("checks.static._data: git rm -r --cached {out}")
def test_a_folder_that_git_tracks_cannot_be_data_until_it_is_taken_out_of_git(keeping: Production) -> None:
    developer = keeping.clone()
    developer.write("reports/first.csv", "1\n")
    developer.write(
        "gitrelease.toml", developer.read("gitrelease.toml").replace("[app]\n", '[app]\ndata = ["reports"]\n', 1)
    )
    developer.commit("Tracked data")

    pushed = developer.push()

    assert pushed.code != 0
    assert "app.data names reports, which git tracks" in pushed.words
    removed = developer.type(pushed.said, "git rm -r --cached reports")
    developer.git("commit", "--quiet", "-m", "Data is no file of git's")
    again = developer.push("-o", "approve", "origin", "deploy")
    assert removed.code == 0, removed.said
    assert again.code == 0, again.said
    assert developer.read("reports/first.csv") == "1\n"
    assert keeping.status()["live"]["release"] == "release/2"


def test_data_that_a_commit_names_is_linked_as_soon_as_it_is_live(losing: Production) -> None:
    developer: Clone = losing.clone()
    developer.write(
        "gitrelease.toml", developer.read("gitrelease.toml").replace("[app]\n", '[app]\ndata = ["output"]\n', 1)
    )
    developer.commit("Its output stays")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code == 0, pushed.said
    losing.await_live("release/2")
    assert (slot_that_serves(losing) / "output").is_symlink()


def test_uninstall_gives_data_and_leftovers_back(keeping: Production) -> None:
    (keeping.home / "data" / "output" / "before.txt").write_text("written since")
    (slot_that_serves(keeping) / "notes.txt").write_text("beside the script")
    assert keeping.gitrelease("down").code == 0

    ended = keeping.gitrelease("uninstall")

    assert ended.code == 0, ended.said
    assert "the app's data is in the checkout: output" in ended.words
    assert (keeping.root / "output" / "before.txt").read_text() == "written since"
    kept = keeping.root / ".git" / "gitrelease-leftovers"
    assert [path.read_text() for path in kept.rglob("notes.txt")] == ["beside the script"]
