"""Values of the standard library: containers, numbers, moments, names and buffers."""

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

from .carry import CannotCarry, Decoder, Encoder, Malformed, Node, Reader, Writer, expect, text

# -- containers --------------------------------------------------------------------------------------------------


def _pairs(value: Any, writer: Writer) -> Node:
    return [[writer.node(key), writer.node(one)] for key, one in value.items()]


def _read_pairs(node: Node, reader: Reader) -> list[tuple[Any, Any]]:
    if type(node) is not list:
        raise Malformed("a mapping is no list of pairs")
    return [(reader.value(key), reader.value(one)) for key, one in (expect(pair, object, object) for pair in node)]


def _mapping(make: Callable[[list[tuple[Any, Any]]], Any]) -> Decoder:
    def decode(node: Node, reader: Reader) -> Any:
        value = make(_read_pairs(node, reader))
        if len(value) != len(node):
            raise Malformed("a mapping has a key twice")
        return value

    return decode


def _read_members(node: Node, reader: Reader) -> list[Any]:
    if type(node) is not list:
        raise Malformed("a collection is no list")
    return [reader.value(one) for one in node]


def _unique(make: Callable[[list[Any]], Any]) -> Decoder:
    def decode(node: Node, reader: Reader) -> Any:
        value = make(_read_members(node, reader))
        if len(value) != len(node):
            raise Malformed("a set has a member twice")
        return value

    return decode


def _members(value: Any, writer: Writer) -> Node:
    return writer.nodes(value)


# The factories of a defaultdict that are carried: by name, never by what somebody sends.
_FACTORIES: dict[str, Any] = {"": None, "list": list, "dict": dict, "set": set, "int": int, "float": float, "str": str}


def _defaultdict(value: Any, writer: Writer) -> Node:
    for name, factory in _FACTORIES.items():
        if value.default_factory is factory:
            return [name, _pairs(value, writer)]
    raise CannotCarry("a defaultdict with a factory of the app cannot be carried")


def _read_defaultdict(node: Node, reader: Reader) -> Any:
    name, pairs = expect(node, str, list)
    value: Any = collections.defaultdict(_FACTORIES[name])
    value.update(_read_pairs(pairs, reader))
    if len(value) != len(pairs):
        raise Malformed("a mapping has a key twice")
    return value


def _read_deque(node: Node, reader: Reader) -> Any:
    longest, members = expect(node, object, list)
    return collections.deque(_read_members(members, reader), reader.value(longest))


# -- numbers, moments, names ---------------------------------------------------------------------------------------


def _read_int(node: Node, _: Reader) -> int:
    return int(text(node), 16)


def _read_str(node: Node, _: Reader) -> str:
    return bytes.fromhex(text(node)).decode("utf-32-be", "surrogatepass")


def _read_complex(node: Node, _: Reader) -> complex:
    real, imaginary = expect(node, str, str)
    return complex(float.fromhex(real), float.fromhex(imaginary))


def _read_range(node: Node, reader: Reader) -> range:
    start, stop, step = (reader.value(part) for part in expect(node, object, object, object))
    return range(start, stop, step)


def _timedelta(value: datetime.timedelta, _: Writer) -> Node:
    return [value.days, value.seconds, value.microseconds]


def _read_timedelta(node: Node, _: Reader) -> datetime.timedelta:
    days, seconds, microseconds = expect(node, int, int, int)
    return datetime.timedelta(days, seconds, microseconds)


def _timezone(value: datetime.timezone, writer: Writer) -> Node:
    offset = value.utcoffset(None)
    name = value.tzname(None)
    named = name != datetime.timezone(offset).tzname(None)
    return [_timedelta(offset, writer), name if named else None]


def _read_timezone(node: Node, reader: Reader) -> datetime.timezone:
    offset, name = expect(node, list, object)
    delta = _read_timedelta(offset, reader)
    return datetime.timezone(delta) if name is None else datetime.timezone(delta, text(name))


def _datetime(value: datetime.datetime, writer: Writer) -> Node:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, writer.node(value.tzinfo)]


def _read_datetime(node: Node, reader: Reader) -> datetime.datetime:
    moment, fold, zone = expect(node, str, int, object)
    return datetime.datetime.fromisoformat(moment).replace(fold=fold, tzinfo=reader.value(zone))


def _time(value: datetime.time, writer: Writer) -> Node:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, writer.node(value.tzinfo)]


def _read_time(node: Node, reader: Reader) -> datetime.time:
    moment, fold, zone = expect(node, str, int, object)
    return datetime.time.fromisoformat(moment).replace(fold=fold, tzinfo=reader.value(zone))


