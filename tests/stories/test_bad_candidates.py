"""Bad candidates: each is refused or rolled back, with the reason; production serves what it served, nothing stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitrelease.edges import backends, process_table
from tests.checkout import SERVER, SETTINGS, Clone, Ended, Production, make_checkout, until
from tests.remedies import typed

START = 'if __name__ == "__main__":\n'


def spoil(developer: Clone, code: str, *, imports: str = "") -> None:
    """Commit a server that does something more when it starts; a revision of it so that nothing else is judged."""
    lines = "".join(f"    {line}\n" for line in code.strip().splitlines())
    developer.replace("server.py", "import sys\n", f"import sys\n{imports}")
    developer.replace("server.py", START, START + lines)
    developer.commit("Spoil it")


def approve(developer: Clone) -> Ended:
    return developer.push("-o", "approve", "origin", "deploy")


def words(pushed: Ended) -> str:
    """Return what a pusher read, as one line."""
    return pushed.words


def running(production: Production) -> set[int]:
    return {one.pid for one in process_table.marked(backends.MARK, str(production.home))}


def held(production: Production) -> set[str]:
    """Return the slots that a process holds."""
    locks = production.home.glob("slots/*.lock")
    return {lock.stem for lock in locks if any(one.pid != os.getpid() for one in process_table.with_open(lock))}


def assert_as_before(production: Production, before: set[int], slots: set[str]) -> None:
    until(lambda: production.state()["lock"] is None, "the turn is free")
    until(lambda: running(production) <= before, "nothing of it runs")
    until(lambda: held(production) <= slots, "its slot is free")
    assert production.live() == "release/1"
    assert production.answer() == "one revenue profit"


def refused(production: Production, developer: Clone, reason: str) -> Ended:
    """Push, and see that it is refused with `reason`, and that production is as it was before."""
    before, slots = running(production), held(production)
    files = production.git("rev-parse", "deploy")

    pushed = approve(developer)

    assert pushed.code != 0
    assert reason in words(pushed), pushed.said
    assert "production untouched, production serves release/1" in words(pushed)
    assert production.git("rev-parse", "deploy") == files
    assert_as_before(production, before, slots)
    return pushed


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Production:
    """One production for what is refused: each candidate must leave it as it was."""
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        production = make_checkout(
            tmp_path_factory.mktemp("bad"),
            {
                "server.py": SERVER,
                "gitrelease.toml": SETTINGS.replace(
                    "[limits]\n", "[limits]\nmemory_most_mb = 150\nprocesses_most = 8\n"
                ).replace('start = "5s"', 'start = "3s"'),
                "data/table.csv": "a,b\n",
            },
        )
        production.init().up()
        production.await_idle()
    yield production  # type: ignore[misc]
    production.clear_away()


@pytest.fixture
def developer(shared: Production, tmp_path: Path) -> Clone:
    subprocess.run(["git", "clone", "--quiet", str(shared.root), str(tmp_path / "clone")], check=True)
    return Clone(tmp_path / "clone")


# It forks until it is stopped, 40 children at most; each leaves its group and its session, as a daemon does.
DAEMONS = """
import os, time
for _ in range(40):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
"""
CHILDREN = """
import subprocess
children = [subprocess.Popen(["sleep", "600"]) for _ in range(40)]
"""
HOG = """
import threading
hoard = []
def grow():
    for _ in range(30):
        hoard.append(bytearray(os.urandom(1) * (10 << 20)))
        threading.Event().wait(0.02)
