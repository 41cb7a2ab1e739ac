"""Values of pandas, numpy, pyarrow, Pillow and zoneinfo as bytes that their own readers take without running code.

Frames, series and indices go as an Arrow stream, arrays as .npy without objects, images as PNG. What was written is
read again and compared before it counts: a type or a value that the format does not keep is `CannotCarry`. A library is
never imported to write (whose value it is has it), and only to read what was sent.
"""

from __future__ import annotations

import functools
import io
import sys
from typing import Any

from . import frames
from .carry import CannotCarry, Decoder, Encoder, Malformed, Node, Reader, Unavailable, Writer, need, text

_INDICES = (
    "Index", "RangeIndex", "MultiIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "IntervalIndex",
    "CategoricalIndex",
)  # fmt: skip


def encoder_of(kind: type) -> tuple[str, Encoder] | None:
    """Return the encoder of exactly this type, where it is one of a library that is loaded."""
    loaded = tuple(name for name in ("zoneinfo", "numpy", "pandas", "pyarrow") if name in sys.modules)
    pillow = sys.modules.get("PIL.Image")
    # Pillow's classes for its formats are loaded when the first image of each is opened.
    if pillow is not None and issubclass(kind, pillow.Image) and kind.__module__.startswith("PIL."):
        return "image", _image
    return _encoders_of(loaded).get(kind)


@functools.lru_cache(maxsize=None)  # noqa: UP033  # `cache` is not in Python 3.8
def _encoders_of(loaded: tuple[str, ...]) -> dict[type, tuple[str, Encoder]]:
    found: dict[type, tuple[str, Encoder]] = {}
    if "zoneinfo" in loaded:
        found[sys.modules["zoneinfo"].ZoneInfo] = ("zone", _zone)
    if "numpy" in loaded:
        numpy = sys.modules["numpy"]
        found[numpy.ndarray] = ("array", _array)
        for kind in _subclasses(numpy.generic):
            if kind.__module__ == "numpy":
                found[kind] = ("scalar", _scalar)
    if "pandas" in loaded:
        pandas = sys.modules["pandas"]
        found[pandas.DataFrame] = ("frame", frames.frame)
        found[pandas.Series] = ("series", frames.series)
        found.update({getattr(pandas, name): ("index", frames.index) for name in _INDICES})
        found[pandas.Timestamp] = ("timestamp", frames.timestamp)
        found[pandas.Timedelta] = ("pandas timedelta", frames.pandas_timedelta)
        found[type(pandas.NaT)] = ("nat", lambda value, _: None)
        found[type(pandas.NA)] = ("na", lambda value, _: None)
    if "pyarrow" in loaded:
        found[sys.modules["pyarrow"].Table] = ("table", frames.table)
    return found


def _subclasses(kind: type) -> tuple[type, ...]:
    below: list[type] = kind.__subclasses__()
    return (*below, *(one for child in below for one in _subclasses(child)))


# -- zoneinfo ------------------------------------------------------------------------------------------------------


def _zone(value: Any, _: Writer) -> Node:
    if value.key is None:
        raise CannotCarry("a time zone without a name cannot be carried")
    return value.key


def _read_zone(node: Node, _: Reader) -> Any:
    need("zoneinfo")
    try:
        return sys.modules["zoneinfo"].ZoneInfo(text(node))
    except (KeyError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise Unavailable("its time zone is not known to this process") from error


# -- numpy ---------------------------------------------------------------------------------------------------------


def _npy(value: Any, writer: Writer) -> int:
    import numpy as np

    if value.dtype.hasobject:
        raise CannotCarry("an array of objects cannot be carried")
    writer.spend(value.nbytes)  # before it is copied
    writer.left += value.nbytes
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(value), allow_pickle=False)
    return writer.blob(out.getvalue())


def _array(value: Any, writer: Writer) -> Node:
    return _npy(value, writer)


def _scalar(value: Any, writer: Writer) -> Node:
    return _npy(value, writer)


def _read_array(node: Node, reader: Reader) -> Any:
    content = io.BytesIO(reader.blob(node))
    try:
        import numpy as np
    except ImportError as error:
        raise Unavailable("numpy is not installed here") from error
    value = np.lib.format.read_array(content, allow_pickle=False)
    if content.read(1):
        raise Malformed("bytes follow an array")
    return value


def _read_scalar(node: Node, reader: Reader) -> Any:
    value = _read_array(node, reader)
    if value.shape != ():
        raise Malformed("a scalar has a shape")
    return value[()]


# -- Pillow --------------------------------------------------------------------------------------------------------


def _image(value: Any, writer: Writer) -> Node:
    size = value.width * value.height * max(len(value.getbands()), 1)
    writer.spend(size)
    writer.left += size
    out = io.BytesIO()
    try:
        value.save(out, "PNG")
        content = out.getvalue()
        again = _image_of(content)
        kept = (again.mode, again.size, again.tobytes(), again.getpalette())
        same = kept == (value.mode, value.size, value.tobytes(), value.getpalette())
    except (OSError, ValueError) as error:
        raise CannotCarry(f"an image of mode {value.mode} cannot be carried") from error
    if not same:
        raise CannotCarry(f"an image of mode {value.mode} cannot be carried")
    return writer.blob(content)


def _image_of(content: bytes) -> Any:
    from PIL import Image

    image = Image.open(io.BytesIO(content), formats=["PNG"])
    image.load()
    # As a plain image: nothing of the file it came from is held on to.
    return image.copy()


def _read_image(node: Node, reader: Reader) -> Any:
    content = reader.blob(node)
    need("PIL.Image")
    return _image_of(content)


DECODERS: dict[str, Decoder] = {
    "zone": _read_zone,
    "array": _read_array,
    "scalar": _read_scalar,
    "table": frames.read_table,
    "frame": frames.read_frame,
    "series": frames.read_series,
    "index": frames.read_index,
    "timestamp": frames.read_timestamp,
    "pandas timedelta": frames.read_pandas_timedelta,
    "nat": frames.constant("NaT"),
    "na": frames.constant("NA"),
    "image": _read_image,
}
