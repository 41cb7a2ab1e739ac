"""Can the app be run as it stands on the branch: settings, files, interpreter, packages, run-time files, signatures?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import PurePosixPath

from gitrelease.candidate import Candidate, belonging_to, lost_revision
from gitrelease.checks.signatures import lacking
from gitrelease.checks.static import static_checks
from gitrelease.core.dependencies import closure, imported, modules_of
from gitrelease.core.settings import SETTINGS_FILE, seconds
from gitrelease.core.signing import format_of, signature_of
from gitrelease.core.streamlit_config import StreamlitConfig, remarks
from gitrelease.core.text import quoted
from gitrelease.doctor.case import Case
from gitrelease.doctor.diagnosis import Diagnosis, problem, warning, well
from gitrelease.edges import backends, inside
from gitrelease.edges.cancel import Cancel
from gitrelease.release.regions import places
from gitrelease.release.way import no_such_way

_SHOWN = 5


def settings(case: Case) -> Iterator[Diagnosis]:
    """Can the settings of this host and of the live release be read, and do their regions exist?"""
    found = case.world.settings
    if case.initialised and not case.host_tables.get("app"):  # `init` writes more than that
        yield problem("settings", f"{case.home.settings} is gone, or empty", fix=case.recover)
        return
    lost = lost_revision(case.git, found.regions)
    if lost:
        yield problem("settings", lost, fix=f"mend region.at in {SETTINGS_FILE} or host.toml, or fetch that commit")
        return
    for kind, policy in found.policy.items():
        if policy.via and policy.via not in found.groups[1:]:
            detail, fix = no_such_way(kind, found)
            yield problem("settings", detail, fix=fix)
            return
    count = len(found.instances)
    addresses = "one address" if count == 1 else f"{count} addresses"
    yield well("settings", f"{found.app.script} from {found.app.branch}, for {addresses}")


def candidate(case: Case) -> Iterator[Diagnosis]:
    """Is what would be released next whole as it lies in git?"""
    world, git = case.world, case.git
    head = git.ref(world.settings.branch_ref) or git.resolve("HEAD") or ""
    live = world.records().live
    commit = belonging_to(world, head, live) if live is not None else head
    looked = static_checks(world, Candidate(commit=commit, source=head, key="", trigger="shell", by=""))
    seen = False
    for check in looked:
        if check.status in ("failed", "warned"):
            seen = True
            tell = problem if check.status == "failed" else warning
            yield tell("app", f"{check.name}: {check.detail}", fix="mend it and commit; see: gitrelease check")
    for script in _scripts(case):
        try:
            imported(git.blob(head, script) or b"")
        except (SyntaxError, ValueError, RecursionError) as error:
            seen = True
            yield problem("app", f"{script} does not compile: {error}", fix="mend it and commit; see: gitrelease check")
    if not seen:
        yield well("app", f"{', '.join(_scripts(case))} at the head of {case.branch}")


def regions(case: Case) -> Iterator[Diagnosis]:
    """Is the app the one whose parts are known by kind? Where most are nowhere, it is another file than was thought."""
    script = case.world.settings.app.script
    head = case.git.ref(case.world.settings.branch_ref) or case.git.resolve("HEAD") or ""
    known = [row for row in places(case.world, head) if row["file"] == script]
    lost = [row for row in known if row["lines"] is None]
    if not known:
        yield well("regions", f"none are set for {script}: every change of it is major")
    elif 2 * len(lost) > len(known):
        detail = f"{len(lost)} of {len(known)} are not in {script}; what stands there instead is major"
        yield warning("regions", detail, fix="see: gitrelease regions; another file is run: gitrelease init --script …")
    else:
        yield well("regions", f"{len(known) - len(lost)} of {len(known)} are in {script}")


def interpreter(case: Case) -> Iterator[Diagnosis]:
    """Is there a Python for the app that runs, with Streamlit where it needs that?"""
    yield well("interpreter", str(case.python))


def imports(case: Case) -> Iterator[Diagnosis]:
    """Can the interpreter import what the app imports when it starts?"""
    git, world = case.git, case.world
    head = git.resolve("HEAD") or ""
    tracked = {entry.path for entry in git.list_tree(head)}
    outside: dict[str, str] = {}
    seen = False
    for script in _scripts(case):
        found = closure(script, tracked, lambda path: git.blob(head, path) or b"")
        lost = {name: path for name in found if (path := _only_on_disk(case, name, script))}
        for name, path in lost.items():
            seen = True
            detail = f"{found[name]} imports {name}, and {path} is in no commit: no slot has it"
            yield problem("imports", detail, fix=f"git add -f {quoted(path)} && git commit {quoted(path)}")
        outside |= {name: file for name, file in found.items() if name not in lost and not _shared(case, name, script)}
    tried = _import(case, list(outside))
    wrong = {name: why for name, why in tried.items() if why}
    for name, why in list(wrong.items())[:_SHOWN]:
        detail = f"{outside[name]} imports {name}, and {case.python} cannot: {why}"
        yield problem("imports", detail, fix=f"{case.python} -m pip install the package that has {name.split('.')[0]}")
    if not wrong and len(tried) < len(outside):
        detail = f"{case.python} could not be asked for {len(outside) - len(tried)} of {len(outside)} modules"
        yield warning("imports", detail, fix=f"{case.python} -c 'import {next(iter(outside))}'")
    elif not wrong and not seen:
        yield well("imports", f"{len(outside)} modules, by {case.python}")
    elif world.settings.app.kind == "command" and len(wrong) == len(outside):
        yield warning("imports", "is app.python what app.command runs?", fix="see app.python in host.toml")


def _scripts(case: Case) -> list[str]:
    app = case.world.settings.app
    scripts = dict.fromkeys(one.script or app.script for one in case.world.settings.instances)
    return [script for script in scripts if script.endswith(".py")]


def _only_on_disk(case: Case, name: str, script: str) -> str | None:
    """Return the file of a module that lies in the checkout and is in no commit."""
    if _shared(case, name, script):
        return None
    paths = modules_of(name, PurePosixPath(script).parent)
    return next((path for path in paths if (case.root / path).is_file()), None)


def _shared(case: Case, name: str, script: str) -> bool:
    """Is the module a run-time file, which is linked into every slot?"""
    shared = [PurePosixPath(path) for path in case.world.settings.app.shared]
    paths = [PurePosixPath(path) for path in modules_of(name, PurePosixPath(script).parent)]
    return any(path.is_relative_to(one) for path in paths for one in shared)


def _import(case: Case, names: list[str]) -> dict[str, str]:
    """Return what is wrong with the import of each, nothing where it went well; the rest was not come to."""
    limit = seconds(case.world.settings.limits.checks)
    with (
        inside.imports(case.python, home=case.home.root, names=names) as running,
        contextlib.closing(Cancel()) as never,
    ):
        finished = running.wait(time.monotonic() + limit, never)
        return inside.import_results(running, finished=finished)


def streamlit(case: Case) -> Iterator[Diagnosis]:
    """Can the app's own Streamlit configuration be read, and what of it does not count here?"""
    settings = case.world.settings
    if settings.app.kind != "streamlit":
        return
    seen = backends.configs_in(settings, case.root, checkout=case.root, home=case.home, instances=settings.instances)
    said = False
    for script, config in seen.items():
        if config.unknown:
            said = True
            detail = f"{case.python} does not say which options are set for {script}: {config.unknown}"
            yield warning("streamlit", detail, fix=f"{case.python} -m streamlit config show")
        for what, remedy in dict.fromkeys(remarks(config, settings.instances)):
            said = True
            tell = problem if what in {one.what for one in config.problems} else warning
            yield tell("streamlit", what, fix=remedy)
        for path in _uncommitted(case, config):
            said = True
            detail = f"{path} is in no commit: what it sets counts for no release"
            yield warning("streamlit", detail, fix=f"git add -f {quoted(path)} && git commit {quoted(path)}")
    if not said:
        files = sorted({option.where for config in seen.values() for option in config.options.values()})
        versions = " and ".join(sorted({config.version for config in seen.values() if config.version}))
        yield well("streamlit", f"{versions} sets what {', '.join(files)} say" if files else "no option is set")


