"""How is data read as one of our types, in whatever thread? By what was prepared when its module was imported.

msgspec prepares a type when it is used for the first time, and a second thread that uses it meanwhile ends the process
by a segmentation fault (seen with 0.22). Whoever has several threads imports what they use before they start.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

Value = TypeVar("Value")


class ReadAs(Generic[Value]):
    """Reads JSON, or what was read from it, as `kind`. To be made where a module is imported, not where it is used."""

    def __init__(self, kind: type[Value]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, content: bytes) -> Value:
        """Return the value of a JSON text; `msgspec.DecodeError` where it is none, or none of that type."""
        return self._decoder.decode(content)

    def convert(self, value: object) -> Value:
        """Return what was read already as the type; `msgspec.ValidationError` where it is none of it."""
        return msgspec.convert(value, self._kind)
