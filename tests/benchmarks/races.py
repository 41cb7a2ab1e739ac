"""Do pushes, pulls, edits, commits, `deploy` and `rollback` at once ever lose anything? Hundreds of rounds say.

    python -m tests.benchmarks.races [--rounds 200] [--seed 1] [--groups]

With `--groups` there are three instances, and a group of two more that is released to and rolled back meanwhile.

Each round lets all of them loose on one production checkout, waits until it is quiet, and then asks: is production
whole, is every commit that anybody made still reachable, is every edit in a commit, on disk or in a backup, does the
history tell what became of every push?
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.checkout import Clone, Production, make_checkout, make_several, until
from tests.hermetic import be_hermetic
from tests.whole import Everybody, assert_whole


class Races:
    """One production checkout and the people who work on it; `count` says how their work ended."""

    def __init__(self, production: Production, seed: int) -> None:
        self.production = production
        self.random = random.Random(seed)  # to be repeated, not to be secret
        self.developers: list[Clone] = [production.clone(f"developer{number}") for number in range(4)]
        self.count: Counter[str] = Counter()
        self.made: set[str] = set()  # commits
        self.pushed: dict[str, str] = {}  # commits that our hooks saw, and what their pushers read
        self.edits: set[str] = set()  # terms
        self._serial = 0
        self._lock = threading.Lock()
        self._editor = threading.RLock()
        self.did: list[str] = []

    def term(self) -> str:
        with self._lock:
            self._serial += 1
            return f"term{self._serial}"

    def round(self) -> None:
        """Let a handful of them loose at once, and wait until it is quiet again."""
        works: list[Callable[[], str]] = [
            lambda: self.push(self.developers[0]),
            lambda: self.push(self.developers[1]),
            self.pull,
            self.edit,
            self.commit,
            self.deploy,
            self.rollback,
            self.stash,
        ]
        if any(place.group == "test" for place in self.production.places.values()):
            works += [self.deploy_to, self.carry_on, self.rollback_in, self.restart]
        self.did.clear()
        chosen = self.random.sample(works, self.random.randint(2, 4))
        threads = [threading.Thread(target=self._run, args=(work, self.random.random() / 4)) for work in chosen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.settle()

    def _run(self, work: Callable[[], str], after: float) -> None:
        threading.Event().wait(after)
        began = time.strftime("%H:%M:%S") + f"{time.time() % 1:.3f}"[1:]
        ended = work()
        with self._lock:
            self.did.append(f"{began} {ended}")
            self.count[ended] += 1

    # -- what people do --------------------------------------------------------------------------------------

    def push(self, developer: Clone) -> str:
        developer.git("fetch", "--quiet", "origin")
        developer.git("reset", "--quiet", "--hard", "origin/deploy")
        commit = developer.commit_term(self.term())
        ended = developer.push()
        with self._lock:
            if "remote: " in ended.said:
                self.pushed[commit] = ended.said
            if ended.code == 0:
                self.made.add(commit)
        return "push taken" if ended.code == 0 else "push refused"

    def pull(self) -> str:
        """What a timer does: pull from another repository."""
        developer = self.developers[2]
        developer.git("fetch", "--quiet", "origin")
        developer.git("reset", "--quiet", "--hard", "origin/deploy")
        commit = developer.commit_term(self.term())
        ok = self._git("pull", "--quiet", "--ff-only", str(developer.root), "deploy")
        if ok:
            with self._lock:
                self.made.add(commit)
        return "pull done" if ok else "pull failed"

    def edit(self) -> str:
        term = self.term()
        path = self.production.root / "server.py"
        # Two editors of one file overwrite each other without any help of ours.
        with self._editor:
            try:
                text = path.read_text()
            except FileNotFoundError:
                text = ""
            if '"revenue",\n' not in text:
                return "edit: git was just writing the file"
            path.write_text(text.replace('"revenue",\n', f'"revenue",\n    "{term}",\n'))
        with self._lock:
            self.edits.add(term)
        return "edit"

    def commit(self) -> str:
        self.edit()
        ok = self._git("commit", "--quiet", "--all", "-m", "By hand")
        return "commit done" if ok else "commit failed"

    def deploy(self) -> str:
        ended = self.production.gitrelease("deploy", "deploy", "--approve")
        return f"deploy {ended.code}"

    def rollback(self) -> str:
        ended = self.production.gitrelease("rollback")
        if ended.code not in (0, 3):
            print(ended.said, flush=True)
        return f"rollback {ended.code}"

    def deploy_to(self) -> str:
        """Release a change to the group alone, by another branch than the deploy branch."""
        developer = self.developers[3]
        developer.git("fetch", "--quiet", "origin")
        developer.git("reset", "--quiet", "--hard", "origin/deploy")
        commit = developer.commit_term(self.term())
        pushed = developer.push("--force", "origin", "HEAD:refs/heads/next")
        if pushed.code != 0:
            return "deploy --to: its branch was refused"
        with self._lock:
            self.made.add(commit)
        return f"deploy --to {self.production.gitrelease('deploy', commit, '--to', 'test').code}"

    def carry_on(self) -> str:
        """Bring what the group serves to production."""
        serves = self.production.state()["groups"][0]["live"]
        if serves is None:
            return "carry on: the group serves nothing"
        return f"carry on {self.production.gitrelease('deploy', serves, '--approve').code}"

    def rollback_in(self) -> str:
        return f"rollback --in {self.production.gitrelease('rollback', '--in', 'test').code}"

    def restart(self) -> str:
        return f"restart all {self.production.gitrelease('restart', 'all').code}"

    def stash(self) -> str:
        """A person's own git at the wrong moment."""
        with self._editor:  # git's own reset runs over whatever is written between its look and its reset
            self.edit()
            ok = self._git("stash", "--quiet") and self._git("stash", "pop", "--quiet")
        return "stash done" if ok else "stash failed"

    def _git(self, *arguments: str) -> bool:
        ran = subprocess.run(["git", *arguments], cwd=self.production.root, capture_output=True, check=False)
        return ran.returncode == 0

    # -- what must hold ----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until nothing is under way, then see that production is whole and nothing was lost."""
        production = self.production
        self._end_merges()
        try:
            until(self._quiet, "a quiet production")
        except AssertionError as error:
            told = f"after {self.did}, {production.state()}\n{production.agent_log()}"
            raise AssertionError(f"{error}: {told}") from None
        assert_whole(production)
        for reason in production.status()["refused_edits"]:
            print(f"an edit was refused: {reason}; {self.did}", flush=True)
        everything = production.git("log", "--all", "--format=%H")
        lost = {commit for commit in self.made if commit not in everything}
        assert not lost, f"lost commits: {lost}"
        attempts = {row["commit"] for row in production.gitrelease("history", "--json").json["attempts"]}
        untold = {commit: said for commit, said in self.pushed.items() if commit not in attempts}
        assert not untold, f"the history does not tell of {untold}"
        missing = {term for term in self.edits if not self._somewhere(term)}
        assert not missing, f"lost edits: {missing}, {self.did}"
        self.made.clear()
        self.pushed.clear()
        self.edits.clear()

    def _end_merges(self) -> None:
        """A stash that conflicts is for a person to mend: give it up, as that person would; the stash stays."""
        if self.production.git("ls-files", "--unmerged"):
            self.production.git("checkout", "--force", "HEAD", "--", ".")
        self.production.git("reset", "--quiet")

    def _quiet(self) -> bool:
        state = self.production.state()
        settled = state["checkout"]["in_sync"] or state["waiting"] or state["refused_edits"]
        soaking = state["soaking"] or any(group["soaking"] for group in state["groups"])
        return bool(not state["lock"] and not soaking and settled and not self._dirty(state))

    def _dirty(self, state: dict[str, object]) -> bool:
        return bool(self.production.git("diff", "--name-only", "HEAD")) and not state["refused_edits"]

    def _somewhere(self, term: str) -> bool:
        """Is an edit in a commit that is reachable (a backup and a stash are), or on disk?"""
        if f'"{term}"' in self.production.read("server.py"):
            return True
        # A stash is a merge: without `-m` git does not look at what those change.
        found = self.production.git("log", "--all", "-m", "--format=%H", "-1", f'-S"{term}"', "--", "server.py")
        return bool(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", action="store_true")
    options = parser.parse_args()
    be_hermetic()
    with tempfile.TemporaryDirectory() as folder:
        production = (make_several(Path(folder)) if options.groups else make_checkout(Path(folder)).init()).up()
        races = Races(production, options.seed)
        begun = time.monotonic()
        try:
            with Everybody(production) as users:
                for number in range(options.rounds):
                    races.round()
                    if number % 10 == 9:
                        spent = time.monotonic() - begun
                        print(f"{number + 1} rounds, {spent:.0f} s, live {production.live()}", flush=True)
        finally:
            production.gitrelease("down")
        for what, times in sorted(races.count.items()):
            print(f"{what:<24} {times:5}")
        print(f"requests {users.requests}, failed {len(users.failed)}: {users.failed[:3]}")


if __name__ == "__main__":
    main()
