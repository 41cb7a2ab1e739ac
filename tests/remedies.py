"""Which commands does gitrelease tell people to type, and which test has typed each of them?

A command is known by where the source says it, `module.function: command`, with the names of what is filled in. A test
that types it, in the state in which it is said, is marked with `@typed(...)`; `UNTYPED` has the reason of the others.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from gitrelease.core.remedy import Remedy

PACKAGE = Path(__file__).parent.parent / "gitrelease"
HOOKS = PACKAGE.parent / "hooks"
TESTS = Path(__file__).parent
NO_REMEDY = {"dashboard.__main__.main: gitrelease dashboard"}  # the name of a program in its help

Marked = TypeVar("Marked", bound=Callable[..., None])

ROOT = "needs root, or another user"
SYSTEMD = "needs systemd or cron as this host's init"
HOST = "changes or looks at the host itself: its disks, memory, limits"
SUPERVISOR = "needs supervisord, which is started by the host"
OTHER_HOST = "needs another host"
PACKAGES = "installs packages from an index"

UNTYPED: dict[str, str] = {
    "agent.agent._MORE_WATCHES: sysctl fs.inotify.max_user_watches fs.inotify.max_user_instances": HOST,
    "agent.clients.Clients.take: ulimit -u": HOST,
    "agent.desk.Desk._answer: sudo -u {getuid} gitrelease …": ROOT,
    "commands.dashboard._require_streamlit: {executable} -m pip install 'gitrelease[dashboard]'": PACKAGES,
    "commands.dashboard.exposure: ssh -L {port}:127.0.0.1:{port} USER@HOST": OTHER_HOST,
    "commands.demo._require_streamlit: {executable} -m pip install 'gitrelease[demo]'": PACKAGES,
    "commands.hook._require_own_uid: git push {ssh://{name}@HOST{root}": OTHER_HOST,
    "commands.service._next: loginctl enable-linger {user}": SYSTEMD,
    "commands.service._next: sudo systemctl": ROOT,
    "commands.service._next: systemctl --user": SYSTEMD,
    "commands.service.run: supervisorctl update": SUPERVISOR,
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
    "doctor.host.clock: timedatectl set-ntp true": ROOT,
    "doctor.host.disk: dmesg": HOST,
    "doctor.host.disk: mount -o remount,exec": HOST,
    "doctor.host.disk: mount -o remount,rw": HOST,
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
    "hooks.pre-receive: git push ssh://{owner}@HOST/DIR {branch}": OTHER_HOST,
    "installation.require_own_repository: sudo -u {name} gitrelease -C {root} init": ROOT,
    "installation.require_own_repository: sudo chown -R USER {root}": ROOT,
}


def typed(*_remedies: str) -> Callable[[Marked], Marked]:
    """Mark a test that types these remedies; `tests/test_remedies.py` reads it from the source."""
    return lambda test: test


def said_by_the_package() -> set[str]:
    """Return every command of a message in the package, and in the hooks that it installs."""
    files = (path for path in PACKAGE.rglob("*.py") if "demo/app" not in str(path))
    said = {remedy for path in files for remedy in _said_in(path)}
    return said - NO_REMEDY | {remedy for path in HOOKS.iterdir() for remedy in _said_in_hook(path)}


class Typing(NamedTuple):
    """A test that is marked, and the file that it is in."""

    name: str
    function: ast.FunctionDef
    module: ast.Module


def typed_by_tests() -> dict[str, list[Typing]]:
    """Return every command that tests are marked with, with those tests."""
    found: dict[str, list[Typing]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for test in functions_of(ast.parse(path.read_text())):
            for mark in _marks(test.function):
                found.setdefault(mark, []).append(test)
    return found


def functions_of(module: ast.Module) -> Iterator[Typing]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield Typing(node.name, node, module)


def types(test: Typing, mark: str) -> bool:
    """Does a test call `type` of a checkout with the command of its mark? What is filled in may be anything."""
    command = mark.split(": ", 1)[1]
    return any(_same(_pieces(command), _pieces(typed)) for typed in _typed_in(test))


def _typed_in(test: Typing) -> Iterator[str]:
    """Yield what a test types; where it is handed over by name, every text of the test, and of what it is given."""
    known = {
        name: texts[0] for name, node in _named(*ast.walk(test.function)) if len(texts := list(_texts_of(node))) == 1
    }
    for call in ast.walk(test.function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "type":
            for argument in call.args[1:]:
                if isinstance(argument, ast.Constant | ast.JoinedStr):
                    for text in _texts_of(argument):
                        yield re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)
                else:
                    yield from _given_to(test)


def _given_to(test: Typing) -> Iterator[str]:
    """Yield every text of a test but its marks, also of what the file calls by a name that the test has."""
    nodes = [*test.function.body, *(one for one in test.function.decorator_list if not _is_mark(one))]
    used = {node.id for one in nodes for node in ast.walk(one) if isinstance(node, ast.Name)}
    for node in (*nodes, *(value for name, value in _named(*test.module.body) if name in used)):
        yield from _texts_of(node)


def _named(*nodes: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _texts_of(node: ast.AST) -> Iterator[str]:
    held = ast.Expr(value=ast.Tuple(elts=[node])) if isinstance(node, ast.expr) else node
    yield from (text for _, text in _texts(ast.Module(body=[held], type_ignores=[]), ()))  # type: ignore[list-item]


def _pieces(text: str) -> tuple[str | None, ...]:
    """Return the characters of a text, None for what is filled in."""
    parts = re.split(r"\{\S*\}", text)
    pieces: list[str | None] = list(parts[0])
    for part in parts[1:]:
        pieces += [None, *part]
    return tuple(pieces)


def _same(one: tuple[str | None, ...], other: tuple[str | None, ...]) -> bool:
    """Can two texts with things to be filled in be the same? They begin with the same word."""

    @functools.cache
    def same(here: int, there: int) -> bool:
        if here == len(one) and there == len(other):
            return True
        if here < len(one) and one[here] is None:
            return same(here + 1, there) or (there < len(other) and same(here, there + 1))
        if there < len(other) and other[there] is None:
            return same(here, there + 1) or (here < len(one) and same(here + 1, there))
        return here < len(one) and there < len(other) and one[here] == other[there] and same(here + 1, there + 1)

    return (not other or other[0] is not None) and same(0, 0)


def _marks(test: ast.FunctionDef) -> Iterator[str]:
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and _is_mark(mark):
            yield from (ast.literal_eval(argument) for argument in mark.args)


def _is_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == typed.__name__


def _said_in_hook(path: Path) -> Iterator[str]:
    """Yield the commands of what a hook says; what it fills in, or `init` does, is named as in Python."""
    for text in re.findall(r'echo "([^"]*)"', path.read_text()):
        for command in Remedy(re.sub(r"@(\w+)@|\$(\w+)", r"{\1\2}", text).strip()).commands:
            yield f"hooks.{path.name}: {command}"


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
