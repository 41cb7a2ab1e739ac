"""What does `gitrelease demo` do? A team's day on real git and a real Streamlit, every step by the real commands.

Production checkout and a developer's clone lie in a temporary folder; a client asks the public port 50 times
a second from the first step to the last.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitrelease.core.errors import Exit, ReleaseError
from gitrelease.demo.guide import Procedure, deploy_dictionary
from gitrelease.demo.load import Load, Seen
from gitrelease.edges.backends import free_port
from gitrelease.edges.environment import LOCAL_VARIABLES

APP = Path(__file__).parent / "app"
SCRIPT = "FinDocPipeline.py"
# Files that git would take for its own, under the names they have in the repository.
_RENAMED = {"gitignore": ".gitignore"}
_PATIENCE = 30.0  # seconds for something that happens by itself


@dataclass(frozen=True)
class Told:
    """One step of the story: what happened, how long it took, what users saw meanwhile."""

    step: str
    outcome: str
    seconds: float
    seen: Seen


class Story:
    """A production checkout and a developer's clone in `folder`, and what is done with them."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.production = folder / "production"
        self.clone = folder / "developer"
        self.port = free_port()
        self.told: list[Told] = []
        self._say = say
        self._load: Load | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES},
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Dana Developer", "GIT_AUTHOR_EMAIL": "dana@example.com",
            "GIT_COMMITTER_NAME": "Dana Developer", "GIT_COMMITTER_EMAIL": "dana@example.com",
        }  # fmt: skip

    # -- the day ---------------------------------------------------------------------------------------------

    def tell(self) -> Procedure:
        """Live the whole day; return what the guide's own procedure cost."""
        self._prepare()
        self._step("production comes up", self._up, load=False)
        self._load = Load(self.port).start()
        self._step("push: two dictionary terms", lambda: self._push("Know two more terms", _add_terms, accepted=True))
        self._step("push: a broken pattern", lambda: self._push("Find more revenue", _break_pattern, accepted=False))
        self._step("push: a class removed", lambda: self._push("Tidy up", _remove_class, accepted=False, approve=True))
        self._step("edit on the production host", self._edit)
        self._step("pull", self._pull)
        self._step("rollback", self._rollback)
        self._load.stop()
        return self._guide()

    def down(self) -> None:
        """Stop everything that the story started."""
        if self._load is not None:
            self._load.stop()
        if (self.production / ".git" / "gitrelease").exists():
            self._gitrelease("down")

    def _step(self, name: str, act: Callable[[], str], *, load: bool = True) -> None:
        self._say(f"\n-- {name}")
        begun = time.monotonic()
        outcome = act()
        spent = time.monotonic() - begun
        seen = self._load.since(begun) if load and self._load is not None else Seen(0, 0, 0.0)
        self.told.append(Told(name, outcome, spent, seen))

    def _prepare(self) -> None:
        self.production.mkdir()
        for source in sorted(APP.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                relative = source.relative_to(APP)
                target = self.production / relative.with_name(_RENAMED.get(relative.name, relative.name))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        self._git(self.production, "init", "--quiet", "--initial-branch", "deploy")
        self._git(self.production, "add", ".")
        self._git(self.production, "commit", "--quiet", "-m", "The app as it is")
        self._git(self.folder, "clone", "--quiet", str(self.production), str(self.clone))
        self._gitrelease("init", "--port", str(self.port), "--python", sys.executable)

    def _up(self) -> str:
        self._gitrelease("up")
        return self._live()

    def _push(self, message: str, change: Callable[[str], str], *, accepted: bool, approve: bool = False) -> str:
        self._commit_in_clone(message, change)
        options = ["-o", "approve"] if approve else []
        pushed = self._run(["git", "push", "--quiet", *options, "origin", "deploy"], self.clone)
        if (pushed.returncode == 0) is not accepted:
            raise ReleaseError(
                f"the push of {message!r} was {'accepted' if pushed.returncode == 0 else 'refused'}, the story wants it"
                f" {'accepted' if accepted else 'refused'}",
                hint=f"Look at {self.production}/.git/gitrelease/logs/agent.log (run the demo with --keep)",
                code=Exit.UNEXPECTED,
            )
        if not accepted:
            self._git(self.clone, "reset", "--quiet", "--hard", "origin/deploy")
        return f"live: {self._live()}" if accepted else f"refused, {self._live()} stays"

    def _edit(self) -> str:
        before = self._live()
        script = self.production / SCRIPT
        script.write_text(_add_label(script.read_text()))
        return self._await_release(before)

    def _pull(self) -> str:
        self._git(self.clone, "pull", "--quiet", "--rebase", "origin", "deploy")
        self._commit_in_clone("Find margins", _add_metric)
        before = self._live()
        self._git(self.production, "pull", "--quiet", "--ff-only", str(self.clone), "deploy")
        return self._await_release(before)

    def _rollback(self) -> str:
        self._gitrelease("rollback", "-m", "rehearsal")
        return f"live: {self._live()}"

    def _guide(self) -> Procedure:
        self._say("\n-- the same dictionary change by the guide's own procedure (takes 12 s)")
        folder = self.folder / "guide"
        shutil.copytree(self.production, folder, ignore=shutil.ignore_patterns(".git"))
        changed = self.folder / "changed.py"
        changed.write_text(_add_terms((APP / SCRIPT).read_text()))
        return deploy_dictionary(folder, python=Path(sys.executable), term_file=changed)

    # -- parts -----------------------------------------------------------------------------------------------

    def _commit_in_clone(self, message: str, change: Callable[[str], str]) -> None:
        script = self.clone / SCRIPT
        script.write_text(change(script.read_text()))
        self._git(self.clone, "commit", "--quiet", "--all", "-m", message)

    def _live(self) -> str:
        live = self._status()["live"]
        return str(live["release"]) if live else "nothing"

    def _status(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "gitrelease", "-C", str(self.production), "status", "--json"]
        answer = subprocess.run(command, env=self._environment, capture_output=True, check=True)
        status: dict[str, Any] = json.loads(answer.stdout)
        return status

    def _await_release(self, before: str) -> str:
        """Wait until another release is live: nobody is told when a watcher has done its work."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            live = self._live()
            if live != before:
                self._say(f"   {live} is live")
                return f"live: {live}"
            time.sleep(0.05)
        raise ReleaseError(
            f"nothing was released within {_PATIENCE:g} s",
            hint=f"Look at {self.production}/.git/gitrelease/logs/agent.log (run the demo with --keep)",
            code=Exit.UNEXPECTED,
        )

    def _git(self, folder: Path, *arguments: str) -> None:
        self._check(self._run(["git", *arguments], folder), "git " + arguments[0])

    def _gitrelease(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "gitrelease", "-C", str(self.production), *arguments]
        self._check(self._run(command, self.folder), f"gitrelease {arguments[0]}")

    def _run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command, showing what a person at the terminal would see."""
        ran = subprocess.run(
            command, cwd=folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        for line in ran.stdout.splitlines():
            self._say(f"   {line.rstrip()}")
        return ran

    def _check(self, ran: subprocess.CompletedProcess[str], what: str) -> None:
        if ran.returncode != 0:
            raise ReleaseError(
                f"{what} ended with {ran.returncode}: {ran.stdout.strip()[-300:]}",
                hint=f"Everything is in {self.folder} (run the demo with --keep)",
                code=Exit.UNEXPECTED,
            )


# -- the changes, as a developer types them --------------------------------------------------------------------


def _replace(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"the sample app has {old!r} {text.count(old)} times, the story needs it once")
    return text.replace(old, new)


def _add_terms(text: str) -> str:
    return _replace(
        text,
        '"dividend", "margin", "investment",',
        '"carbon footprint", "esg score", "dividend", "margin", "investment",',
    )


def _break_pattern(text: str) -> str:
    return _replace(text, '"net_income": [', '"net_sales": [r"net (sales[ :]+([0-9.]+"],\n            "net_income": [')


def _remove_class(text: str) -> str:
    begin, end = text.index("class EnhancedVisualParser:"), text.index("class DeduplicatedMetricsExtractor:")
    return text[:begin] + text[end:]


def _add_label(text: str) -> str:
    return _replace(text, '"growth", "risk", "emissions",', '"growth", "liquidity", "risk", "emissions",')


def _add_metric(text: str) -> str:
    metric = r""""gross_margin": [r"\bgross margin[ :|]+(\d+(?:\.\d+)?)[ |]*(%)?"],"""
    return _replace(text, '"carbon_emissions": [', f'{metric}\n            "carbon_emissions": [')
