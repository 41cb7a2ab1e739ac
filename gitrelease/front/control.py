"""What can the agent ask of the front? One JSON line each way over a unix socket of the same user.

{"verb": "switch", "instance", "host", "port", "backend"}  → {"microseconds"}
{"verb": "clear", "instance"}   hold new connections       → {}
{"verb": "status"}              → {"targets", "backends": {ID: {"open", "total"}}, "held", "failed"}
{"verb": "listeners"}           → {"names"}, the sockets beside it (SCM_RIGHTS)
{"verb": "stop"}                stop accepting, end when the open connections have
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from gitrelease.front.splice import Splicer
from gitrelease.front.targets import Target

_LONGEST = 65_536


class Control:
    """Answers the agent."""

    def __init__(self, splicer: Splicer, listeners: Mapping[str, socket.socket], stop: Callable[[], None]) -> None:
        self._splicer = splicer
        self._listeners = listeners
        self._stop = stop

    async def serve(self, server: socket.socket) -> None:
        """Accept and answer until cancelled; a client that misbehaves only ends its own connection."""
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, _ = await loop.sock_accept(server)
            except OSError:
                await asyncio.sleep(0.1)  # out of descriptors, say
                continue
            connection.setblocking(False)
            task = asyncio.ensure_future(self._talk(connection))
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
                sockets = [self._listeners[name].fileno() for name in answer["names"]]
                socket.send_fds(connection, [line], sockets)
            else:
                await loop.sock_sendall(connection, line)
        except OSError:
            return  # the agent went away; it asks again
        finally:
            connection.close()

    def _answer(self, connection: socket.socket, line: bytes) -> dict[str, Any]:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", packed)[1] != os.getuid():
            return {"error": "the front belongs to another user", "hint": f"Run as uid {os.getuid()}"}
        try:
            message = json.loads(line)
            verb = message["verb"]
            if verb == "switch":
                return self._switch(message)
            if verb == "clear":
                self._splicer.targets.current.pop(message["instance"], None)
                return {}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": f"not understood: {error!r}", "hint": "Client and front must be of one version"}
        if verb == "status":
            return self._status()
        if verb == "listeners":
            return {"names": list(self._listeners)}
        if verb == "stop":
            self._stop()
            return {}
        return {"error": f"there is no verb {verb!r}", "hint": "Client and front must be of one version"}

    def _switch(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["instance"] not in self._listeners:
            known = ", ".join(self._listeners)
            return {"error": f"there is no instance {message['instance']!r}", "hint": f"There is: {known}"}
        begun = time.perf_counter()
        target = Target(str(message["host"]), int(message["port"]), str(message["backend"]))
        self._splicer.targets.switch(message["instance"], target)
        self._splicer.changed()
        return {"microseconds": round((time.perf_counter() - begun) * 1e6, 1)}

    def _status(self) -> dict[str, Any]:
        targets = self._splicer.targets
        return {
            "targets": {name: [one.host, one.port, one.backend] for name, one in targets.current.items()},
            "backends": {name: {"open": count.open, "total": count.total} for name, count in targets.counts.items()},
            "held": targets.held,
            "failed": targets.failed,
        }
