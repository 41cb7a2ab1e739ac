"""Which story do the commands tell, and what does each print on the way?

One production from before its `init` to after its `uninstall`; what is read is read where it says something.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from gitrelease.commands.application import VERBS
from gitrelease.commands.demo import table
from gitrelease.demo.guide import Procedure
from gitrelease.demo.load import Seen
from gitrelease.demo.story import Story, Told
from gitrelease.edges.backends import free_port
from gitrelease.edges.home import user_name
from tests import forked, receivers
from tests.checkout import (
    PATIENCE,
    SERVER,
    SETTINGS,
    Clone,
    Ended,
    Place,
    Production,
    make_checkout,
    reserved_port,
    until,
)
from tests.snapshot import Places, block, stable

SURROUNDINGS = {"COLUMNS": "80", "LINES": "24", "TZ": "UTC", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "SUDO_USER": ""}
TALKING = SERVER.replace(
    'if __name__ == "__main__":\n', 'if __name__ == "__main__":\n    print(f"version {VERSION} is up", flush=True)\n'
)


class Book:
    """What was printed, by the name of the snapshot: a verb, or what else people type."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._blocks: dict[str, list[str]] = {}

    def take(self, production: Production, title: str, *words: str) -> Ended:
        """Run `gitrelease` with `words` for a checkout, and keep what it prints as the verb's."""
        ended = production.gitrelease(*words)
        self.write(words[0], title, f"gitrelease {shlex.join(words)}", ended)
        return ended

    def both(self, production: Production, title: str, *words: str) -> None:
        """Take a command that changes nothing, for people and as JSON."""
        self.take(production, title, *words)
        self.take(production, title, *words, "--json")

    def bare(self, name: str, title: str, *words: str) -> None:
        """Take a command that needs no checkout."""
        ended = Ended(forked.run(words, cwd=Path.home(), timeout=PATIENCE))
        self.write(name, title, shlex.join(["gitrelease", *words]), ended)

    def push(self, clone: Clone, title: str, *options: str) -> None:
        """Push to the deploy branch, and keep what the pusher sees."""
        words = (*options, "origin", "deploy")
        self.write("push", title, f"git push {shlex.join(words)}", clone.push(*words))

    def write(self, name: str, title: str, typed: str, ended: Ended) -> None:
        self._blocks.setdefault(name, []).append(stable(block(title, typed, ended), self._places))

    def texts(self) -> dict[str, str]:
        return {name: "\n".join(blocks) for name, blocks in self._blocks.items()}


# -- the story -------------------------------------------------------------------------------------------------------


def tell(folder: Path) -> dict[str, str]:
    """Tell the whole story in `folder` and return what was printed, as the snapshots have it."""
    production = make_checkout(folder, {"server.py": TALKING, "gitrelease.toml": SETTINGS, "README.md": "The app\n"})
    production.port = reserved_port()
    production.others = {"test-1": Place(reserved_port(), group="test")}
    places = (
        (os.environ["HOME"], "/home/olivia"),
        (str(folder), "/srv"),
        (sys.executable, "/srv/app/.venv/bin/python"),
        (user_name(os.getuid()), "olivia"),
        (str(production.port), "50001"),
        (str(production.others["test-1"].port), "50002"),
    )
    book = Book(places)
    try:
        for chapter in CHAPTERS:
            chapter(book, production)
    except BaseException:
        print(production.agent_log()[-3000:], production.gitrelease("status").said, file=sys.stderr)
        raise
    finally:
        production.clear_away()
    return book.texts()


