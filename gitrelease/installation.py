"""How does a checkout become a production checkout, and how is that taken back?

What `init` changes outside `.git/gitrelease/` is written to `installed.json` there, so that `uninstall` can
leave the repository as it was.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from gitrelease.core import data_folders, refs, settings_text
from gitrelease.core.errors import Exit, ReleaseError, RepositoryError, SettingsError
from gitrelease.core.leftovers import is_scratch
from gitrelease.core.reading import ReadAs
from gitrelease.core.settings import SETTINGS_FILE, App
from gitrelease.core.text import quoted
from gitrelease.edges import backends, hooks, hooks_path, interpreter, kept_settings, tag_copies
from gitrelease.edges import settings as settings_files
from gitrelease.edges.checkout import detached_head, no_branch
from gitrelease.edges.faults import passing
from gitrelease.edges.git import Git, RefUpdate
from gitrelease.edges.home import Home, for_sudo, user_name, write_atomically
from gitrelease.edges.slots import Slots
from gitrelease.world import open_world

# Push options carry approvals; updateInstead is what makes git ask our push-to-checkout hook.
CONFIGURATION = {"receive.denyCurrentBranch": "updateInstead", "receive.advertisePushOptions": "true"}


class Installed(msgspec.Struct, kw_only=True):
    """What `init` found and changed."""

    configuration: dict[str, str | None] = {}  # before
    links: list[str] = []
    branch_from: str | None = None  # the branch that HEAD was on, when `init` made the deploy branch


class Prepared(msgspec.Struct, kw_only=True):
    """What `init` has to tell."""

    root: str
    branch: str
    python: str
    script: str
    chained: list[str]
    shared: list[str]
    data: list[str]
    carried: str | None
    made_branch: bool
    up: bool  # production was brought up, and goes on by what it has read
    changed: list[str]  # settings of this host that are not what they were
    put_right: list[str]  # of an earlier `init`: settings of git and hooks that were not as it left them
    hooks_path: str | None  # what core.hooksPath was, where that led elsewhere
    notes: list[str]  # on the app's own Streamlit configuration


def init(
    directory: Path,
    *,
    branch: str | None,
    script: str | None,
    schema: str | None,
    port: int | None,
    python: str | None,
    recovering: bool = False,
) -> Prepared:
    """Make the checkout that `directory` is in a production checkout; safe to repeat. None keeps what is set.

    A production that is up follows its branch until it is down; one that is `recovering` takes up what is set here.
    """
    git = Git.discover(directory)
    home = Home(git.directory)
    up = home.initialised and home.wanted.exists()  # refused here where another user's cannot be seen
    written = _host_tables(home)
    before = copy.deepcopy(written)
    app = written.setdefault("app", {})
    given = {"branch": branch, "script": script, "schema": schema}
    app |= {key: value for key, value in given.items() if value is not None}
    hooks.safe_branch(app.setdefault("branch", App().branch))
    installed = _read_installed(home)
    if up and not recovering:
        _require_its_branch(before, app["branch"])
    require_own_repository(git)
    require_commits(git)
    require_python_and_script(git, app, python)
    _check_port(port)
    make_branch = _must_make_branch(git, app["branch"])

    home.create()
    _write_down_what_was(git, home, installed, make_branch=make_branch)
    passing("init: what was is written down")
    if make_branch:
        git.run("checkout", "--quiet", "-b", app["branch"])
    passing("init: on the branch")
    repository = settings_text.read(git.blob("HEAD", SETTINGS_FILE) or b"", SETTINGS_FILE).get("app", {})
    known_shared, known_data = data_folders.laid_over(repository, app)
    shared, data = find_run_time_files(git, {**app, "shared": known_shared, "data": known_data})
    app["shared"] = sorted({*app.get("shared", ()), *shared})
    if data:
        app["data"] = sorted({*app.get("data", ()), *data})
    content = settings_files.changed(_host_text(home), app=app, port=port).encode()
    changed = _changed(before, settings_text.read(content, str(home.settings)))
    write_atomically(home.settings, content)
    passing("init: settings written")
    # A wrong setting is reported here, before anything is installed.
    world = open_world(git.root, initialised=False)
    put_right = _configure(git, home, branch=world.settings.app.branch)
    passing("init: before the hooks")
    chained, links = hooks.install(git, home, branch=world.settings.app.branch)
    overruled = hooks_path.elsewhere(git)
    if overruled is not None:
        hooks_path.look_here(git)
    passing("init: hooks installed")
    installed.links = sorted({*installed.links, *links})
    write_atomically(home.installed, msgspec.json.encode(installed))
    home.installing.unlink(missing_ok=True)
    passing("init: written down")
    kept_settings.keep(git, world.host)
    if git.ref(refs.CHECKOUT) is None:
        git.update_refs([RefUpdate(refs.CHECKOUT, git.resolve("HEAD") or "")], reason="init")
    ignored = world.checkout.ignores_carried() and (git.root / world.settings.app.schema).exists()
    return Prepared(
        root=str(git.root),
        branch=world.settings.app.branch,
        python=str(world.python),
        script=world.settings.app.script,
        chained=chained,
        shared=list(world.settings.app.shared),
        data=list(world.settings.app.data),
        carried=world.settings.app.schema if ignored and world.checkout.carries() else None,
        made_branch=make_branch,
        up=up,
        changed=changed,
        put_right=put_right,
        hooks_path=overruled,
        notes=backends.remarks_on(world.settings, git.root, home),
    )


def _configure(git: Git, home: Home, *, branch: str) -> list[str]:
    """Let git take pushes; name what is not as an earlier `init` has left it, settings of git and hooks."""
    settings = [key for key, value in CONFIGURATION.items() if git.configuration(key) != value]
    for key in settings:
        git.run("config", "--local", key, CONFIGURATION[key])
    if not home.installed.exists():
        return []
    ours = dict.fromkeys((*hooks.missing(git), *hooks.stale(git, home, branch=branch)))
    return [*settings, *(f"the hook {name}" for name in ours)]


def _require_its_branch(host: Mapping[str, Any], wanted: str) -> None:
    """Raise where production is up and follows another branch: hooks would follow this one, and the agent that."""
    followed = host.get("app", {}).get("branch", wanted)
    if followed != wanted:
        raise ReleaseError(
            f"production is up, and follows {followed}",
            hint="Let it change in between: "
            f"gitrelease down && gitrelease init --branch {quoted(wanted)} && gitrelease up",
            code=Exit.REFUSED,
        )


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the settings of a host that `init` may change, and that are not as they were."""
    was, app = before.get("app", {}), now.get("app", {})
    found = [f"app.{key}" for key in app if app[key] != was.get(key)]
    return [*found, *(["instance.port"] if before.get("instance") != now.get("instance") else [])]


