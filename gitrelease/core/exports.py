"""Which fields does a JSON file declare, such as the schema export, and of which type?

A field is named by its dotted path without the plumbing on the way: `core_system_schemas.page_data_schema
.required_fields.page` is `page_data_schema.page`. Plumbing is a key of `PLUMBING` that leads to a mapping; right below
it stand names, so a field may well be called `fields`. All else that a field says (its type, its description) is its
declaration, and so is the way to it: a field that moves from required to optional has changed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

PLUMBING = frozenset(
    {
        "core_system_schemas",
        "schemas",
        "required_fields",
        "optional_fields",
        "fields",
        "properties",
        "definitions",
        "$defs",
    }
)


VERSIONS = frozenset({"schema_version", "version"})  # keys whose value is the version of what the file declares
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}")

LARGEST = 10 << 20  # bytes of a file that is looked into; of what is larger, only that it differs


class NotJson(Exception):
    """The content is no JSON, or JSON that says two things at once."""


def parse_json(content: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    """Parse strictly: NaN and a key that occurs twice are errors, for readers disagree on what they mean."""
    if len(content) > LARGEST:
        raise NotJson(f"larger than {LARGEST >> 20} MB")
    try:
        return json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJson(f"line {error.lineno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise NotJson(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        raise NotJson(f"the key {counted.most_common(1)[0][0]!r} occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise NotJson(f"{name} is not JSON")


def fields(document: object) -> dict[str, str]:
    """Return the declared fields by dotted path, each with a text that is equal when its declaration is."""
    found: dict[str, list[str]] = {}
    stack: list[tuple[object, tuple[str, ...], tuple[str, ...], bool]] = [(document, (), (), False)]
    while stack:
        node, path, way, names = stack.pop()
        if not isinstance(node, dict):
            found.setdefault(".".join(path), []).append(_text(way, node))
            continue
        typed = isinstance(node.get("type"), str) and not names
        own: dict[str, object] = {}
        for key, value in node.items():
            if not isinstance(value, dict):
                if typed:
                    own[key] = value
                else:
                    stack.append((value, (*path, key), (*way, key), False))
            elif key in PLUMBING and not names:
                stack.append((value, path, (*way, key), True))
            elif typed:
                own[key] = value
            else:
                stack.append((value, (*path, key), (*way, key), False))
        if typed or not node:
            found.setdefault(".".join(path), []).append(_text(way, own))
    return {path: "\n".join(sorted(texts)) for path, texts in found.items() if path}


def value_at(document: object, path: str) -> object:
    """Return what stands at a dotted path without plumbing; None where nothing does."""
    for key in path.split("."):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def is_raised(old: object, new: object) -> bool:
    """Is `new` a higher version than `old` with the same major number?"""
    one, other = _numbers(old), _numbers(new)
    return bool(one) and bool(other) and one[0] == other[0] and other > one


def _numbers(version: object) -> list[int]:
    return (
        [int(part) for part in version.split(".")] if isinstance(version, str) and _VERSION.fullmatch(version) else []
    )


def _text(way: tuple[str, ...], value: object) -> str:
    return json.dumps([way, value], sort_keys=True)
