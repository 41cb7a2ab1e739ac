"""Imports point one way: commands → agent → release → checks → edges → core. The core imports nothing that acts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gitrelease

PACKAGE = Path(gitrelease.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "app" not in path.relative_to(PACKAGE).parts)

# Of the standard library, what acts: reads the disk, the clock, the environment, the network.
ACTS = {
    "os",
    "subprocess",
    "socket",
    "time",
    "shutil",
    "tempfile",
    "threading",
    "requests",
    "psutil",
    "git",
    "watchdog",
}
# Who imports whom: a layer those before it, and itself. What lies in no package is one of the three below.
LAYERS = (
    "core",
    "profiles",
    "front",
    "inside",
    "notify",
    "edges",
    "world",
    "checks",
    "release",
    "recovery",
    "doctor",
    "agent",
    "commands",
    "cli",
)
ROOT = {"world": "world", "candidate": "world", "installation": "world", "cli": "cli", "__main__": "cli"}
BESIDE_COMMANDS = {"demo", "dashboard"}  # what a verb needs that is more than a file
# The watcher is given the world; it only reads paths and settings from it.
EXCEPTIONS = {("edges/watcher.py", "world")}
# What the app's interpreter may have: the companion needs none of it to start, and imports no library to write.
WITHIN_FUNCTIONS = {
    "inside/moving/frames.py": {"numpy", "pandas", "pyarrow"},
    "inside/moving/libraries.py": {"numpy", "PIL"},
    "inside/moving/parcel.py": {"google"},
    "inside/moving/uploads.py": {"tornado"},
}
ONLY_IN = {
    "git": "edges/git.py",
    "httptools": "front/messages.py",
    "psutil": "edges/process_table.py",
    "watchdog": "edges/watcher.py",
    "apprise": "notify/__main__.py",
}


def imports(path: Path) -> set[str]:
    """Return the full names of what a module imports, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def imported_at_once(path: Path) -> set[str]:
    """Return the names that a module imports when it is imported itself."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Try)]
    return {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} | {
        str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    }


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    found = parts[0] if len(parts) > 1 else ROOT.get(path.stem, "core")
    return "commands" if found in BESIDE_COMMANDS else found


def layer_of_module(module: str) -> str:
    parts = module.split(".")
    return "core" if len(parts) < 2 else "commands" if parts[1] in BESIDE_COMMANDS else ROOT.get(parts[1], parts[1])


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", [path for path in MODULES if layer(path) == "core"], ids=name)
def test_the_core_imports_only_the_core_and_does_nothing(path: Path) -> None:
    found = imports(path)

    assert not {one.split(".")[0] for one in found} & ACTS
    assert all(one.startswith("gitrelease.core") for one in found if one.startswith("gitrelease."))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    used = {layer_of_module(one) for one in imports(path) if one.startswith("gitrelease.")} & set(LAYERS)
    used -= {layer for where, layer in EXCEPTIONS if where == name(path)}

    above = LAYERS[LAYERS.index(layer(path)) + 1 :]
    assert used.isdisjoint(above)


def test_every_module_has_its_layer() -> None:
    assert {layer(path) for path in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", [path for path in MODULES if layer(path) in ("front", "inside")], ids=name)
def test_front_and_inside_need_little_more_than_the_standard_library(path: Path) -> None:
    import sys

    outside = {one.split(".")[0] for one in imports(path)} - set(sys.stdlib_module_names)
    outside -= {"session"} if name(path) == "inside/move_trial.py" else set()  # run by their paths, side by side

    allowed = {"front": {"httptools"}, "inside": {"streamlit", "click"}}[layer(path)]  # Streamlit brings click
    assert outside <= {"gitrelease", *allowed} | WITHIN_FUNCTIONS.get(name(path), set())
    assert not any(one.split(".")[0] in WITHIN_FUNCTIONS.get(name(path), set()) for one in imported_at_once(path))
    assert not any(one.startswith("gitrelease.") and ".front" not in one for one in imports(path))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_each_outside_library_has_one_door(path: Path) -> None:
    found = {one.split(".")[0] for one in imports(path)}

    assert all(name(path) == door for library, door in ONLY_IN.items() if library in found)


def splits_at_anything(node: ast.AST) -> bool:
    """Is it `git.text(…).splitlines()` or `.split()`: names and subjects may have in them what Python splits at."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr not in {"split", "splitlines"} or node.args:
        return False
    value = node.func.value
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr != "text":
        value = value.func.value
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith("git.text")


def test_what_git_lists_is_read_by_its_own_lines() -> None:
    nodes = ((name(path), node) for path in MODULES for node in ast.walk(ast.parse(path.read_text())))
    found = [(where, ast.unparse(node)) for where, node in nodes if splits_at_anything(node)]

    assert splits_at_anything(ast.parse("world.git.text('log').splitlines()", mode="eval").body)
    assert splits_at_anything(ast.parse("git.text('log').strip().split()", mode="eval").body)
    assert found == [], "take Git.lines"


def test_types_are_prepared_where_a_module_is_imported() -> None:
    """In `core/reading.py` it says why. What is made within a function, a second thread may need just then."""
    found = set()
    for path in MODULES:
        tree = ast.parse(path.read_text())
        within = {inner for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) for inner in ast.walk(one)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                what = ast.unparse(node.func)
                typed = any(keyword.arg == "type" for keyword in node.keywords)
                if (
                    what in ("msgspec.convert", "msgspec.json.Decoder")
                    or (what == "msgspec.json.decode" and typed)
                    or (what == "ReadAs" and node in within)
                ):
                    found.add(str(path.relative_to(PACKAGE)))
    assert found == {"core/reading.py", "edges/journal.py"}
