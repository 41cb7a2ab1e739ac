"""What is said of the front, and of slots that are held: it is typed, and production serves as it should."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitrelease.edges.front import FrontControl, FrontGone
from gitrelease.edges.home import Home, short_name
from tests.checkout import Production, until
from tests.remedies import typed


@typed("edges.front._no_answer: gitrelease status")
def test_a_front_that_does_not_answer_comes_back_and_status_shows_that_it_serves(production: Production) -> None:
    agent, front = production.agent_pid(), production.front_pid()
    os.kill(agent, signal.SIGSTOP)  # it would start another one at once
    try:
        production.kill(front)
        with pytest.raises(FrontGone) as gone:
            FrontControl(Home(production.root / ".git").front_socket).status()
    finally:
        os.kill(agent, signal.SIGCONT)

    until(lambda: production.front_pid() != front, "it is started again by itself")
    until(lambda: production.answer() == "one revenue profit", "it serves")
    shown = production.type(gone.value.hint, "gitrelease status")
    assert f"127.0.0.1:{production.port} healthy" in shown.out


@contextmanager
def another_version(production: Production) -> Iterator[None]:
    """Let somebody answer at the front's control socket whose answers are not those of this version."""
    Home(production.root / ".git").front_socket.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        with short_name(Home(production.root / ".git").front_socket) as name:
            listener.bind(name)
        listener.listen()

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b'{"name": ["of another version"]}\n')

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@typed("edges.front._understood: gitrelease down", "edges.front._understood: gitrelease up")
def test_a_front_of_another_version_ends_with_its_agent_and_production_comes_up_again(production: Production) -> None:
    production.kill(production.agent_pid())
    front = production.front_pid()
    with another_version(production):
        refused = production.gitrelease("up")

        assert "the front's answer is not understood" in refused.words
        down = production.type(refused.said, "gitrelease down")
        assert down.code == 0, down.said
        assert production.marked() == []
        up = production.type(refused.said, "gitrelease up")

    assert up.code == 0, up.said
    assert production.front_pid() != front
    assert production.live() == "release/1"
    assert production.answer() == "one revenue profit"
