"""A session as it goes from one process to another: a JSON document and blobs, written and read whole or not at all.

The blobs stand in the order of the document: the client's state, the uploaded files, then those of each value.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from . import libraries, plain
from .carry import (
    LIMIT,
    CannotCarry,
    Decoder,
    Encoder,
    Malformed,
    Node,
    Reader,
    Unavailable,
    Writer,
    expect,
    text,
)
from .state import Snapshot, client_state

FILES_LIMIT = 1 << 30  # bytes of one session's uploaded files


class Dropped(NamedTuple):
    """A value that is not carried. `shown`: its name for the person at the page, where that is theirs alone."""

    name: str
    why: str
    shown: str = ""

    def told(self) -> dict[str, str]:
        """Return it for logs and the history: without what the person has entered."""
        return {"name": self.name, "why": self.why}


class Parcel(NamedTuple):
    """What is sent. `bytes`: of uploaded files."""

    document: bytes
    blobs: list[bytes]
    carried: list[str]
    dropped: list[Dropped]
    files: int
    bytes: int


class Arrival(NamedTuple):
    """What was received, every value made. `files` are UploadedFileRec by id, `widgets` values by user key."""

    client: Any  # ClientState
    files: dict[str, Any]
    values: dict[str, Any]
    widgets: dict[str, Any]
    dropped: list[Dropped]
    user: str


class Late(NamedTuple):
    """What happened to a session after it was sent: runs that were asked for, files that came and went.

    `addresses`: a BackMsg each, by which the page asked where to upload; it waits for the answer.
    """

    reruns: list[Any]  # ClientState
    files: dict[str, Any]
    removed: list[str]
    addresses: list[bytes]


# -- writing ---------------------------------------------------------------------------------------------------------


def write(taken: Snapshot) -> Parcel:
    """Write a session down; what cannot be carried is named. Away from the event loop: it may take a second."""
    return _write(client_state(taken), taken, taken.files, [], twice=taken.running)


def write_again(arrival: Arrival) -> Parcel:
    """Write down a session that was received and whose page has not come; `dropped` names what is lost now."""
    written = _write(arrival.client, arrival, list(arrival.files.values()), arrival.dropped, twice=False)
    return written._replace(dropped=written.dropped[len(arrival.dropped) :])


def _write(client: Any, source: Snapshot | Arrival, files: list[Any], lost: list[Dropped], *, twice: bool) -> Parcel:
    dropped = list(lost)
    files = _within_limit(files, dropped)
    blobs = [client.SerializeToString(), *(one.data for one in files)]
    values = _Values({one.file_id for one in files}, twice=twice)
    document = {
        "files": [[one.file_id, one.name, one.type] for one in files],
        "values": values.write(source.values, blobs, dropped),
        # A widget brings its value itself: one that cannot be written down here is not lost.
        "widgets": values.write(source.widgets, blobs, []),
        "dropped": [[one.shown or one.name, one.why] for one in dropped],  # for the page
        "user": source.user,
    }
    return Parcel(
        document=json.dumps(document).encode(),
        blobs=blobs,
        carried=sorted({entry[0] for entry in (*document["values"], *document["widgets"])}),
        dropped=dropped,
        files=len(files),
        bytes=sum(len(one.data) for one in files),
    )


def write_late(late: Late) -> tuple[bytes, list[bytes]]:
    """Write down what happened after a session was sent."""
    files = list(late.files.values())
    document = {
        "files": [[one.file_id, one.name, one.type] for one in files],
        "removed": late.removed,
        "reruns": len(late.reruns),
        "addresses": len(late.addresses),
    }
    reruns = [one.SerializeToString() for one in late.reruns]
    return json.dumps(document).encode(), [*(one.data for one in files), *reruns, *late.addresses]


def _within_limit(files: Sequence[Any], dropped: list[Dropped]) -> list[Any]:
    kept, left = [], FILES_LIMIT
    for one in files:
        if len(one.data) > left:
            size = f"a document of {len(one.data) >> 20} MB"
            dropped.append(Dropped(size, f"the uploaded files are more than {FILES_LIMIT >> 20} MB", one.name))
        else:
            kept.append(one)
            left -= len(one.data)
    return kept


class _Values:
    """Writes named values, all of them within one limit."""

    def __init__(self, files: Collection[str], *, twice: bool) -> None:
        self._left = LIMIT
        self._twice = twice
        self._own = _encoders(files)

    def write(self, values: dict[str, Any], blobs: list[bytes], dropped: list[Dropped]) -> list[list[Any]]:
        """Append what is carried to `blobs`, name in `dropped` what is not; return name, tree and number of blobs."""
        found = []
        for name, value in values.items():
            try:
                node, own = self._one(value)
            except CannotCarry as refusal:
                dropped.append(Dropped(name, str(refusal)))
            else:
                found.append([name, node, len(own)])
                blobs += own
        return found

    def _one(self, value: Any) -> tuple[Node, list[bytes]]:
        writer = self._writer()
        node = writer.value(value)
        if self._twice:
            second = self._writer()
            if (json.dumps(second.value(value)), second.blobs) != (json.dumps(node), writer.blobs):
                raise CannotCarry("the script was changing it")
        self._left = writer.left
        return node, writer.blobs

    def _encoder_of(self, kind: type) -> tuple[str, Encoder] | None:
        return plain.ENCODERS.get(kind) or self._own.get(kind) or libraries.encoder_of(kind)

    def _writer(self) -> Writer:
        return Writer(self._encoder_of, self._left)


# -- reading ---------------------------------------------------------------------------------------------------------


def read(document: bytes, blobs: Sequence[bytes]) -> Arrival:
    """Return what was received; `Malformed` where any of it is not what `write` writes.

    A value whose library is missing here is dropped, and named.
    """
    from streamlit.proto.ClientState_pb2 import ClientState

    told = _document(document, "files", "values", "widgets", "dropped", "user")
    source = iter(blobs)
    client = _message(ClientState, _next(source))
    files = _read_files(told["files"], source)
    dropped = [Dropped(*expect(one, str, str)) for one in _list(told["dropped"])]
    decoders = {**plain.DECODERS, **libraries.DECODERS, **_decoders(files)}
    values = _read_values(told["values"], source, decoders, dropped)
    widgets = _read_values(told["widgets"], source, decoders, [])
    _end(source)
    return Arrival(client, files, values, widgets, dropped, text(told["user"]))


def read_late(document: bytes, blobs: Sequence[bytes]) -> Late:
    """Return what happened later; `Malformed` where any of it is not what `write_late` writes."""
    from streamlit.proto.ClientState_pb2 import ClientState

    told = _document(document, "files", "removed", "reruns", "addresses")
    source = iter(blobs)
    files = _read_files(told["files"], source)
    rest = list(source)
    counts = (told["reruns"], told["addresses"])
    if any(type(count) is not int or count < 0 for count in counts) or sum(counts) != len(rest):
        raise Malformed("the number of runs is wrong")
    reruns = [_message(ClientState, one) for one in rest[: counts[0]]]
    return Late(reruns, files, [text(one) for one in _list(told["removed"])], rest[counts[0] :])


def back_message(content: bytes) -> Any:
    """Return a message of a page; `Malformed` where it is none."""
    from streamlit.proto.BackMsg_pb2 import BackMsg

    return _message(BackMsg, content)


def _document(document: bytes, *names: str) -> dict[str, Any]:
    try:
        told = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise Malformed("the document is no JSON") from error
    if type(told) is not dict or set(told) != set(names):
        raise Malformed("the document has the wrong parts")
    return told


def _message(kind: Any, content: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise Malformed("a message of the page is not readable") from error


def _list(node: Node) -> list[Any]:
    if type(node) is not list:
        raise Malformed("a part of the document is no list")
    return node


def _next(source: Iterator[bytes]) -> bytes:
    content = next(source, None)
    if content is None:
        raise Malformed("bytes are missing")
    return content


def _end(source: Iterator[bytes]) -> None:
    if next(source, None) is not None:
        raise Malformed("bytes were sent that nothing refers to")


def _read_files(node: Node, source: Iterator[bytes]) -> dict[str, Any]:
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    found: dict[str, Any] = {}
    for one in _list(node):
        identity, name, kind = expect(one, str, str, str)
        if identity in found:
            raise Malformed("a file was sent twice")
        found[identity] = UploadedFileRec(file_id=identity, name=name, type=kind, data=_next(source))
    return found


def _read_values(
    node: Node, source: Iterator[bytes], decoders: dict[str, Decoder], dropped: list[Dropped]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in _list(node):
        name, tree, count = expect(one, str, object, int)
        reader = Reader([_next(source) for _ in range(count)], decoders)
        if name in found:
            raise Malformed("a value was sent twice")
        try:
            found[name] = reader.value(tree)
        except Unavailable as missing:
            dropped.append(Dropped(name, str(missing)))
        else:
            reader.end()
    return found


# -- what is Streamlit's own -------------------------------------------------------------------------------------------


def _encoders(files: Collection[str]) -> dict[type, tuple[str, Encoder]]:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    def uploaded(value: Any, writer: Writer) -> Node:
        urls = writer.blob(value._file_urls.SerializeToString())
        # Of a file that the page still holds the bytes go once.
        content = None if value.file_id in files else writer.blob(value.getvalue())
        return [value.file_id, value.name, value.type, value.tell(), urls, content]

    found: dict[type, tuple[str, Encoder]] = {UploadedFile: ("uploaded", uploaded)}
    attributes = _attributes()
    if attributes is not None:
        found[attributes] = ("attributes", lambda value, writer: writer.node(dict(value)))
    return found


def _attributes() -> Any:
    # What widgets that select something give, from version 1.35 on.
    from streamlit import util

    return getattr(util, "AttributeDictionary", None)


def _decoders(files: dict[str, Any]) -> dict[str, Decoder]:
    from streamlit.proto.Common_pb2 import FileURLs
    from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

    def uploaded(node: Node, reader: Reader) -> Any:
        identity, name, kind, position, urls, content = expect(node, str, str, str, int, int, object)
        if content is None:
            record = files[identity]
        else:
            record = UploadedFileRec(file_id=identity, name=name, type=kind, data=reader.blob(content))
        value = UploadedFile(record, _message(FileURLs, reader.blob(urls)))
        value.seek(position)
        return value

    def attributes(node: Node, reader: Reader) -> Any:
        kind = _attributes()
        if kind is None:
            raise Unavailable("this version of Streamlit has no such value")
        return kind(reader.value(node))

    return {"uploaded": uploaded, "attributes": attributes}
