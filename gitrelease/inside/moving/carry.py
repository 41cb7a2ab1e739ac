"""Values of a session as tagged JSON and blobs, without pickle: what cannot be carried is named, never guessed.

A value becomes a tree of JSON and a list of byte strings that the tree refers to by number. None, bool, small int, str
and list are themselves; everything else is {"t": tag, "v": ...}. Only exact types are carried: an object of the app's
own class would run code of one release with data of another. Shared references inside of one value come back equal,
not identical; a value that holds itself is not carried.

Reading is strict: an unknown tag, a wrong shape or a blob that is used twice or never is `Malformed`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

LIMIT = 64 << 20  # bytes of one session's values
DEEPEST = 100  # containers inside of containers
PLAIN_INT = 1 << 53  # what every reader of JSON takes exactly
NODE = 16  # bytes that any value is counted with, so that no number of small ones passes the limit

Node = Any  # JSON
Encoder: TypeAlias = "Callable[[Any, Writer], Node]"
Decoder: TypeAlias = "Callable[[Node, Reader], Any]"


class CannotCarry(Exception):
    """A value is not carried; the message says why, without its content."""


class Malformed(Exception):
    """What was received was not written by this module."""


class Unavailable(Exception):
    """A value was written well and cannot be made here, for lack of its library; the message says of which."""


class Writer:
    """Writes values down: `encoder_of` returns the encoder of a type, `limit` is in bytes for all of them."""

    def __init__(self, encoder_of: Callable[[type], tuple[str, Encoder] | None], limit: int = LIMIT) -> None:
        self.blobs: list[Any] = []
        self.left = limit
        self._limit = limit
        self._encoder_of = encoder_of
        self._open: list[int] = []

    def value(self, value: Any) -> Node:
        """Return the tree of a value; on `CannotCarry` nothing of it is left behind."""
        kept, left = len(self.blobs), self.left
        self._open = []
        try:
            return self.node(value)
        except CannotCarry:
            self._undo(kept, left)
            raise
        except Exception as error:  # whatever a library raises over its own object, or a mutation under way
            self._undo(kept, left)
            raise CannotCarry(f"{name_of(value)} could not be read: {type(error).__name__}") from error

    def _undo(self, kept: int, left: int) -> None:
        del self.blobs[kept:]
        self.left = left

    def node(self, value: Any) -> Node:
        """Return the tree of a value inside of another one."""
        self.spend(NODE)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -PLAIN_INT < value < PLAIN_INT else {"t": "int", "v": hex(value)}
        if kind is str:
            return self._text(value)
        tag, encode = self._encoder_of(kind) or _refuse(value)
        if id(value) in self._open:
            raise CannotCarry("it holds itself")
        if len(self._open) >= DEEPEST:
            raise CannotCarry(f"it is nested more than {DEEPEST} deep")
        self._open.append(id(value))
        written = encode(value, self)
        self._open.pop()
        return written if kind is list else {"t": tag, "v": written}

    def _text(self, value: str) -> Node:
        self.spend(len(value))
        try:
            value.encode()
        except UnicodeEncodeError:
            # JSON would join two halves of a surrogate pair that stand beside each other.
            return {"t": "str", "v": value.encode("utf-32-be", "surrogatepass").hex()}
        return value

    def nodes(self, values: Any) -> list[Node]:
        """Return the trees of several values."""
        return [self.node(value) for value in values]

    def blob(self, content: Any) -> int:
        """Keep bytes beside the tree; return their number."""
        self.spend(memoryview(content).nbytes)
        self.blobs.append(content)
        return len(self.blobs) - 1

    def spend(self, count: int) -> None:
        """Count `count` bytes against the limit."""
        self.left -= count
        if self.left < 0:
            raise CannotCarry(f"there is more than {self._limit >> 20} MB")


class Reader:
    """Reads what a `Writer` wrote, with decoders by tag; each blob is read exactly once."""

    def __init__(self, blobs: list[bytes], decoders: dict[str, Decoder]) -> None:
        self._blobs: list[bytes | None] = list(blobs)
        self._decoders = decoders

    def value(self, node: Node) -> Any:
        """Return the value of a tree."""
        kind = type(node)
        if node is None or kind in (bool, int):
            return node
        if kind is str:
            return node
        if kind is list:
            return [self.value(one) for one in node]
        if kind is not dict or set(node) != {"t", "v"} or type(node["t"]) is not str:
            raise Malformed("a value is neither plain nor tagged")
        decode = self._decoders.get(node["t"])
        if decode is None:
            raise Malformed(f"the tag {node['t'][:40]!r} is not known")
        try:
            return decode(node["v"], self)
        except (Malformed, Unavailable):
            raise
        except Exception as error:
            raise Malformed(f"a value of the tag {node['t']!r} is not readable: {type(error).__name__}") from error

    def blob(self, number: Node) -> bytes:
        """Return the bytes of a number."""
        if type(number) is not int or not 0 <= number < len(self._blobs):
            raise Malformed("a value refers to bytes that were not sent")
        content = self._blobs[number]
        if content is None:
            raise Malformed("two values refer to the same bytes")
        self._blobs[number] = None
        return content

    def end(self) -> None:
        """`Malformed` when something was sent that no value refers to."""
        if any(content is not None for content in self._blobs):
            raise Malformed("bytes were sent that no value refers to")


def _refuse(value: Any) -> Any:
    raise CannotCarry(f"{name_of(value)} cannot be carried")


def name_of(value: Any) -> str:
    """Return the name of a value's class, for people."""
    return type(value).__qualname__[:80]


def expect(node: Node, *kinds: type) -> list[Any]:
    """Return the parts of a list of exactly these JSON types; `Malformed` where it is none."""
    if type(node) is not list or len(node) != len(kinds):
        raise Malformed("a value has the wrong number of parts")
    for part, kind in zip(node, kinds):  # noqa: B905  # of the same length; `strict` is not in Python 3.8
        if kind is not object and type(part) is not kind:
            raise Malformed("a part of a value has the wrong type")
    return node


def text(node: Node) -> str:
    """Return a JSON string; `Malformed` where it is none."""
    if type(node) is not str:
        raise Malformed("a value is no text")
    return node


def unlike(value: Any) -> CannotCarry:
    """Return the refusal of a value that is another one once it was written down and read."""
    return CannotCarry(f"{name_of(value)} does not survive being written down")


def need(*names: str) -> None:
    """Import libraries to read what was written with them; `Unavailable` where one is missing."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise Unavailable(f"{name} is not installed here") from error
