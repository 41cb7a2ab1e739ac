"""Answers the agent: one JSON line each way over a unix socket of the same user.

{"verb": "switch", "instance", "host", "port", "backend", "protocol"}  → {"microseconds"}
                                        protocol: "http" or "tcp", the latter where none is named
{"verb": "clear", "instance"}   hold new connections and requests → {}
{"verb": "status"}    → {"pid", "uptime_s", "instances": {NAME: {"target": {"host", "port", "backend", "protocol"} or
                         null, "backends": {ID: {"open", "total", "failed", "pages", "oldest_page_s"}}, "held",
                         "failed"}}}; open, total: requests and websockets, for tcp connections
{"verb": "sessions", "backend"} → {"sessions": [{"session", "open", "age_s", "proved"}]}, open or closed just now
{"verb": "move", "session", "backend", "ticket"}  → {}: the page comes to `backend` next, with `ticket` as its id
{"verb": "keep", "backends"}    forget every other backend with its sessions → {}
{"verb": "listeners"}           → {"names"}, the sockets beside it (SCM_RIGHTS), in the same order
{"verb": "stop", "seconds"}     accept no more, end when the open connections have, after `seconds` at the latest → {}

An answer may be {"error", "hint"} instead. One request a connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from gitrelease.front.accept import Acceptor
from gitrelease.front.hold import InstanceProxy
from gitrelease.front.sessions import Sessions
from gitrelease.front.targets import Target

_LONGEST = 65_536
_TICKET = re.compile(r"[A-Za-z0-9_-]{16,128}")  # what a websocket's protocol may be
_OTHER_VERSION = "Front and agent must be of one version; end both with: gitrelease down; then: gitrelease up"


class Refused(Exception):
    """A request that is not carried out."""

    def __init__(self, error: str, hint: str) -> None:
        super().__init__(error)
        self.answer = {"error": error, "hint": hint}


class Control:
    """Answers the agent; `stop` is called with the seconds that open connections are given."""

    def __init__(self, acceptor: Acceptor, stop: Callable[[float], None]) -> None:
        self._acceptor = acceptor
        self._stop = stop
        self._begun = time.monotonic()

    async def serve(self, server: socket.socket) -> None:
        """Accept and answer until cancelled; a client that misbehaves only ends its own connection."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, _ = await loop.sock_accept(server)
            except OSError:
                await asyncio.sleep(0.1)  # the host is out of descriptors: the client waits in the backlog
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._talk(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _talk(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        received = b""
        try:
            while b"\n" not in received and len(received) < _LONGEST:
                more = await loop.sock_recv(connection, _LONGEST)
                if not more:
                    return
                received += more
            answer = self._answer(connection, received.split(b"\n", 1)[0])
            line = json.dumps(answer).encode() + b"\n"
            if "names" in answer:
                sockets = [self._acceptor.listeners[name].fileno() for name in answer["names"]]
                socket.send_fds(connection, [line], sockets)
            else:
                await loop.sock_sendall(connection, line)
        except OSError:
            return  # the agent went away; it asks again
        finally:
            connection.close()

    def _answer(self, connection: socket.socket, line: bytes) -> dict[str, Any]:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        peer = struct.unpack("3i", packed)[1]
        try:
            if peer != os.getuid():
                raise Refused(
                    f"the front belongs to uid {os.getuid()}, you are uid {peer}",
                    f"Run it as that user: sudo -u '#{os.getuid()}' gitrelease …",
                )
            return self._perform(_read(line))
        except Refused as refused:
            return dict(refused.answer)

    def _perform(self, message: dict[str, Any]) -> dict[str, Any]:
        match message:
            case {"verb": "switch", "instance": name, "host": str(host), "port": int(port), "backend": str(backend)}:
                proxy, target = self._proxy(name), _target(host, port, backend, message.get("protocol", "tcp"))
                begun = time.perf_counter()
                proxy.switch(target)
                return {"microseconds": round((time.perf_counter() - begun) * 1e6, 1)}
            case {"verb": "clear", "instance": name}:
                self._proxy(name).switch(None)
                return {}
            case {"verb": "status"}:
                return {
                    "pid": os.getpid(),
                    "uptime_s": round(time.monotonic() - self._begun, 3),
                    "instances": {name: proxy.status() for name, proxy in self._acceptor.proxies.items()},
                }
            case {"verb": "sessions", "backend": str(backend)}:
                return {"sessions": self._sessions.of(backend, time.time())}
            case {"verb": "move", "session": str(session), "backend": str(backend), "ticket": str(ticket)}:
                self._move(session, backend, ticket)
                return {}
            case {"verb": "keep", "backends": list(backends)}:
                self._sessions.keep([str(backend) for backend in backends])
                return {}
            case {"verb": "listeners"}:
                return {"names": list(self._acceptor.listeners)}
            case {"verb": "stop", "seconds": int(seconds) | float(seconds)}:
                self._stop(seconds)
                return {}
            case _:
                raise Refused(f"not understood: {str(message)[:200]}", _OTHER_VERSION)

    @property
    def _sessions(self) -> Sessions:
        return next(iter(self._acceptor.proxies.values())).shared.sessions

    def _proxy(self, name: object) -> InstanceProxy:
        proxies = self._acceptor.proxies
        if not isinstance(name, str) or name not in proxies:
            raise Refused(f"there is no instance {name!r}", f"There is: {', '.join(proxies)}")
        return proxies[name]

    def _move(self, session: str, backend: str, ticket: str) -> None:
        if not _TICKET.fullmatch(ticket):
            raise Refused("a ticket has 16 to 128 letters, digits, '-' and '_'", _OTHER_VERSION)
        try:
            self._sessions.move(session, backend, ticket)
        except ValueError as error:
            raise Refused(str(error), "The page stays where it is") from error
        for proxy in self._acceptor.proxies.values():
            for page in tuple(proxy.pages):
                if page.session == session:
                    page.leave()


def _read(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {error}", _OTHER_VERSION) from error
    if not isinstance(message, dict):
        raise Refused(f"not an object: {line[:200]!r}", _OTHER_VERSION)
    return message


def _target(host: str, port: int, backend: str, protocol: object) -> Target:
    try:
        return Target(host, port, backend, str(protocol))
    except ValueError as error:
        raise Refused(str(error), "Give the address of a backend, such as 127.0.0.1 and 8600") from error