def _host_tables(home: Home) -> dict[str, Any]:
    """Return what is set on this host; `SettingsError` when a key or a value is wrong."""
    content = _host_text(home).encode()
    settings_text.read(content, str(home.settings))
    return tomllib.loads(content.decode())


def _host_text(home: Home) -> str:
    return settings_files.of_host(home.settings).decode()


_INSTALLED = ReadAs(Installed)


def _read_installed(home: Home) -> Installed:
    """Return what `init` wrote down, also one that was cut off."""
    for path in (home.installed, home.installing):
        with contextlib.suppress(FileNotFoundError):
            return _INSTALLED.decode(path.read_bytes())
    return Installed()


def _write_down_what_was(git: Git, home: Home, installed: Installed, *, make_branch: bool) -> None:
    """Keep how the repository is before anything in it is changed: an `init` that is cut off can be taken back too."""
    for key in CONFIGURATION:
        installed.configuration.setdefault(key, git.configuration(key))
    if hooks_path.elsewhere(git) is not None:
        installed.configuration[hooks_path.KEY] = git.configuration(hooks_path.KEY)
    if make_branch:
        installed.branch_from = git.head_ref()
    write_atomically(home.installing, msgspec.json.encode(installed))


def overrule_hooks_path(git: Git, home: Home, *, branch: str) -> list[str]:
    """Let git look for hooks where ours are, and run those of the other path first; `uninstall` takes it back.

    Returns the hooks of the other path that run first, or beside ours.
    """
    installed = _read_installed(home)
    installed.configuration[hooks_path.KEY] = git.configuration(hooks_path.KEY)
    _, links = hooks.install(git, home, branch=branch)
    installed.links = sorted({*installed.links, *links})
    write_atomically(home.installed, msgspec.json.encode(installed))
    hooks_path.look_here(git)
    return links