grow()
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('no licence')", "no licence"),
        ("import no_such_module", "no_such_module"),
        ("import time; time.sleep(20)", "nobody listens on its port"),
        (f"import os{HOG}", "MB, 150 MB are the most (limits.memory_most_mb is 150, set in gitrelease.toml of "),
        (DAEMONS, "processes run, 8 are the most (limits.processes_most is 8, set in gitrelease.toml of "),
        (CHILDREN, "processes run, 8 are the most (limits.processes_most is 8, set in gitrelease.toml of "),
        (
            "from gitrelease.edges.backends import free_port\nsys.argv[1] = str(free_port())",
            "nobody listens on its port",
        ),
        ("import os; os.unlink('data/table.csv')", "data/table.csv was changed or deleted in the slot"),
        ("open('server.py', 'a').write('# more')", "server.py was changed or deleted in the slot"),
        ("open('new.py', 'w').write('x = 1')", "new.py was written into the slot"),
    ],
    ids=[
        "raises", "import error", "sleeps", "memory", "daemons", "children", "another port", "deletes a file",
        "changes its script", "writes a file",
    ],
)  # fmt: skip
def test_a_bad_start_is_refused(shared: Production, developer: Clone, code: str, reason: str) -> None:
    spoil(developer, code)

    refused(shared, developer, reason)


def test_a_syntax_error_is_refused(shared: Production, developer: Clone) -> None:
    developer.replace("server.py", "TERMS = [", "def broken(:\nTERMS = [")
    developer.commit("Break it")

    refused(shared, developer, "SyntaxError")


def test_a_daemon_of_a_refused_candidate_keeps_no_slot(shared: Production, developer: Clone) -> None:
    """It has left group, session and parent, and shed its environment: the lock of the slot gives it away."""
    daemon = "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        "
    spoil(
        developer, f"{daemon}os.execve('/bin/sleep', ['sleep', '600'], {{}})\n    os._exit(0)\nos.unlink('server.py')"
    )

    refused(shared, developer, "server.py was changed or deleted")


def test_files_of_the_slot_that_users_get_are_put_back(shared: Production, developer: Clone) -> None:
    live = shared.home / "slots" / shared.backend("live")["slot"] / "server.py"
    spoil(developer, f"open({str(live)!r}, 'w').write('broken')")

    refused(shared, developer, "it changed what is not its own: server.py of slot")

    assert live.read_text() == SERVER


def test_an_edit_by_a_candidate_is_released_by_nobody(shared: Production, developer: Clone) -> None:
    script = shared.root / "server.py"
    spoil(developer, f"text = open({str(script)!r}).read()\n"
          f"open({str(script)!r}, 'w').write(text.replace('\"revenue\",', '\"revenue\", \"forged\",'))")  # fmt: skip

    pushed = refused(shared, developer, "it changed what is not its own: server.py of the checkout")

    assert shared.read("server.py") == SERVER
    backup = words(pushed).split("is kept as ")[1].split()[0].rstrip(";")
    assert "forged" in shared.git("show", f"{backup}:server.py")
    shared.await_idle()
    assert shared.live() == "release/1"


@pytest.mark.parametrize("name", ["gitrelease/host.toml", "gitrelease/installed.json", "hooks/update"])
def test_settings_and_hooks_that_a_candidate_writes_are_named(shared: Production, developer: Clone, name: str) -> None:
    path = shared.root / ".git" / name
    kept = path.read_bytes()
    spoil(developer, f"open({str(path)!r}, 'a').write('\\n')")

    try:
        refused(shared, developer, f"it changed what is not its own: {name}; look at what lies in .git now")
    finally:
        path.write_bytes(kept)


@pytest.mark.parametrize("name", ["server.py", "schema.json", "gitrelease.toml"])
def test_a_link_in_the_place_of_a_file_is_refused(shared: Production, developer: Clone, name: str) -> None:
    path = developer.root / name
    path.unlink(missing_ok=True)
    path.symlink_to("/etc/hostname")
    developer.commit("Link it")

    refused(shared, developer, f"{name} is a symbolic link: commit the file itself")


def test_a_submodule_in_the_place_of_the_script_is_refused(shared: Production, developer: Clone) -> None:
    head = developer.git("rev-parse", "HEAD")
    (developer.root / "server.py").unlink()
    developer.git("update-index", "--cacheinfo", f"160000,{head},server.py")
    developer.git("commit", "--quiet", "-m", "A submodule")

    refused(shared, developer, "server.py is a submodule: commit the file itself")


