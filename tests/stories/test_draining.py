"""How long an old process stays for those who are connected to it, and what keeps it from being ended too soon."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gitrelease.edges.front import FrontControl
from gitrelease.edges.slots import NAMES
from gitrelease.release.drain import SHOWN, drain
from gitrelease.release.production import PageMoves
from gitrelease.release.production import Production as ServingSide
from gitrelease.release.running import Leaving, Running, read_running
from gitrelease.world import open_world
from tests.checkout import Production, until

SLOW = """\
import pathlib
import time


class Slow(Answer):
    def do_GET(self):
        while self.path == "/slow" and pathlib.Path({gate!r}).exists():
            time.sleep(0.05)
        super().do_GET()


Answer = Slow

"""


@contextlib.contextmanager
def slow_request(checkout: Production) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", checkout.port, timeout=60)) as connection:
        connection.request("GET", "/slow")
        yield connection


@contextlib.contextmanager
def under_way(checkout: Production, gate: Path, *, cut_off: bool = False) -> Iterator[None]:
    """Production serves somebody whose request goes on as long as the context is open, unless it is `cut_off`."""
    main = 'if __name__ == "__main__":\n'
    checkout.replace("server.py", main, SLOW.format(gate=str(gate)) + main)
    checkout.commit("Slow where a file says so")
    checkout.init().up().await_idle()
    gate.touch()
    with slow_request(checkout) as connection:
        yield
        gate.unlink()
        assert cut_off or connection.getresponse().read() == b"one revenue profit"


def running(production: Production) -> Running:
    return read_running(production.home / "run" / "processes.json")


def test_the_time_of_pages_counts_from_when_their_release_was_left(checkout: Production, tmp_path: Path) -> None:
    """It stands by first: the release after that must not begin their half an hour anew."""
    with under_way(checkout, tmp_path / "gate"):
        checkout.commit_term("second")
        checkout.await_live("release/2")
        checkout.await_idle()
        moves_at = running(checkout).standby_moves_at
        checkout.commit_term("third")
        checkout.await_live("release/3")

        (leaving,) = running(checkout).leaving

    assert leaving.number == 1
    assert leaving.moves_at == moves_at


class Old:
    """The process of release/1, which has to end, as whoever looks after production sees it."""

    def __init__(self, production: Production, *, must_end: bool, rest: float = -1) -> None:
        production.commit_term("second")
        production.await_live("release/2")
        production.await_idle()
        found = running(production)
        assert found.standby is not None
        (worker,) = found.standby.workers.values()
        self.identity = worker.backend.identity
        over = Leaving(worker.backend, until=time.time() + rest, number=1, instance="primary", must_end=must_end)
        production.kill(production.agent_pid())
        world = open_world(production.root)
        self.side = ServingSide(world, FrontControl(world.home.front_socket), found, world.journal.memory())
        self.side.running = msgspec.structs.replace(found, standby=None, leaving=(over,))
        self.moves = self.side.moves[worker.backend.id] = PageMoves()

    def look(self) -> None:
        drain(self.side, now=time.time())


def test_a_process_is_not_ended_while_its_pages_are_being_handed_over(production: Production) -> None:
    """Documents of many pages may take longer than an old process has: each transfer has its own limit."""
    old = Old(production, must_end=True)

    with old.moves.lock:
        old.look()
        assert old.identity.alive
    old.look()

    until(lambda: not old.identity.alive, "it ends")
    assert production.answer() == "one revenue second profit"


def test_a_process_stays_while_a_page_that_has_moved_may_show_what_it_made(production: Production) -> None:
    old = Old(production, must_end=False, rest=60)
    moves, now = old.moves, time.time()

    moves.moved_at, moves.shown_at = now - SHOWN - 1, 0
    old.look()
    assert old.identity.alive
    moves.moved_at = moves.shown_at = now - SHOWN + 5
    old.look()
    assert old.identity.alive
    moves.moved_at, moves.shown_at = now - SHOWN - 1, now - SHOWN
    old.look()

    until(lambda: not old.identity.alive, "it ends")


@pytest.mark.parametrize("must_end", [False, True])
def test_pages_that_cannot_move_stay_until_they_are_closed_unless_their_process_must_end(
    checkout: Production, tmp_path: Path, must_end: bool
) -> None:
    """Its release is bad, say, or its room is needed."""
    with under_way(checkout, tmp_path / "gate", cut_off=must_end):
        old = Old(checkout, must_end=must_end)
        old.moves.stayed, old.moves.open = {"page": "its browser keeps no cookies"}, {"page"}
        old.look()
        assert old.identity.alive == (not must_end)

    def ended() -> bool:
        old.look()
        return not old.identity.alive

    until(ended, "it ends once nobody is there")


@pytest.mark.long
def test_where_slots_are_short_the_oldest_process_makes_room(checkout: Production, tmp_path: Path) -> None:
    """With as many old releases kept as can be, each of which somebody uses, the next release would find no slot."""
    checkout.replace("gitrelease.toml", "[[region]]", "[sessions]\nkeep = 4\n\n[[region]]")
    with contextlib.ExitStack() as people:
        people.enter_context(under_way(checkout, tmp_path / "gate", cut_off=True))
        oldest = running(checkout).live
        assert oldest is not None
        for number in range(2, len(NAMES) + 2):
            people.enter_context(slow_request(checkout))
            checkout.commit_term(f"term {number}")
            checkout.await_live(f"release/{number}")
            checkout.await_idle()

        assert not any(backend.identity.alive for backend in oldest.backends)
        assert "slots are short: gave up an old backend of" in checkout.agent_log()
        assert len(running(checkout).leaving) == len(NAMES) - 2
