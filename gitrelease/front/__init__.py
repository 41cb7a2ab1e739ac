"""The proxy that owns the public ports: sends each request to the backend that has its page, and switches between two.

A process of its own, started as `python -m gitrelease.front` by the agent; the standard library and httptools only.
Sockets: poll.py, accept.py, upstream.py, hold.py, splice.py, tcp.py, http.py, exchange.py, page.py, control.py.
No I/O: messages.py, bodies.py, route.py, proof.py, sessions.py, websocket.py, targets.py.
"""