@typed("core.links.no_file: git add --renormalize .gitattributes {path} && git commit")
def test_a_pointer_of_git_lfs_is_refused_and_the_file_itself_is_not(
    shared: Production, developer: Clone, tmp_path: Path
) -> None:
    """A filter keeps the file elsewhere, as Git LFS does."""
    file, pointer = tmp_path / "large", tmp_path / "pointer"
    pointer.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n")
    developer.git("config", "filter.lfs.clean", f"cat > {file}; cat {pointer}")
    developer.git("config", "filter.lfs.smudge", f"cat {file}")
    developer.write(".gitattributes", "*.txt text\nserver.py filter=lfs\n")
    developer.replace("server.py", '"revenue",', '"revenue",\n    "tracked",')
    developer.commit("Track it with LFS")

    pushed = refused(shared, developer, "server.py is a Git LFS pointer, not the file: ")
    developer.replace(".gitattributes", "server.py filter=lfs\n", "")
    committed = developer.type(pushed.said, "git add --renormalize .gitattributes server.py && git commit")

    assert committed.code == 0, committed.said
    assert '"tracked"' in developer.git("show", "HEAD:server.py")
    assert developer.git("status", "--porcelain") == ""
    checked = developer.push("origin", "HEAD:tracked")
    assert checked.code == 0, checked.said
    assert shared.gitrelease("check", "tracked").code == 0


def test_links_out_of_the_release_and_submodules_are_warned_of(shared: Production, developer: Clone) -> None:
    (developer.root / "data" / "far").symlink_to("/srv/far")
    (developer.root / "data" / "out").symlink_to("../../elsewhere")
    (developer.root / "data" / "near").symlink_to("../server.py")
    developer.git("add", "--all")
    developer.git("update-index", "--add", "--cacheinfo", f"160000,{developer.git('rev-parse', 'HEAD')},lib")
    developer.git("commit", "--quiet", "-m", "Links")
    developer.git("push", "origin", "HEAD:links")

    checks = shared.gitrelease("check", "links", "--json").json["checks"]

    told = next(check for check in checks if check["name"] == "links")
    assert told["status"] == "warned"
    assert "data/far leads out of the release, to /srv/far" in told["detail"]
    assert "data/out leads out" in told["detail"]
    assert "near" not in told["detail"]
    assert "lib is a submodule, and empty" in told["detail"]


# -- what goes live first ----------------------------------------------------------------------------------------------


@pytest.fixture
def soaking(checkout: Production) -> Production:
    checkout.replace("gitrelease.toml", "[limits]\n", "[limits]\nmemory_most_mb = 150\nprocesses_most = 8\n")
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "30s"')
    checkout.commit("Limits")
    checkout.init().up()
    return checkout


AFTERWARDS = """
import threading
def later():
    import os, threading
    while not os.path.exists({signal!r}):
        threading.Event().wait(0.02)
{code}
threading.Thread(target=later, daemon=True).start()
"""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (HOG, "MB, 150 MB are the most (limits.memory_most_mb is 150, set in gitrelease.toml of "),
        (DAEMONS, "processes run, 8 are the most (limits.processes_most is 8, set in gitrelease.toml of "),
    ],
    ids=["memory", "daemons"],
)
def test_what_grows_in_its_soak_is_rolled_back(soaking: Production, tmp_path: Path, code: str, reason: str) -> None:
    developer, signal = soaking.clone(), tmp_path / "now"
    before, slots = running(soaking), held(soaking)
    inner = "".join(f"    {line}\n" for line in code.strip().splitlines())
    spoil(developer, AFTERWARDS.format(signal=str(signal), code=inner))
    developer.replace("server.py", 'VERSION = "one"', 'VERSION = "two"')
    developer.commit("Version two")
    assert approve(developer).code == 0
    assert soaking.answer().startswith("two")

    signal.touch()

    until(lambda: soaking.live() == "release/1", "release/1 is back")
    assert_as_before(soaking, before, slots)
    assert reason in soaking.status()["quarantined"][0]["reason"]


