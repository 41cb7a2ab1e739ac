"""Do values come back from their written form as they were, and is nothing read that was not written so?"""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import datetime
import decimal
import enum
import io
import json
import pathlib
import sys
import uuid
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gitrelease.inside.moving import libraries, plain
from gitrelease.inside.moving.carry import CannotCarry, Malformed, Reader, Unavailable, Writer

LARGE = 64 << 20


def encoder_of(kind: type) -> Any:
    return plain.ENCODERS.get(kind) or libraries.encoder_of(kind)


def written(value: Any, limit: int = LARGE) -> tuple[Any, list[bytes]]:
    writer = Writer(encoder_of, limit)
    node = writer.value(value)
    return json.loads(json.dumps(node)), writer.blobs


def read(node: Any, blobs: list[bytes]) -> Any:
    reader = Reader(blobs, {**plain.DECODERS, **libraries.DECODERS})
    value = reader.value(node)
    reader.end()
    return value


def again(value: Any) -> Any:
    return read(*written(value))


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal in types and contents; NaN is NaN, and 0.0 is not -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one.hex() == other.hex()
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, decimal.Decimal):
        return str(one) == str(other)
    if isinstance(one, io.BytesIO | io.StringIO):
        return one.__getstate__() == other.__getstate__()
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(same(a, b) and same(c, d) for (a, c), (b, d) in pairs)
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, datetime.datetime | datetime.time):
        return one == other and one.fold == other.fold and same_zone(one.tzinfo, other.tzinfo)
    return bool(one == other)


def same_zone(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


TEXT = st.text(st.characters(codec=None, categories=["L", "Nd", "P", "Z", "S", "C"]), max_size=20)
ZONES = st.one_of(
    st.none(),
    st.timezones(),
    st.builds(datetime.timezone, st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)), TEXT),
)
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    TEXT,
    st.binary(max_size=20),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(timezones=st.none()),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.builds(pathlib.PurePosixPath, st.text("ab/.", max_size=5)),
    st.builds(pathlib.PureWindowsPath, st.text("ab", max_size=5)),
    st.builds(pathlib.Path, st.text("ab/.", max_size=5)),
    st.builds(range, st.integers(), st.integers(), st.integers(1)),
)
LEAVES = st.one_of(
    HASHABLE,
    st.floats(),
    st.complex_numbers(allow_nan=True),
    st.decimals(),
    st.builds(bytearray, st.binary(max_size=9)),
    st.builds(io.BytesIO, st.binary(max_size=9)),
    st.builds(io.StringIO, TEXT, st.sampled_from([None, "", "\n", "\r\n"])),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.builds(tuple, st.lists(inner, max_size=4)),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.builds(collections.OrderedDict, st.dictionaries(HASHABLE, inner, max_size=4)),
        st.builds(collections.deque, st.lists(inner, max_size=4), st.sampled_from([None, 10])),
        st.builds(collections.Counter, st.lists(HASHABLE, max_size=4)),
        st.builds(
            collections.defaultdict,
            st.sampled_from([None, list, int, str]),
            st.dictionaries(HASHABLE, inner, max_size=3),
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    assert same(again(value), value)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["t", "v", "x"]), inner)
            | st.fixed_dictionaries(
                {
                    "t": st.sampled_from(
                        [
                            *libraries.DECODERS,
                            "int",
                            "dict",
                            "set",
                            "bytes",
                            "datetime",
                            "path",
                            "uuid",
                            "StringIO",
                            "defaultdict",
                            "deque",
                        ]
                    ),
                    "v": inner,
                }
            )
        ),
    ),
    st.lists(st.binary(max_size=40), max_size=3),
)
def test_whatever_is_read_is_a_value_or_refused(node, blobs):
    with contextlib.suppress(Malformed, Unavailable):
        read(json.loads(json.dumps(node)), blobs)


class Own:
    pass


class OwnList(list):
    pass


class OwnDict(dict):
    pass


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    "value",
    [
        Own(),
        OwnList([1]),
        OwnDict(),
        Colour.RED,
        Level.LOW,
        Point(1),
        Own,
        len,
        lambda: 1,
        sys,
        open,
        object(),
        iter([]),
        collections.namedtuple("Pair", "a")(1),
        collections.defaultdict(Own),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_the_apps_own_is_refused_by_the_name_of_its_class_and_leaves_nothing_behind(value):
    writer = Writer(encoder_of)

    with pytest.raises(CannotCarry, match=f"{type(value).__name__}.*cannot be carried"):
        writer.value([b"before", {"deep": (value,)}])

    assert writer.blobs == []
    assert writer.left == LARGE


def test_a_value_that_holds_itself_is_refused_and_one_that_holds_another_twice_is_not():
    loop: list = [1]
    loop.append({"again": loop})
    inner = [1]

    with pytest.raises(CannotCarry, match="holds itself"):
        written(loop)
    assert again([inner, inner]) == [[1], [1]]


def test_what_is_nested_too_deep_is_refused():
    value: Any = []
    for _ in range(5000):
        value = [value]

    with pytest.raises(CannotCarry, match="more than 100 deep"):
        written(value)


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 2_000_000,
        "x" * 2_000_000,
        list(range(200_000)),
        np.zeros(300_000),
        pd.DataFrame({"a": np.zeros(300_000)}),
        pa.table({"a": np.zeros(300_000)}),
        [[b"y" * 400_000] * 3],
        io.BytesIO(b"z" * 2_000_000),
    ],
    ids=["bytes", "str", "list", "array", "frame", "table", "shared", "buffer"],
)
def test_what_is_larger_than_the_limit_is_refused(value):
    with pytest.raises(CannotCarry, match="more than 1 MB"):
        written(value, 1 << 20)


