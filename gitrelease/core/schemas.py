"""Does the code emit the fields that the schema export declares, and would a change break who reads them?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gitrelease.core.diff import Diff
from gitrelease.core.exports import PLUMBING
from gitrelease.core.kinds import Kind

# The emitted type is one of these; what the export says for it may be any of the words.
_WORDS = {
    "integer": {"integer", "int", "number"},
    "float": {"float", "number", "double"},
    "string": {"string", "str", "text"},
    "boolean": {"boolean", "bool"},
    "array": {"array", "list"},
    "object": {"object", "dict"},
}


class Mismatch(msgspec.Struct, frozen=True):
    """A field on which code and export differ; a type is None on the side that has no such field."""

    schema: str
    field: str
    declared: str | None
    emitted: str | None

    @property
    def told(self) -> str:
        """Say what differs, and the JSON that would mend the export."""
        name = f"{self.schema}.{self.field}"
        if self.declared is None:
            return f"{name} is emitted and not declared: add {json.dumps({self.field: {'type': self.emitted}})}"
        if self.emitted is None:
            return f"{name} is declared and not emitted: remove it, or emit it"
        wanted = json.dumps({self.field: {"type": self.emitted}})
        return f"{name} is declared {self.declared} and emitted as {self.emitted}: set {wanted}"


def mismatches(export: object, emitted: Mapping[str, Mapping[str, str]]) -> tuple[Mismatch, ...]:
    """Compare the export with what the code emits, by schema and field; schemas that only one side has are left out.

    A type of `null` says that the sample had no value: it fits any declaration.
    """
    declared = dict(_schemas(export))
    return tuple(
        item
        for schema, fields in emitted.items()
        if schema in declared
        for item in _of_schema(schema, declared[schema], fields)
    )


def _of_schema(schema: str, declared: Mapping[str, str], emitted: Mapping[str, str]) -> Iterator[Mismatch]:
    for field in dict.fromkeys((*declared, *emitted)):
        old, new = declared.get(field), emitted.get(field)
        if old is None or new is None or (new != "null" and old.lower() not in _WORDS.get(new, {new})):
            yield Mismatch(schema, field, old, new)


def _schemas(export: object) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the schemas of an export by name: field and declared type, optional fields left out."""
    root = export if isinstance(export, dict) else {}
    for container in (root, *(root[key] for key in PLUMBING if isinstance(root.get(key), dict))):
        for name, body in container.items():
            fields = body.get("required_fields", body.get("properties")) if isinstance(body, dict) else None
            if isinstance(fields, dict):
                yield name, {field: _type(declared) for field, declared in fields.items()}


def _type(declared: object) -> str:
    found = declared.get("type") if isinstance(declared, dict) else declared
    return found if isinstance(found, str) else "?"


def breaking(diff: Diff) -> tuple[str, ...]:
    """Return what a change takes from who reads the output: fields that are gone, declarations that differ."""
    found: list[str] = []
    for region in diff.regions:
        if region.kind is not Kind.SCHEMA:
            continue
        found += [f"{region.region} loses {field}" for field in region.removed]
        if region.file.endswith(".json"):
            found += [f"{region.region} declares {field} differently" for field in region.changed]
    return tuple(found)


def retyped(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return the fields that both versions emit, with different types."""
    return tuple(
        f"{schema}.{field} was {old[schema][field]} and is now {kind}"
        for schema, fields in new.items()
        for field, kind in fields.items()
        if _differ(old.get(schema, {}).get(field), kind)
    )


def _differ(old: str | None, new: str) -> bool:
    return old is not None and "null" not in (old, new) and old != new


def named(texts: Iterable[str], shown: int = 5) -> str:
    """Return some of `texts` in one line."""
    known = list(texts)
    return "; ".join([*known[:shown], *([f"and {len(known) - shown} more"] if len(known) > shown else [])])