@contextlib.contextmanager
def unseen(production: Production) -> Iterator[None]:
    """Hold the agent still for a commit in the checkout.

    Where the host is slow it sees the file before the commit, takes it for an edit that waits, and keeps that.
    """
    agent = production.agent_pid()
    os.kill(agent, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(agent, signal.SIGCONT)


def _helps(book: Book, production: Production) -> None:
    """What there is to type."""
    book.bare("gitrelease", "the whole", "--help")
    book.bare("gitrelease", "no verb")
    book.bare("gitrelease", "no such verb", "teleport")
    book.bare("gitrelease", "which one it is", "--version")
    for verb in VERBS:
        book.bare(verb, "its help", verb, "--help")
    book.bare("completion", "of a shell", "completion", "bash")
    book.bare("completion", "of no shell that is known", "completion", "csh")
    book.bare("rollback", "no such option", "rollback", "--until", "monday")
    book.bare("rollback", "no such option", "rollback", "--until", "monday", "--json")
    book.bare("show", "no release is named", "show")


def _nowhere(book: Book, production: Production) -> None:
    """No repository, and one that is not set up."""
    bare = Production(production.root.parent / "empty", 0)
    bare.root.mkdir()
    for verb in ("init", "status", "doctor", "recover"):
        book.take(bare, "not a repository", verb)
    for verb in ("status", "doctor"):
        book.take(bare, "not a repository", verb, "--json")
    for verb in ("up", "status", "history", "deploy", "uninstall"):
        book.take(production, "a repository that is not set up", verb)


def _set_up(book: Book, production: Production) -> None:
    """It is set up, and nothing is released yet."""
    port = str(production.port)
    book.take(production, "no such script", "init", "--script", "app.py", "--python", sys.executable)
    book.take(production, "the first time", "init", "--port", port, "--python", sys.executable)
    book.take(production, "once more", "init", "--json")
    for words in ("status", "history", "diff", "plan"):
        book.both(production, "nothing is released yet", words)
    for words in (
        "check", "doctor", "regions", "monitor", "logs", "deploy", "rollback", "restart", "drill", "blame revenue",
        "ack", "prune", "show release/1", "pin release/1", "snapshot", "unfreeze", "down", "notify test",
    ):  # fmt: skip
        book.take(production, "nothing is released yet", *words.split())
    developer = production.clone()
    developer.write("README.md", "The app, released\n")
    developer.commit("Say more")
    book.push(developer, "nothing is released yet")


def _first(book: Book, production: Production) -> None:
    """The first release, and a production that is as it should be."""
    book.take(production, "the first time", "up")
    production.await_idle()
    book.take(production, "it is up", "up")
    book.take(production, "it is up", "up", "--json")
    book.both(production, "all is well", "status")
    book.both(production, "one release", "history")
    book.take(production, "one release", "rollback")
    book.take(production, "one release", "drill")
    book.take(production, "all is well", "doctor")
    book.both(production, "all is well", "regions")
    book.take(production, "nothing has changed", "diff")
    book.take(production, "nothing has changed", "plan")
    book.take(production, "nothing has changed", "deploy")


def _pushes(book: Book, production: Production) -> None:
    """Pushes that go live, and such that do not."""
    developer = production.clone("pusher")
    developer.commit_term("margin")
    developer.push("origin", "HEAD:refs/heads/next")
    for words in ("diff release/1 next", "plan next", "check next"):
        book.both(production, "a dictionary change", *words.split())
    book.take(production, "a dictionary change", "deploy", "next", "--dry-run")
    book.push(developer, "a dictionary change")
    production.await_idle()
    developer.commit_version("two")
    developer.push("origin", "HEAD:refs/heads/next")
    for verb in ("diff release/2 next", "plan next"):
        book.take(production, "a major change", *verb.split())
    book.push(developer, "a major change that nobody has approved")
    book.push(developer, "a major change, approved", "-o", "approve")
    production.await_idle()
    developer.write("README.md", "The app, again\n")
    developer.commit("Say it again")
    book.push(developer, "nothing that runs has changed")
    developer.replace("server.py", "import sys\n", "import sys\n\nsys.exit(3)\n")
    developer.commit("Broken")
    developer.push("origin", "HEAD:refs/heads/next")
    book.take(production, "a candidate that ends at its start", "check", "next")
    book.push(developer, "a candidate that ends at its start", "-o", "approve")
    developer.git("reset", "--quiet", "--hard", "HEAD^^")
    book.push(developer, "a forced push", "--force")


def _deploys(book: Book, production: Production) -> None:
    """A person releases, goes back, restarts."""
    book.take(production, "no such commit", "deploy", "nonsense")
    book.take(production, "a candidate that ends at its start", "deploy", "next", "--approve")
    book.take(production, "a candidate that ends at its start", "deploy", "next", "--json")
    book.take(production, "what would happen", "rollback", "--dry-run")
    book.take(production, "to the release before", "rollback", "-m", "the numbers of Q3 are wrong")
    production.await_idle()
    book.both(production, "after a rollback", "status")
    book.take(production, "after a rollback", "plan", "release/3")
    book.take(production, "no such release", "rollback", "release/9")
    book.take(
        production,
        "what was rolled back",
        "deploy",
        "release/3",
        "--approve",
        "--json",
    )
    production.await_idle()
    book.take(production, "only a part: what would happen", "rollback", "--only", "dictionary", "--dry-run")
    book.take(production, "only a part", "rollback", "--only", "dictionary")
    production.await_idle()
    book.take(production, "only a part, of no kind that there is", "rollback", "--only", "words")
    book.take(production, "to the live one", "rollback", "release/4")
    book.take(production, "the live release", "restart")
    production.await_idle()
    book.take(production, "one instance", "restart", "primary", "--json")
    production.await_idle()
    book.take(production, "no such instance", "restart", "second")
    book.both(production, "rehearsed", "drill")


def _looks(book: Book, production: Production) -> None:
    """What can be read about all that."""
    book.both(production, "after pushes, a refusal, rollbacks", "history")
    book.take(production, "the newest", "history", "-n", "1")
    book.take(production, "as a sheet", "history", "--format", "csv")
    book.take(production, "as a page", "history", "--format", "md")
    book.take(production, "two forms at once", "history", "--format", "csv", "--json")
    book.both(production, "a release that was rolled back", "show", "release/3")
    book.take(production, "its deployment log", "show", "release/3", "--log")
    book.take(production, "its deployment log as a page", "show", "release/3", "--log", "--format", "md")
    book.take(production, "no such release", "show", "release/9")
    book.both(production, "a term that came and went", "blame", "margin")
    book.take(production, "a term that was never there", "blame", "nonsense")
    book.take(production, "the app is no pipeline", "bisect", "Revenue: 5")
    book.both(production, "the live release", "logs")
    book.take(production, "its errors", "logs", "--errors")
    book.take(production, "no such release", "logs", "--release", "9")
    book.take(production, "a second", "monitor", "--for", "1s", "--every", "1s")
    book.take(production, "a second", "monitor", "--for", "1s", "--every", "1s", "--json")
    book.take(production, "no length of time", "monitor", "--for", "soon")
    book.take(production, "no such instance", "monitor", "second", "--for", "1s")
    book.take(production, "releases that were never sampled", "monitor", "--compare", "release/98", "release/99")


def _keeps(book: Book, production: Production) -> None:
    """Edits, backups, pins, freezes."""
    book.take(production, "kept", "pin", "release/1")
    book.take(production, "kept", "pin", "release/2", "--json")
    book.take(production, "no such release", "pin", "release/9")
    book.take(production, "no longer kept", "unpin", "release/1")
    book.take(production, "it was not pinned", "unpin", "release/1")
    book.take(production, "no longer kept", "unpin", "release/2", "--json")
    book.take(production, "what would go", "prune", "--keep", "1", "--dry-run")
    book.take(production, "frozen", "freeze", "-m", "quarter end")
    developer = production.clone("frozen")
    developer.commit_term("patience")
    book.push(developer, "frozen")
    with unseen(production):
        production.commit_term("later")
    until(lambda: [one["trigger"] for one in production.state()["waiting"]] == ["branch"], "the commit waits")
    production.await_idle()
    book.both(production, "frozen, and a commit waits for the end of it", "status")
    book.take(production, "frozen, and a commit waits for the end of it", "doctor")
    book.take(production, "it goes on", "unfreeze")
    production.await_live("release/5")
    production.await_idle()
    book.take(production, "it was not frozen", "unfreeze", "--json")
    book.take(production, "frozen for a while", "freeze", "--until", "2h", "--json")
    book.take(production, "no time", "freeze", "--until", "soon")
    production.gitrelease("unfreeze")
    with unseen(production):
        production.commit_version("three")
    until(lambda: production.state()["waiting"] and not production.busy(), "the commit waits")
    book.both(production, "a major commit waits for approval", "status")
    book.take(production, "what waits", "deploy", "--approve", "-m", "the board wants it")
    production.await_idle()
    production.replace("server.py", "import http.server\n", "import http.server(\n")
    until(lambda: production.state()["refused_edits"] and not production.busy(), "the edit is refused")
    book.take(production, "an edit on disk is refused", "status")
    book.both(production, "an edit on disk", "diff", "--worktree")
    book.take(production, "an edit on disk", "doctor")
    pushed = production.clone("late")
    pushed.commit_term("late")
    book.push(pushed, "a file was edited on the host")
    book.take(production, "an edit on disk", "snapshot", "-m", "before the audit")
    book.take(production, "an edit on disk", "snapshot", "--json")
    production.git("checkout", "--quiet", "--", "server.py")
    backup = production.git("tag", "-l", "backup/*").splitlines()[0]
    book.take(production, "nothing to keep", "snapshot")
    book.take(production, "no such backup", "restore", "backup/nonsense")
    book.take(production, "a backup", "restore", backup)
    until(lambda: production.state()["refused_edits"], "the edit is refused")
    production.git("checkout", "--quiet", "--", "server.py")
    until(lambda: not production.state()["refused_edits"], "the edit is gone")


def _failed(book: Book, production: Production) -> None:
    """What is live dies while it soaks."""
    with (production.home / "host.toml").open("a") as settings:
        settings.write('\n[policy.major]\nsoak = "60s"\n')
    production.gitrelease("down")
    production.gitrelease("up")
    with unseen(production):
        production.commit_version("four")
    until(lambda: production.state()["waiting"] and not production.state()["lock"], "the commit waits")
    approved = production.gitrelease("deploy", "--approve")
    assert approved.code == 0, approved.said
    book.take(production, "it soaks", "status")
    production.kill(production.backend_pid())
    until(lambda: production.live() == "release/6" and not production.state()["lock"], "it goes back")
    book.both(production, "it went back by itself", "status")


def _called(book: Book, production: Production) -> None:
    """Another production: its only release dies while it soaks, and there is nothing to go back to."""
    folder = production.root.parent / "lonely"
    folder.mkdir()
    settings = SETTINGS.replace('[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    lonely = make_checkout(folder, {"server.py": SERVER, "gitrelease.toml": settings})
    lonely.port = production.others["test-1"].port
    try:
        lonely.init().up()
        lonely.kill(lonely.backend_pid())
        until(lambda: (now := lonely.state())["person_needed"] and not now["lock"], "a person is needed")
        until(lambda: lonely.state()["instances"][0]["restarts"] == 1, "it is started again")
        until(lambda: lonely.state()["instances"][0]["health"] == "healthy", "it answers again")
        book.take(lonely, "a person is needed", "status")
        book.take(lonely, "a person is needed", "doctor")
        book.take(lonely, "a person is needed", "ack", "-m", "on my way")
        book.both(lonely, "it is acknowledged already", "ack")
        book.both(lonely, "a person is needed and comes", "status")
        book.take(lonely, "a person was needed", "recover")
        book.take(lonely, "a person was needed", "history")
        book.take(lonely, "all is well", "recover", "--json")
    finally:
        lonely.clear_away()


def _told(book: Book, production: Production) -> None:
    """Who is told of what happens."""
    settings = production.home / "host.toml"
    kept = settings.read_text()
    with receivers.hook() as well, receivers.hook(status=500) as broken:
        for title, hooks in (("all are reached", [well]), ("one is not reached", [well, broken])):
            urls = ", ".join(f'"{hook.url}"' for hook in hooks)
            settings.write_text(f"[notify]\nurls = [{urls}]\n\n{kept}")
            book.both(production, title, "notify", "test")
    settings.write_text(kept)


def _shown(book: Book, production: Production) -> None:
    """The page, and the end of the demo, which takes too long to be told here."""
    command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "dashboard", "--no-browser", "--port"]
    with subprocess.Popen(
        [*command, str(free_port())], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    ) as page:  # fmt: skip
        assert page.stdout is not None
        lines = page.stdout.readline() + page.stdout.readline()
        os.kill(page.pid, signal.SIGTERM)
        page.wait(PATIENCE)
    ended = Ended(subprocess.CompletedProcess(command, 0, lines, ""))
    book.write("dashboard", "it is there", "gitrelease dashboard --no-browser", ended)
    story = Story(production.root, print)
    story.told += [
        Told("production comes up", "release/1 is live", 3.2, Seen(0, 0, 0.0)),
        Told("push: two dictionary terms", "release/2 is live", 2.1, Seen(105, 0, 0.03)),
        Told("push: a broken pattern", "refused", 1.4, Seen(70, 0, 0.02)),
    ]
    guide = Procedure(seconds=12.0, seen=Seen(880, 118, 2.45), said_responding=True)
    ended = Ended(subprocess.CompletedProcess(command, 0, "\n".join(table(story, guide)), ""))
    book.write("demo", "its last lines, of a day made up", "gitrelease demo", ended)


def _hosts(book: Book, production: Production) -> None:
    """What starts production with the host, and the page."""
    book.take(production, "a unit of the user", "service")
    book.take(production, "a unit of the user, again", "service", "--json")
    book.take(production, "a crontab", "service", "--cron")
    book.take(production, "supervisord", "service", "--supervisor")
    book.take(production, "two at once", "service", "--cron", "--system")
    book.take(production, "a taken port", "dashboard", "--port", str(production.port), "--no-browser")
    book.take(production, "no address", "dashboard", "--address", "here", "--no-browser")


def _grouped(book: Book, production: Production) -> None:
    """A group of instances beside production."""
    production.gitrelease("down")
    production.set_instances()
    production.gitrelease("up")
    production.await_idle()
    book.both(production, "a group that serves nothing yet", "status")
    book.take(production, "a group that serves nothing yet", "history", "--in", "test")
    book.take(production, "to a group", "deploy", "next", "--to", "test")
    developer = production.clone("grouped")
    developer.commit_version("five")
    developer.push("origin", "HEAD:refs/heads/next", "--force")
    book.take(production, "to a group", "deploy", "next", "--to", "test")
    production.await_idle()
    book.both(production, "a group that serves another release", "status")
    book.take(production, "a group", "history", "--in", "test")
    book.take(production, "a release that only a group has had", "show", "release/8")
    book.take(production, "no such group", "deploy", "next", "--to", "staging")
    book.take(production, "a group, whose first release it is", "rollback", "--in", "test")
    book.take(production, "a group", "restart", "test")
    production.await_idle()


def _ends(book: Book, production: Production) -> None:
    """It goes down, is mended, is left."""
    book.take(production, "it is up", "uninstall")
    book.take(production, "old releases", "prune", "--keep", "1")
    book.take(production, "no old releases", "prune", "--json")
    book.take(production, "it was up", "down")
    book.take(production, "it is down already", "down", "--json")
    for words in ("status", "deploy", "rollback", "restart", "monitor"):
        book.take(production, "production is down", *words.split())
    developer = production.clone("evening")
    developer.commit_term("evening")
    book.push(developer, "production is down")
    with (production.home / "host.toml").open("a") as settings:
        settings.write("\n[limit]\nstart = 5\n")
    for words in ("status", "up", "doctor"):
        book.take(production, "a setting that there is not", *words.split())
    production.set_instances()
    book.take(production, "it is down", "uninstall")


CHAPTERS: tuple[Callable[[Book, Production], None], ...] = (
    _helps, _nowhere, _set_up, _first, _pushes, _deploys, _looks, _keeps, _called, _told, _hosts, _shown, _failed,
    _grouped, _ends,
)  # fmt: skip