def test_values_that_share_their_parts_without_end_stop_at_the_limit():
    value: Any = [0]
    for _ in range(60):
        value = [value, value]

    with pytest.raises(CannotCarry, match="more than 1 MB"):
        written(value, 1 << 20)


def test_a_buffer_keeps_its_position_and_its_name():
    buffer = io.BytesIO(b"content")
    buffer.name = "sheet.xlsx"  # type: ignore[misc]
    buffer.seek(3)

    back = again(buffer)

    assert (back.read(), back.name, type(back)) == (b"tent", "sheet.xlsx", io.BytesIO)


def test_a_moment_that_is_there_twice_keeps_which_one_it_was():
    moment = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1)

    back = again(moment)

    assert back.fold == 1
    assert back.utcoffset() == datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("node", "blobs"),
    [
        ({"t": "pickle", "v": 0}, [b"x"]),
        ({"t": "set", "v": [1, 1]}, []),
        ({"t": "dict", "v": [[1, 2], [1, 3]]}, []),
        ({"t": "dict", "v": [[1]]}, []),
        ({"t": "int", "v": 5}, []),
        ({"t": "int", "v": "zz"}, []),
        ({"t": "bytes", "v": 1}, [b""]),
        ({"t": "bytes", "v": True}, [b"", b""]),
        ([{"t": "bytes", "v": 0}, {"t": "bytes", "v": 0}], [b""]),
        ("x", [b"unused"]),
        ({"t": "set", "v": [[]]}, []),
        (1.5, []),
        ({"v": 1}, []),
        ({"t": "tuple", "v": [], "more": 1}, []),
        ({"t": [], "v": 1}, []),
        ({"t": "defaultdict", "v": ["eval", []]}, []),
        ({"t": "array", "v": 0}, [b"\x93NUMPY"]),
        ({"t": "frame", "v": [0, None, None, None]}, [b"no"]),
        ({"t": "image", "v": 0}, [b"GIF89a"]),
        ({"t": "datetime", "v": ["2024-01-01", 0, 3]}, []),
        ({"t": "nat", "v": 1}, []),
    ],
)
def test_what_no_writer_writes_is_refused(node, blobs):
    with pytest.raises(Malformed):
        read(node, blobs)


def test_an_array_of_objects_is_not_read_even_where_one_is_sent():
    content = io.BytesIO()
    np.save(content, np.array([Own()]), allow_pickle=True)

    with pytest.raises(Malformed):
        read({"t": "array", "v": 0}, [content.getvalue()])


def test_what_follows_an_array_or_a_stream_is_refused():
    for value in (np.arange(3), pa.table({"a": [1]}), pd.DataFrame({"a": [1]})):
        node, blobs = written(value)
        with pytest.raises(Malformed):
            read(node, [blobs[0] + b"more"])


ARRAYS = [
    np.arange(6, dtype="i2").reshape(2, 3),
    np.asfortranarray(np.ones((2, 3))),
    np.array(["a", "bc"]),
    np.array([b"x"]),
    np.zeros(0),
    np.array([1 + 2j]),
    np.array(["2024-01-01"], "M8[D]"),
    np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
    np.array(5),
    np.arange(9)[::2],
    np.array([True]),
    np.array([np.nan, -0.0]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype} {array.shape}")
def test_an_array_comes_back_with_type_shape_and_order_and_can_be_written_to(array):
    back = again(array)

    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize(
    "scalar",
    [np.int8(5), np.float32(0.1), np.str_("é"), np.bool_(True), np.datetime64("2024-01-01T00:00"), np.complex64(1j)],
)
def test_a_scalar_of_numpy_stays_one(scalar):
    back = again(scalar)

    assert type(back) is type(scalar)
    assert back == scalar


def test_an_array_of_objects_and_a_kind_of_array_of_somebodys_own_are_refused():
    with pytest.raises(CannotCarry):
        written(np.array([Own(), 1], dtype=object))
    with pytest.raises(CannotCarry, match="MaskedArray"):
        written(np.ma.array([1, 2]))


def multi() -> pd.MultiIndex:
    return pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["letter", None])