# -- odd, and well -----------------------------------------------------------------------------------------------------


def test_odd_file_names_are_released_and_shown_neutralised(production: Production) -> None:
    developer = production.clone()
    names = [b"quo\"te's.txt", b"new\nline.txt", b"caf\xe9.txt", b"esc\x1b[31m.txt", b"-rf", b"$(id)"]
    for name in names:
        (developer.root / os.fsdecode(name)).write_text("x")
    developer.commit("Odd names")

    pushed = approve(developer)

    assert pushed.code == 0, pushed.said
    assert "\x1b" not in pushed.said
    assert "line.txt" not in [line.removeprefix("remote: ").strip() for line in pushed.said.splitlines()]
    assert {os.fsencode(path.name) for path in production.root.iterdir()} >= set(names)
    assert production.gitrelease("show", "release/2").code == 0
    assert production.status()["checkout"]["dirty"] == []


@pytest.mark.long
def test_a_file_of_several_hundred_megabytes_is_not_read_by_the_agent(production: Production) -> None:
    developer = production.clone()
    with (developer.root / "model.bin").open("wb") as file:
        file.truncate(300 << 20)
    developer.commit("A model")
    status = Path(f"/proc/{production.agent_pid()}/status")

    def peak() -> int:
        return int(status.read_text().split("VmHWM:")[1].split()[0]) >> 10

    before = peak()
    pushed = approve(developer)

    assert pushed.code == 0, pushed.said
    assert peak() - before < 60
    assert (production.root / "model.bin").stat().st_size == 300 << 20


def test_an_edit_that_is_taken_back_while_it_is_judged_stays_taken_back(checkout: Production) -> None:
    """Whoever edits is not done yet: nothing is put back over it, and nobody is accused."""
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "60s"')
    checkout.commit("Patience")
    checkout.init().up()
    checkout.await_idle()
    go, text = checkout.root.parent / "go", checkout.read("server.py")
    wait = f"import os\n\nwhile not os.path.exists('{go}'):\n    pass\n"
    checkout.write("server.py", text.replace("import sys\n", f"import sys\n{wait}"))
    until(
        lambda: (checkout.state()["lock"] or {}).get("doing") == "looking at the inbox" and starts(checkout), "judged"
    )

    checkout.git("checkout", "--", "server.py")
    go.touch()

    until(lambda: not checkout.busy(), "it has been judged")
    assert checkout.read("server.py") == text
    assert checkout.git("tag", "--list", "backup/*") == ""
    assert "not its own" not in checkout.agent_log()


def starts(production: Production) -> bool:
    """Is something started beside what users get?"""
    return len(process_table.marked(backends.MARK, str(production.home))) > 2


@typed("checks.ignored_files.what_no_slot_gets: gitrelease init")
def test_a_secret_that_came_after_init_is_named_with_what_gives_it_to_slots(production: Production) -> None:
    (production.root / ".git" / "info" / "exclude").write_text("secret.env\n")
    production.write("secret.env", "KEY=1\n")
    developer = production.clone()
    developer.replace("server.py", "import sys\n", 'import sys\n\nopen("secret.env").close()\n')
    developer.commit("It needs its secret")

    refused = developer.push("-o", "approve", "origin", "deploy")

    told = refused.words
    assert refused.code != 0
    assert "secret.env: in the checkout, and no slot gets it. On the host: gitrelease init." in told
    assert "slots/" not in told
    assert production.type(refused.said, "gitrelease init").code == 0
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    (production.root / "secret.env").unlink()
    doctor = production.gitrelease("doctor")
    assert doctor.code != 0
    assert "secret.env is in app.shared and is not there" in doctor.words