def require_own_repository(git: Git) -> None:
    """Hooks, index and refs must be those of this checkout alone."""
    if not (git.root / ".git").is_dir():
        raise RepositoryError(
            f"{git.root} is a linked worktree or a submodule: its repository is {git.directory}",
            hint=f"It needs one of its own: git clone {quoted(git.directory)} DIR; then: gitrelease -C DIR init",
        )
    owner = git.directory.stat().st_uid
    if owner != os.getuid():
        name = for_sudo(owner)
        raise RepositoryError(
            f"{git.root} belongs to {user_name(owner)}, and pushes arrive as its owner",
            hint=f"Run it as that user: sudo -u {name} gitrelease -C {quoted(git.root)} init; or give it to yours: "
            f"sudo chown -R USER {quoted(git.root)}",
        )


def require_commits(git: Git) -> None:
    if git.resolve("HEAD") is None:
        raise no_branch(git, (git.head_ref() or "of HEAD").removeprefix("refs/heads/"))


def _must_make_branch(git: Git, branch: str) -> bool:
    """Is HEAD on the deploy branch, or is that to be made here? `RepositoryError` when it is neither."""
    wanted = f"refs/heads/{branch}"
    head = git.head_ref()
    if head == wanted:
        return False
    if head is None:
        raise detached_head(git, branch)
    if git.ref(wanted) is not None:
        on = head.removeprefix("refs/heads/")
        raise RepositoryError(
            f"the checkout is on {on}, and there is a branch {branch} already",
            hint=f"Go there: git checkout {quoted(branch)}; or release from this one: "
            f"gitrelease init --branch {quoted(on)}",
        )
    if git.execute("check-ref-format", wanted)[0] != 0:
        raise SettingsError(f"{branch!r} is no branch name", hint="Choose another: gitrelease init --branch deploy")
    return True


def _check_port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise SettingsError(f"--port is {port}, ports end at 65535", hint="Choose one: gitrelease init --port 8501")


def require_python_and_script(git: Git, app: dict[str, Any], python: str | None) -> None:
    """Find the app's interpreter and its schema export, and see that it can run the app."""
    repository = settings_text.read(git.blob("HEAD", SETTINGS_FILE) or b"", SETTINGS_FILE).get("app", {})
    script = app.get("script") or repository.get("script") or App().script
    if git.blob("HEAD", script) is None:
        raise RepositoryError(
            f"there is no {script} in the last commit",
            hint="Commit it, or name the app's file: gitrelease init --script FILE",
        )
    usual = App().schema
    beside = str(PurePosixPath(script).parent / usual)
    is_there = (git.root / beside).is_file() or not (git.root / usual).is_file()  # or will be
    if not {"schema"} & {*app, *repository} and beside != usual and is_there:
        app["schema"] = beside  # an app in a folder has its export there
    chosen = python or app.get("python")
    candidates = [chosen] if chosen else list(interpreter.usual())
    for candidate in candidates:
        path = App(python=candidate).interpreter(git.root)
        if path.is_file() and os.access(path, os.X_OK):
            app["python"] = str(path)
            break
    else:
        raise SettingsError(
            f"there is no Python at {chosen or ', '.join(candidates)}",
            hint="Make the app's environment, or name its Python: gitrelease init --python PATH",
        )
    kind = app.get("kind") or repository.get("kind") or "streamlit"
    interpreter.require(Path(app["python"]), streamlit=kind == "streamlit")


