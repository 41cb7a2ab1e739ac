"""`gitrelease up --foreground`, for a service manager: it stays, says how it ended, and production ends with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gitrelease.commands.client import user
from gitrelease.edges.faults import FAULT, SIGNAL
from tests.checkout import PATIENCE, Production, until
from tests.remedies import typed


class Service:
    """The line that a service manager runs."""

    def __init__(self, production: Production, *, env: Mapping[str, str] | None = None) -> None:
        self.log: Path = production.root.parent / "service.log"
        command = [sys.executable, "-m", "gitrelease", "-C", str(production.root), "up", "--foreground"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def service(checkout: Production) -> Iterator[Service]:
    """A production that a service manager has brought up."""
    checkout.init()
    service = Service(checkout)
    until(lambda: checkout.live() == "release/1" and checkout.status()["instances"][0]["health"] == "healthy")
    yield service
    if service.process.poll() is None:
        service.end()


def test_production_ends_with_it_and_stays_down(checkout: Production, service: Service) -> None:
    backend = checkout.backend_pid()

    assert service.end() == 0

    assert not Path(f"/proc/{backend}").exists()
    checkout.commit_term("later")
    developer = checkout.clone()
    developer.commit_term("pushed")
    pushed = developer.push()
    assert pushed.code != 0
    assert "production is down, the service manager asked for it" in pushed.words
    assert not checkout.status()["agent"]["running"]


@pytest.mark.parametrize(
    "point", ["stage: started", "promote: live, not told", "up: production serves, the groups not yet"]
)
def test_production_that_is_told_to_end_on_its_way_up_stays_down(checkout: Production, point: str) -> None:
    checkout.init()
    service = Service(checkout, env={FAULT: point, SIGNAL: "STOP"})
    until(lambda: _state(service.process.pid) == "T", f"it is at {point!r}")
    started = checkout.marked()

    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGCONT)

    assert service.process.wait(timeout=PATIENCE) == 0, service.log.read_text()
    assert started
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "all that was started has ended")
    assert checkout.gitrelease("deploy").said.startswith("error: production is down, the service manager asked for it")
    assert not checkout.marked()


def _state(pid: int) -> str:
    """Return the letter that the kernel gives a process: T where it stands still."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_who_stops_and_starts_it_calls_that_no_recovery(checkout: Production, service: Service) -> None:
    service.end()
    again = Service(checkout)
    until(lambda: checkout.status()["instances"][0]["health"] == "healthy")
    assert checkout.gitrelease("down").code == 0
    again.process.wait(timeout=PATIENCE)

    assert '"recovered"' not in (checkout.home / "journal.jsonl").read_text()
    assert checkout.gitrelease("deploy").said.startswith(f"error: production is down, {user()} asked for it")


@typed("agent.agent.served_already: gitrelease status", "agent.agent.served_already: gitrelease down")
def test_a_second_one_is_told_and_the_first_goes_on(checkout: Production, service: Service) -> None:
    second = Service(checkout)

    assert second.process.wait(timeout=PATIENCE) == 6
    assert "another agent serves this checkout already" in second.log.read_text()
    assert service.process.poll() is None
    assert checkout.answer() == "one revenue profit"
    seen = checkout.type(second.log.read_text(), "gitrelease status")
    assert "live      release/1" in seen.out
    ended = checkout.type(second.log.read_text(), "gitrelease down")
    assert ended.code == 0, ended.said
    assert service.process.wait(timeout=PATIENCE) == 0
    assert not checkout.marked()


def test_it_takes_over_what_an_agent_in_the_background_looks_after(production: Production) -> None:
    backend, agent = production.backend_pid(), production.agent_pid()

    service = Service(production)

    until(lambda: production.state()["agent"]["pid"] not in (agent, None))
    assert production.agent_pid() == service.process.pid
    assert production.backend_pid() == backend
    assert production.live() == "release/1"
    assert service.end() == 0


def test_a_production_that_does_not_come_up_ends_it_with_the_reason(checkout: Production) -> None:
    checkout.init()
    with socket.create_server(("127.0.0.1", checkout.port)):
        service = Service(checkout)
        code = service.process.wait(timeout=PATIENCE)

    assert code == 2
    assert f"port {checkout.port}" in service.log.read_text()
    assert not checkout.status()["agent"]["running"]