def _uncommitted(case: Case, config: StreamlitConfig) -> list[str]:
    """Return the files of the checkout that set something and that no slot gets."""
    shared = [PurePosixPath(path) for path in case.world.settings.app.shared]
    files = {option.where for option in config.options.values() if (case.root / option.where).is_file()}
    inside = sorted(path for path in files if not path.startswith(("/", "~")))
    return [
        path
        for path in inside
        if case.git.entry("HEAD", path) is None and not any(PurePosixPath(path).is_relative_to(one) for one in shared)
    ]


def signatures(case: Case) -> Iterator[Diagnosis]:
    """Can signatures be verified here, where they must be?"""
    mode = case.world.settings.app.require_signed
    if mode == "none":
        return
    named = case.git.configuration("gpg.format", local=False) or "openpgp"
    head = format_of(signature_of(case.git.run("cat-file", "commit", "HEAD")))
    known = {"ssh": b"-----BEGIN SSH SIGNATURE-----", "x509": b"-----BEGIN SIGNED MESSAGE-----"}
    signed_as = head or format_of(known.get(named, b"-----BEGIN PGP SIGNATURE-----"))
    missing = lacking(case.git, signed_as) if signed_as is not None else ""
    if missing:
        detail = f"{mode} must be signed, and no signature can be verified here: {missing}"
        yield problem("signatures", detail, fix="see docs/security.md, signatures")
    else:
        yield well("signatures", f"{mode} must be signed, and can be verified")
