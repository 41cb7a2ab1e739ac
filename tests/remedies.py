"""Which commands does gitrelease tell people to type, and which test has typed each of them?

A command is known by where the source says it, `module.function: command`, with the names of what is filled in. A test
that types it, in the state in which it is said, is marked with `@typed(...)`; `UNTYPED` has the reason of the others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gitrelease.core.remedy import Remedy

PACKAGE = Path(__file__).parent.parent / "gitrelease"
TESTS = Path(__file__).parent
NO_REMEDY = {"dashboard.__main__.main: gitrelease dashboard"}  # the name of a program in its help

Test = TypeVar("Test", bound=Callable[..., None])

ROOT = "needs root, or another user"
SYSTEMD = "needs systemd or cron as this host's init"
HOST = "changes or looks at the host itself: its disks, memory, limits"
OTHER_HOST = "needs another host"
PACKAGES = "installs packages from an index"

UNTYPED: dict[str, str] = {
    "agent.agent._MORE_WATCHES: sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances": HOST,
    "agent.clients.Clients.take: ulimit -u": HOST,
    "agent.desk.Desk._answer: sudo -u {getuid} gitrelease …": ROOT,
    "commands.dashboard._require_streamlit: {executable} -m pip install 'gitrelease[dashboard]'": PACKAGES,
    "commands.demo._require_streamlit: {executable} -m pip install 'gitrelease[demo]'": PACKAGES,
    "commands.hook._require_own_uid: git push {ssh://{name}@HOST{root}": OTHER_HOST,
    "commands.service._next: loginctl enable-linger {user}": SYSTEMD,
    "commands.service._next: sudo systemctl": ROOT,
    "commands.service._next: systemctl --user": SYSTEMD,
    "commands.service._unit: sudo {line}": ROOT,
    "commands.service.describe: sudo chown -R USER {root}": ROOT,
    "commands.uninstall._still_starting: sudo rm {path}": ROOT,
    "core.errors._OF_HOST: dmesg": HOST,
    "core.errors._OF_HOST: free -m": HOST,
    "core.errors._OF_HOST: mount -o remount,rw": HOST,
    "core.errors._OF_HOST: quota -s": HOST,
    "core.errors._OF_HOST: sudo chown -R USER {0}": ROOT,
    "core.errors._OF_HOST: sysctl fs.file-max": HOST,
    "core.errors._OF_HOST: ulimit -n": HOST,
    "core.errors._OF_HOST: ulimit -u": HOST,
    "core.service.unit: systemctl --user": SYSTEMD,
    "doctor.app.imports: {python} -m pip install the package that has {…}": PACKAGES,
    "doctor.case._not_ours: sudo -u {owner} gitrelease -C DIR doctor": ROOT,
    "doctor.examine._within: dmesg": HOST,
    "doctor.examine._within: ps -ef": HOST,
    "doctor.host.disk: dmesg": HOST,
    "doctor.host.disk: mount -o remount,exec": HOST,
    "doctor.host.disk: mount -o remount,rw": HOST,
    "doctor.host.memory: free -m": HOST,
    "doctor.host.rights: sudo chown -R {getuid}:{getgid} {directory}": ROOT,
    "doctor.host.rights: sudo chown {getuid} {root}": ROOT,
    "doctor.repository.safe_directory: sudo chown -R {getuid} {trusted}": ROOT,
    "doctor.running._by_cron: service cron start": SYSTEMD,
    "doctor.running.boot: gitrelease service": SYSTEMD,
    "doctor.running.boot: loginctl enable-linger {user}": SYSTEMD,
    "edges.git._not_trusted: sudo -u {owner} gitrelease …": ROOT,
    "edges.home.Home.not_ours: sudo -u {owner} gitrelease …": ROOT,
    "edges.hooks.shim_source: pip install --force-reinstall …": PACKAGES,
    "edges.interpreter.require: {python} -m pip install streamlit": PACKAGES,
    "edges.settings.of_host: sudo chown {getuid} {file}": ROOT,
    "edges.units.Found.manager: sudo systemctl": ROOT,
    "edges.units.Found.manager: systemctl --user": SYSTEMD,
    "edges.units._require_ours: gitrelease service --system --name NAME": ROOT,
    "edges.units._require_ours: sudo systemctl edit": ROOT,
    "edges.units._require_ours: systemctl --user edit": SYSTEMD,
    "front.control.Control._answer: sudo -u '#{getuid}' gitrelease …": ROOT,
    "installation.require_own_repository: sudo -u {name} gitrelease -C {root} init": ROOT,
    "installation.require_own_repository: sudo chown -R USER {root}": ROOT,
    "release.drill.drill: free -m": HOST,
    "release.room.hint: free -m": HOST,
}


def typed(*_remedies: str) -> Callable[[Test], Test]:
    """Mark a test that types these remedies; `tests/test_remedies.py` reads it from the source."""
    return lambda test: test


def said_by_the_package() -> set[str]:
    """Return every command of a message in the package."""
    files = (path for path in PACKAGE.rglob("*.py") if "demo/app" not in str(path))
    return {remedy for path in files for remedy in _said_in(path)} - NO_REMEDY


def typed_by_tests() -> dict[str, ast.FunctionDef]:
    """Return every command that a test is marked with, with that test."""
    found = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found.update(dict.fromkeys(_marks(node), node))
    return found


def types_something(test: ast.FunctionDef) -> bool:
    """Does a test call `type` of a checkout?"""
    calls = (node.func for node in ast.walk(test) if isinstance(node, ast.Call))
    return any(isinstance(called, ast.Attribute) and called.attr == "type" for called in calls)


def _marks(test: ast.FunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == typed.__name__:
            yield from (ast.literal_eval(argument) for argument in mark.args)


def _said_in(path: Path) -> Iterator[str]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    module = ".".join(part for part in parts if part != "__init__")
    for where, text in _texts(ast.parse(path.read_text()), ()):
        for command in Remedy(text.replace("gitrelease{where}", "gitrelease -C {where}")).commands:
            yield f"{'.'.join((module, *where))}: {command}"


def _texts(node: ast.AST, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every text below a node with the functions around it; docstrings and the help of options are none."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield from _texts(child, (*where, name))
            case ast.Assign(targets=[ast.Name(id=name)]) if not where:
                yield from _texts(child, (name,))
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Call(func=ast.Name(id="Option" | "Argument") | ast.Attribute(attr="Option" | "Argument")):
                pass
            case ast.JoinedStr(values=values):
                yield where, "".join(_part(value) for value in values)
            case ast.Constant(value=str() as text):
                yield where, text
            case _:
                yield from _texts(child, where)


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.FormattedValue):
        return f"{{{_name(value.value)}}}"
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _name(value: ast.expr) -> str:
    """Return what is filled in, by its last name: `commit` for `short(candidate.commit)`."""
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
        case ast.Subscript(value=inner) | ast.Call(args=[inner, *_]) | ast.Call(func=inner):
            return _name(inner)
        case ast.JoinedStr(values=values):
            return "".join(_part(one) for one in values).strip("{}")
    return "…"
