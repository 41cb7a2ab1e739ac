"""Tables of pyarrow and frames, series, indices and moments of pandas, as Arrow streams."""

from __future__ import annotations

import io
import sys
from typing import Any

from .carry import Decoder, Malformed, Node, Reader, Writer, expect, need, text, unlike

# -- Arrow ---------------------------------------------------------------------------------------------------------


def _to_stream(table: Any) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _from_stream(content: bytes) -> Any:
    import pyarrow as pa

    source = io.BytesIO(content)
    with pa.ipc.open_stream(source) as stream:
        table = stream.read_all()
    if source.tell() != len(content):
        raise Malformed("bytes follow an Arrow stream")
    return table


def table(value: Any, writer: Writer) -> Node:
    writer.spend(value.nbytes)
    writer.left += value.nbytes
    content = _to_stream(value)
    if not _from_stream(content).equals(value, check_metadata=True):
        raise unlike(value)
    return writer.blob(content)


def read_table(node: Node, reader: Reader) -> Any:
    content = reader.blob(node)
    need("pyarrow")
    return _from_stream(content)


# -- pandas --------------------------------------------------------------------------------------------------------


def _frame_node(frame: Any, writer: Writer) -> Node:
    import pyarrow as pa

    size = int(frame.memory_usage(index=True, deep=False).sum())
    writer.spend(size)
    writer.left += size
    content = _to_stream(pa.Table.from_pandas(frame))
    columns = frame.columns
    numbered = [columns.start, columns.stop, columns.step] if type(columns).__name__ == "RangeIndex" else None
    return [writer.blob(content), _frequency(frame.index), _frequency(columns), numbered]


def _frequency(index: Any) -> Any:
    # Arrow keeps the moments of a DatetimeIndex, not that they are so many hours apart.
    return getattr(index, "freqstr", None) if type(index).__name__ in ("DatetimeIndex", "TimedeltaIndex") else None


def _frame_of(content: bytes, rows: Any, columns: Any, numbered: Any) -> Any:
    # A copy: what Arrow hands out without one cannot be written to.
    frame = _from_stream(content).to_pandas().copy(deep=True)
    for index, frequency in ((frame.index, rows), (frame.columns, columns)):
        if frequency is not None:
            index.freq = text(frequency)
    if numbered is not None:
        # Arrow keeps the numbers of columns, not that they are counted.
        frame.columns = sys.modules["pandas"].RangeIndex(*expect(numbered, int, int, int), name=frame.columns.name)
    return frame


def _checked(value: Any, again: Any) -> None:
    if not _same(value, again):
        raise unlike(value)


def _same(one: Any, other: Any) -> bool:
    """Return whether two frames are equal in values, types, indices, names and attributes."""
    import pandas as pd

    try:
        pd.testing.assert_frame_equal(
            one, other, check_exact=True, check_index_type=True, check_column_type=True, check_freq=True,
        )  # fmt: skip
    except AssertionError:
        return False
    return (
        one.attrs == other.attrs
        and one.flags.allows_duplicate_labels == other.flags.allows_duplicate_labels
        and all(_same_kinds(one.iloc[:, place], other.iloc[:, place]) for place in range(one.shape[1]))
        and _same_index(one.index, other.index)
        and _same_index(one.columns, other.columns)
    )


def _same_kinds(one: Any, other: Any) -> bool:
    # An Arrow list comes back as an array, and to pandas those are equal.
    return one.dtype != object or all(type(a) is type(b) for a, b in zip(one, other))  # noqa: B905


def _same_index(one: Any, other: Any) -> bool:
    import pandas as pd

    try:
        pd.testing.assert_index_equal(one, other, exact=True, check_exact=True, check_names=True)
    except AssertionError:
        return False
    levels = range(one.nlevels)
    return all(_same_kinds(one.get_level_values(level), other.get_level_values(level)) for level in levels)


def frame(value: Any, writer: Writer) -> Node:
    node = _frame_node(value, writer)
    _checked(value, _frame_of(writer.blobs[node[0]], *node[1:]))
    return node


def read_frame(node: Node, reader: Reader) -> Any:
    content, *more = expect(node, int, object, object, object)
    stream = reader.blob(content)
    need("pyarrow", "pandas")
    return _frame_of(stream, *more)


def series(value: Any, writer: Writer) -> Node:
    name = writer.node(value.name)
    frame = value.to_frame(name="0")
    node = _frame_node(frame, writer)
    _checked(frame, _frame_of(writer.blobs[node[0]], *node[1:]))
    return [name, node]


def read_series(node: Node, reader: Reader) -> Any:
    name, frame = expect(node, object, list)
    value = read_frame(frame, reader)["0"]
    value.name = reader.value(name)
    return value


def index(value: Any, writer: Writer) -> Node:
    import pandas as pd

    frame = pd.DataFrame({"0": range(len(value))}, index=value)
    node = _frame_node(frame, writer)
    _checked(frame, _frame_of(writer.blobs[node[0]], *node[1:]))
    return node


def read_index(node: Node, reader: Reader) -> Any:
    return read_frame(node, reader).index


def timestamp(value: Any, writer: Writer) -> Node:
    import pandas as pd

    unit = value.unit if hasattr(value, "unit") else "ns"
    count = int(value.asm8.astype("int64")) if value.tzinfo is None else int(value.to_datetime64().astype("int64"))
    node = [count, unit, writer.node(value.tzinfo)]
    again = _timestamp_of(count, unit, value.tzinfo)
    if again != value or again.tzinfo != value.tzinfo or again.fold != value.fold or value is pd.NaT:
        raise unlike(value)
    return node


def _timestamp_of(count: int, unit: str, zone: Any) -> Any:
    import numpy as np
    import pandas as pd

    naive: Any = pd.Timestamp(np.datetime64(count, unit))  # type: ignore[call-overload]
    return naive if zone is None else naive.tz_localize("UTC").tz_convert(zone)


def read_timestamp(node: Node, reader: Reader) -> Any:
    count, unit, zone = expect(node, int, str, object)
    tzinfo = reader.value(zone)
    need("pandas")
    return _timestamp_of(count, unit, tzinfo)


def pandas_timedelta(value: Any, _: Writer) -> Node:
    unit = value.unit if hasattr(value, "unit") else "ns"
    return [int(value.asm8.astype("int64")), unit]


def read_pandas_timedelta(node: Node, _: Reader) -> Any:
    count, unit = expect(node, int, str)
    need("pandas")
    import numpy as np
    import pandas as pd

    return pd.Timedelta(np.timedelta64(count, unit))


def constant(name: str) -> Decoder:
    def decode(node: Node, _: Reader) -> Any:
        if node is not None:
            raise Malformed("a constant has a value")
        need("pandas")
        return getattr(sys.modules["pandas"], name)

    return decode