def _path(value: Any, writer: Writer) -> Node:
    if type(value)(str(value)) != value:
        raise CannotCarry("a path that its own text does not name cannot be carried")
    return writer.node(str(value))


# -- buffers -------------------------------------------------------------------------------------------------------


def _blob(value: Any, writer: Writer) -> Node:
    return writer.blob(bytes(value))


def _bytes_io(value: Any, writer: Writer) -> Node:
    content, position, attributes = value.__getstate__()
    # Apps give a buffer a `name`, so that readers know what it holds.
    return [writer.blob(content), position, _pairs(attributes or {}, writer)]


def _read_bytes_io(node: Node, reader: Reader) -> io.BytesIO:
    content, position, attributes = expect(node, int, int, list)
    value = io.BytesIO()
    value.__setstate__((reader.blob(content), position, _attributes(attributes, reader)))  # type: ignore[attr-defined]
    return value


def _string_io(value: Any, writer: Writer) -> Node:
    content, newline, position, attributes = value.__getstate__()
    return [writer.node(content), newline, position, _pairs(attributes or {}, writer)]


def _read_string_io(node: Node, reader: Reader) -> io.StringIO:
    content, newline, position, attributes = expect(node, object, object, int, list)
    value = io.StringIO()
    state = (reader.value(content), newline, position, _attributes(attributes, reader))
    value.__setstate__(state)  # type: ignore[attr-defined]
    return value


def _attributes(node: Node, reader: Reader) -> dict[str, Any] | None:
    return {text(name): value for name, value in _read_pairs(node, reader)} or None


# -- tables --------------------------------------------------------------------------------------------------------

ENCODERS: dict[type, tuple[str, Encoder]] = {
    list: ("list", _members),
    tuple: ("tuple", _members),
    set: ("set", _members),
    frozenset: ("frozenset", _members),
    dict: ("dict", _pairs),
    collections.OrderedDict: ("ordered", _pairs),
    collections.Counter: ("counter", _pairs),
    collections.defaultdict: ("defaultdict", _defaultdict),
    collections.deque: ("deque", lambda value, writer: [writer.node(value.maxlen), writer.nodes(value)]),
    float: ("float", lambda value, _: value.hex()),
    complex: ("complex", lambda value, _: [value.real.hex(), value.imag.hex()]),
    range: ("range", lambda value, writer: writer.nodes((value.start, value.stop, value.step))),
    bytes: ("bytes", _blob),
    bytearray: ("bytearray", _blob),
    io.BytesIO: ("BytesIO", _bytes_io),
    io.StringIO: ("StringIO", _string_io),
    datetime.datetime: ("datetime", _datetime),
    datetime.date: ("date", lambda value, _: value.isoformat()),
    datetime.time: ("time", _time),
    datetime.timedelta: ("timedelta", _timedelta),
    datetime.timezone: ("timezone", _timezone),
    decimal.Decimal: ("decimal", lambda value, writer: writer.node(str(value))),
    uuid.UUID: ("uuid", lambda value, _: value.hex),
    pathlib.PosixPath: ("path", _path),
    pathlib.PurePosixPath: ("posix path", _path),
    pathlib.PureWindowsPath: ("windows path", _path),
}

DECODERS: dict[str, Decoder] = {
    "tuple": lambda node, reader: tuple(_read_members(node, reader)),
    "set": _unique(set),
    "frozenset": _unique(frozenset),
    "dict": _mapping(dict),
    "ordered": _mapping(collections.OrderedDict),
    "counter": _mapping(lambda pairs: collections.Counter(dict(pairs))),
    "defaultdict": _read_defaultdict,
    "deque": _read_deque,
    "int": _read_int,
    "str": _read_str,
    "float": lambda node, _: float.fromhex(text(node)),
    "complex": _read_complex,
    "range": _read_range,
    "bytes": lambda node, reader: reader.blob(node),
    "bytearray": lambda node, reader: bytearray(reader.blob(node)),
    "BytesIO": _read_bytes_io,
    "StringIO": _read_string_io,
    "datetime": _read_datetime,
    "date": lambda node, _: datetime.date.fromisoformat(text(node)),
    "time": _read_time,
    "timedelta": _read_timedelta,
    "timezone": _read_timezone,
    "decimal": lambda node, reader: decimal.Decimal(text(reader.value(node))),
    "uuid": lambda node, _: uuid.UUID(hex=text(node)),
    "path": lambda node, reader: pathlib.Path(text(reader.value(node))),
    "posix path": lambda node, reader: pathlib.PurePosixPath(text(reader.value(node))),
    "windows path": lambda node, reader: pathlib.PureWindowsPath(text(reader.value(node))),
}