FRAMES = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}),
    "text": pd.DataFrame({"a": ["x", None, "ä"]}),
    "moments": pd.DataFrame(
        {"t": pd.date_range("2024", periods=3, tz="Europe/Berlin"), "d": pd.to_timedelta([1, 2, 3], "D")}
    ),
    "rows that are so many hours apart": pd.DataFrame(
        {"a": [1, 2, 3]}, index=pd.date_range("2024", periods=3, freq="h")
    ),
    "categories": pd.DataFrame({"c": pd.Categorical(["a", "b"], ["b", "a"], ordered=True)}),
    "numbers that may be missing": pd.DataFrame(
        {"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}
    ),
    "rows of two levels": pd.DataFrame({"a": range(4)}, index=multi()),
    "numbered columns": pd.DataFrame(np.arange(4).reshape(2, 2)),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="int64")}),
    "named rows": pd.DataFrame({"a": [1]}, index=pd.Index([7], name="row")),
    "every other row": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 14, 2)),
    "dates as objects": pd.DataFrame({"a": pd.Series([datetime.date(2024, 1, 1)], dtype=object)}),
    "small types": pd.DataFrame({"a": np.array([1], "i1"), "b": np.array([1], "f4"), "c": np.array([1], "u8")}),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_with_types_and_rows_and_can_be_written_to(frame):
    back = again(frame)

    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_freq=True)
    back.iloc[:0] = back.iloc[:0]
    if len(back):
        back.iloc[0, 0] = back.iloc[0, 0]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [Own(), 1]}),
        pd.DataFrame({"a": [[1, 2], [3]]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [1, "x"]}, dtype=object),
        pd.DataFrame({"a": pd.Series([{1}], dtype=object)}),
    ],
    ids=["own objects", "lists", "two columns of one name", "mixed", "sets"],
)
def test_a_frame_that_arrow_does_not_keep_is_refused(frame):
    with pytest.raises(CannotCarry):
        written(frame)


class OwnFrame(pd.DataFrame):
    pass


def test_a_frame_of_somebodys_own_class_is_refused():
    with pytest.raises(CannotCarry, match="OwnFrame cannot be carried"):
        written(OwnFrame({"a": [1]}))


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2], name="n"),
        pd.Series(["x"], name=("a", 1)),
        pd.Series([1.5], index=["r"]),
        pd.Series(pd.date_range("2024", periods=2)),
    ],
    ids=["named", "named by a tuple", "labelled", "moments"],
)
def test_a_series_comes_back(series):
    pd.testing.assert_series_equal(again(series), series, check_exact=True)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["a"], name="n"),
        pd.RangeIndex(3),
        multi(),
        pd.date_range("2024", periods=3, freq="D"),
        pd.CategoricalIndex(["a"]),
        pd.Index([1.5]),
    ],
    ids=lambda index: type(index).__name__,
)
def test_an_index_comes_back(index):
    back = again(index)

    pd.testing.assert_index_equal(back, index, exact=True)
    assert getattr(back, "freq", None) == getattr(index, "freq", None)


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2024-01-01 12:00:00.123456789"),
        pd.Timestamp("2024-10-28 02:30", tz="Europe/Berlin"),
        pd.Timedelta("1 days 2 ns"),
    ],
    ids=str,
)
def test_a_moment_of_pandas_comes_back(value):
    back = again(value)

    assert back == value
    assert type(back) is type(value)
    assert str(back) == str(value)


def test_what_is_missing_in_pandas_is_the_same_one():
    assert again(pd.NaT) is pd.NaT
    assert again(pd.NA) is pd.NA


def test_a_table_comes_back_with_what_is_said_of_it():
    table = pa.table({"a": [1, None], "b": [["x"], []]}).replace_schema_metadata({"by": "us"})

    assert again(table).equals(table, check_metadata=True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_an_image_comes_back(mode):
    image = Image.new("RGB", (3, 2), (200, 100, 50)).convert("I" if mode == "I;16" else mode).convert(mode)

    back = again(image)

    assert (back.mode, back.size, back.tobytes()) == (image.mode, image.size, image.tobytes())
    assert type(back) is Image.Image


@pytest.mark.parametrize("mode", ["CMYK", "F", "HSV"])
def test_an_image_that_png_does_not_keep_is_refused(mode):
    with pytest.raises(CannotCarry, match=f"an image of mode {mode} cannot be carried"):
        written(Image.new(mode, (2, 2)))


def test_an_image_from_a_file_comes_back_without_the_file():
    content = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(content, "PNG")

    assert again(Image.open(content)).getpixel((0, 0)) == (1, 2, 3)


def test_nothing_is_written_with_pickle():
    folder = pathlib.Path(libraries.__file__).parent
    for path in folder.glob("*.py"):
        source = path.read_text()
        assert "import pickle" not in source
        assert "allow_pickle=True" not in source


def test_a_value_is_copied_and_not_shared():
    value = {"a": [1]}
    kept = copy.deepcopy(value)
    back = again(value)
    back["a"].append(uuid.uuid4())

    assert value == kept