def find_run_time_files(git: Git, app: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what git ignores and the app may need when it runs, and no setting names yet: to be shared, and as data.

    Data are the folders that are named as those to which apps write commonly are; all else, secrets say, is shared.
    """
    known = {*app.get("shared", ()), *map(data_folders.normal, app.get("data", ()))}
    new = [path for path in _may_be_needed(git, app) if not data_folders.is_in(path, known)]
    data = [path for path in new if PurePosixPath(path).name in data_folders.USUAL and (git.root / path).is_dir()]
    return [path for path in new if path not in data], data


def _may_be_needed(git: Git, app: Mapping[str, Any]) -> list[str]:
    output = git.run(
        "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--no-empty-directory"
    )
    schema = app.get("schema") or App().schema
    paths = (os.fsdecode(name).rstrip("/") for name in output.split(b"\0") if name)
    return [path for path in paths if path != schema and _is_no_cache(git.root, PurePosixPath(path))]


def _is_no_cache(root: Path, path: PurePosixPath) -> bool:
    if is_scratch(str(path)) or path.suffix == ".log":
        return False
    return not (root / path / "pyvenv.cfg").exists()


def uninstall(directory: Path) -> list[str]:
    """Take `init` back; tags stay. Returns what was done, a line each.

    Commits that only our refs keep become `backup/…` tags first. Production must be down.
    """
    world = open_world(directory)
    git, home = world.git, world.home
    if home.wanted.exists():
        raise ReleaseError("production is up", hint="Stop it first: gitrelease down", code=Exit.REFUSED)
    if any(one.processes.exists() for one in home.every()):
        why = "production is not quite down: a gitrelease down was cut off, and something runs on"
        raise ReleaseError(why, hint="Bring it to its end: gitrelease down", code=Exit.REFUSED)
    installed = _read_installed(home)
    done = [f"kept {name}" for name in _keep_what_only_we_hold(git)]
    several = hooks.uninstall(git, links=installed.links)
    for key, value in installed.configuration.items():
        if value is None:
            git.execute("config", "--local", "--unset-all", key)
        else:
            git.run("config", "--local", key, value)
    done.append("hooks and settings of the repository are as they were")
    if several:
        done.append(f"there are several hooks named {', '.join(several)}: a script under that name runs all of them")
    for one in home.every():
        Slots(git, one.slots).remove_all()
    ours = git.lines("for-each-ref", "--format=%(refname)", refs.OURS.rstrip("/"))
    git.update_refs([RefUpdate(ref, None) for ref in ours], reason="uninstall")
    if installed.branch_from and git.head_ref() == world.settings.branch_ref:
        if git.ref(installed.branch_from) == git.ref(world.settings.branch_ref):
            git.run("symbolic-ref", "HEAD", installed.branch_from)
            git.update_refs([RefUpdate(world.settings.branch_ref, None)], reason="uninstall")
            done.append(f"back on {installed.branch_from.removeprefix('refs/heads/')}")
        else:
            done.append(f"the branch {world.settings.app.branch} has commits of its own and stays")
    done += _give_data_back(git, home)
    shutil.rmtree(home.root)
    done.append("removed .git/gitrelease; release tags stay: git tag -l 'release/*'")
    return done


def _give_data_back(git: Git, home: Home) -> Iterator[str]:
    """Move the app's data to the checkout, and what else apps have written out of our folder; say where it is."""
    names = Slots(git, home.slots).files.data.give_back(git.root, replaced=home.leftovers / "replaced")
    if names:
        yield f"the app's data is in the checkout: {', '.join(names)}"
    kept = git.directory / "gitrelease-leftovers"
    for one in home.every():
        name = one.root.name if one is not home else "production"
        for folder in (one.leftovers, one.data):
            if folder.is_dir() and any(path.is_file() for path in folder.rglob("*")):
                to = kept / name / folder.name
                to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.rename(to)
                yield f"what apps have written beside their scripts is in {to}"


def _keep_what_only_we_hold(git: Git) -> Iterator[str]:
    """Turn commits that only refs of ours reach into `backup/…` tags; yield their names."""
    tag_copies.put_back(git, reason="uninstall")
    ours = git.lines("for-each-ref", "--format=%(refname)", refs.OURS.rstrip("/"))
    for ref in ours:
        if ref.startswith(refs.TAGS):
            continue
        commit = git.resolve(ref)
        if commit is None:
            continue
        held = git.text("for-each-ref", "--contains", commit, "--count=1", "refs/heads", "refs/tags", "refs/remotes")
        if not held:
            name = f"backup/{ref.removeprefix(refs.OURS).replace('/', '-')}"
            git.update_refs([RefUpdate(f"refs/tags/{name}", commit)], reason="uninstall")
            yield name
