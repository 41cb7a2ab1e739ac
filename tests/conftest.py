"""Git without the machine's own settings, and a production checkout to try things on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.checkout import Production, make_checkout
from tests.hermetic import compile_once, without_settings_of_this_machine
from tests.variants import IN_DEFAULT, in_default

# How long one example takes tells how busy the host is; what must be fast is measured by tests/benchmarks.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--take", action="store_true", help="write the snapshots of tests/snapshots anew")


def pytest_configure() -> None:
    compile_once()
    Production.forks = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    found: dict[str, set[str]] = {}
    for item in items:
        name, _, variant = item.name.partition("[")
        found.setdefault(name, set()).add(variant.removesuffix("]"))
        if not in_default(name, variant.removesuffix("]")):
            item.add_marker(pytest.mark.long)
    if not config.args or config.args == config.getini("testpaths"):  # else it may be a part of a test
        unknown = [f"{name}[{one}]" for name, kept in IN_DEFAULT.items() for one in {*kept} - found.get(name, set())]
        if unknown:
            raise pytest.UsageError(f"tests/variants.py names what is no test: {', '.join(unknown)}")


# Modules that one process runs as a whole: it makes once what their tests share, or they are over in no time.
WHOLE = re.compile(
    r"tests/core/|edges/test_documents"
    r"|stories/test_(bad_candidates|completion|dashboard|meaning|snapshots|streamlit)\w*\.py"
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let whole modules come first, so that nobody waits for one in the end; then tests, each where there is room."""
    from xdist.scheduler import LoadScopeScheduling

    class WholeModulesFirst(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if WHOLE.search(module) else nodeid

    return WholeModulesFirst(config, log) if config.getoption("dist") == "load" else None


@pytest.fixture(scope="session", autouse=True)
def hermetic_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Likewise for what a module makes once for all of its tests, before the first of them has its own home."""
    with pytest.MonkeyPatch.context() as patch:
        without_settings_of_this_machine(patch, tmp_path_factory.mktemp("home"))
        yield


@pytest.fixture(autouse=True)
def hermetic_git(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No settings of this machine, a fixed name and date: commit ids are the same everywhere."""
    without_settings_of_this_machine(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Production]:
    """A repository with the small server, not initialised yet."""
    production = make_checkout(tmp_path)
    yield production
    production.clear_away()


@pytest.fixture
def production(checkout: Production) -> Production:
    """A production checkout with release/1 live and good."""
    checkout.init().up()
    checkout.await_idle()
    return checkout
