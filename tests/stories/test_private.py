"""What belongs to this host is its owner's alone: files, sockets, and whoever asks on them."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import Production

NOBODY = 65534


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A user who lets everybody read and write all that is made."""
    old = os.umask(0)
    yield
    os.umask(old)


def test_nothing_is_open_to_others_whatever_the_umask_says(open_umask: None, checkout: Production) -> None:
    checkout.init().up()
    developer = checkout.clone()
    developer.commit_version("two")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    developer.commit_term("carbon footprint")
    developer.push("origin", "HEAD:other")
    assert checkout.gitrelease("deploy", "other").code == 0
    checkout.commit("A poke by a hook", **{})
    assert checkout.gitrelease("rollback").code == 0
    checkout.gitrelease("check", "other")

    loose = [f"{mode:o} {path.relative_to(checkout.home)}" for path, mode in modes(checkout.home) if mode & 0o077]

    assert loose == []


def modes(home: Path) -> Iterator[tuple[Path, int]]:
    """Yield everything under `.git/gitrelease/`; what is in a slot is the app's, behind a folder that is closed."""
    yield home, stat.S_IMODE(home.stat().st_mode)
    for folder, names, files in os.walk(home):
        for name in [*names, *files]:
            path = Path(folder) / name
            if path.parent.parent != home / "slots" and not (path.parent == home / "slots" and path.is_dir()):
                yield path, stat.S_IMODE(path.lstat().st_mode)
        if Path(folder) == home / "slots":
            names.clear()


def test_push_options_are_kept_from_others_while_they_wait(open_umask: None, production: Production) -> None:
    """The file is there only until `update` has read it: seen from a hook of the repository's own."""
    seen = production.root.parent / "seen"
    chained = production.root / ".git" / "hooks" / "update.chained"
    chained.write_text(f'#!/bin/sh\nstat -c %a "{production.home}"/push/* >> "{seen}"\n')
    chained.chmod(0o755)
    developer = production.clone()
    developer.commit_version("two")

    assert developer.push("-o", "approve", "origin", "deploy").code == 0

    assert seen.read_text().split() == ["600"]


@pytest.mark.parametrize(
    ("name", "request_line", "remedy"),
    [
        pytest.param("agent.sock", {"protocol": 1, "verb": "status", "arguments": {}}, "sudo -u", id="agent"),
        pytest.param("front.sock", {"verb": "status"}, "sudo -u", id="front"),
    ],
)
def test_another_user_is_refused_with_the_remedy(
    production: Production, name: str, request_line: dict[str, object], remedy: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    path = production.home / "run" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o666)  # as if somebody had opened it: who asks is looked at all the same
    path.parent.chmod(0o711)
    answer = as_another_user(path, request_line)

    refusal = answer.get("end", answer)
    assert "belongs to" in refusal["error"]
    assert remedy in refusal["hint"]


def as_another_user(path: Path, request: dict[str, object]) -> dict[str, Any]:
    """Ask on a socket as nobody, whose process starts in the folder that it may not walk to."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(path.parent)
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path.name)
            connection.sendall(json.dumps(request).encode() + b"\n")
            os.write(writer, connection.makefile("rb").readline())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answered:
        line = answered.read()
    os.waitpid(pid, 0)
    answer: dict[str, Any] = json.loads(line)
    return answer


def test_production_listens_on_loopback_unless_it_is_told_otherwise(production: Production) -> None:
    assert listening(production.front_pid()) == {("127.0.0.1", production.port)}


def test_production_listens_where_the_host_says(checkout: Production) -> None:
    checkout.init()
    host = checkout.home / "host.toml"
    host.write_text(host.read_text().replace("[[instance]]\n", '[[instance]]\naddress = "0.0.0.0"\n'))

    checkout.up()

    assert listening(checkout.front_pid()) == {("0.0.0.0", checkout.port)}  # noqa: S104  # what is asked for


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses that a process listens on, as the kernel has them."""
    inodes = {str(handle.readlink()) for handle in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
            address, port = words[1].split(":")
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    return found
