"""The network between a browser and the host: it can fall silent, as when a laptop's lid closes or Wi-Fi is changed."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from dataclasses import dataclass, field

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing ends a connection with RST, and sends nothing that is left


@dataclass
class Connection:
    """One end that is the browser's and one that is the host's."""

    near: socket.socket
    far: socket.socket
    open_ends: set[socket.socket] = field(default_factory=set)


class Network:
    """Carries connections of 127.0.0.1:`port` to another port of this host, until it is closed."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._alarm, self._wake = socket.socketpair()
        self._lock = threading.Lock()  # held while something is carried, and while all is silent
        self._connections: list[Connection] = []
        self._forgotten: list[socket.socket] = []  # the host's ends of connections that the browser has given up
        self._over = False
        self._thread = threading.Thread(target=self._carry, name="network", daemon=True)
        self._thread.start()

    def fall_silent(self) -> None:
        """Carry nothing more, in either direction, and tell nobody; who connects waits."""
        self._lock.acquire()

    def come_back(self) -> None:
        """Carry again; the browser knows that its old connections are gone, the host is told nothing of them."""
        for one in self._connections:
            with contextlib.suppress(OSError):
                one.near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            one.near.close()
            self._forgotten.append(one.far)
        self._connections.clear()
        self._lock.release()
        self._alarm.send(b"!")

    def close(self) -> None:
        self._over = True
        self._alarm.send(b"!")
        self._thread.join(10)
        for one in (self._listener, self._alarm, self._wake, *self._forgotten):
            one.close()
        for connection in self._connections:
            connection.near.close()
            connection.far.close()

    def _carry(self) -> None:
        while not self._over:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake, selectors.EVENT_READ)
                selector.register(self._listener, selectors.EVENT_READ)
                with self._lock:
                    for one in self._connections:
                        for end in one.open_ends:
                            selector.register(end, selectors.EVENT_READ, one)
                ready = selector.select()
                with self._lock:
                    for key, _ in ready:
                        self._serve(key)

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._wake:
            self._wake.recv(CHUNK)
        elif key.fileobj is self._listener:
            near, _ = self._listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except ConnectionRefusedError:
                near.close()
            else:
                self._connections.append(Connection(near, far, {near, far}))
        elif key.data in self._connections:  # not given up meanwhile
            self._pass_on(key.data, key.fileobj)  # type: ignore[arg-type]

    def _pass_on(self, one: Connection, end: socket.socket) -> None:
        other = one.far if end is one.near else one.near
        try:
            read = end.recv(CHUNK)
            other.sendall(read) if read else other.shutdown(socket.SHUT_WR)
        except OSError:
            one.open_ends.clear()
        else:
            if not read:
                one.open_ends.discard(end)
        if not one.open_ends:
            one.near.close()
            one.far.close()
            self._connections.remove(one)
