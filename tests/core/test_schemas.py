"""Fields that the code emits beside those that the export declares."""

from __future__ import annotations

from gitrelease.core.diff import Diff, RegionChange
from gitrelease.core.kinds import Kind
from gitrelease.core.schemas import breaking, mismatches, retyped

EXPORT = {
    "schema_version": "2.0.0",
    "core_system_schemas": {
        "page": {"required_fields": {"page": {"type": "integer"}, "text": {"type": "string"}, "tags": "array"}},
        "other": {"required_fields": {"x": {"type": "string"}}},
    },
}


def told(**emitted: str) -> list[str]:
    return [item.told for item in mismatches(EXPORT, {"page": emitted})]


def region(file: str = "app.py", *, removed: tuple[str, ...] = (), changed: tuple[str, ...] = ()) -> Diff:
    change = RegionChange(
        region="page", kind=Kind.SCHEMA, file=file, old_lines=None, new_lines=None, added=("new",), removed=removed,
        changed=changed,
    )  # fmt: skip
    return Diff(kind=Kind.SCHEMA, kinds=(Kind.SCHEMA,), regions=(change,), other=())


def test_code_that_emits_what_is_declared_has_no_mismatch():
    assert told(page="integer", text="string", tags="array") == []


def test_each_mismatch_shows_the_json_that_mends_it():
    assert told(page="string", text="string", language="string") == [
        'page.page is declared integer and emitted as string: set {"page": {"type": "string"}}',
        "page.tags is declared and not emitted: remove it, or emit it",
        'page.language is emitted and not declared: add {"language": {"type": "string"}}',
    ]


def test_a_value_that_the_sample_lacks_fits_any_type():
    assert told(page="null", text="string", tags="array") == []


def test_schemas_of_one_side_only_are_left_out():
    assert mismatches(EXPORT, {"unknown": {"x": "string"}}) == ()
    assert mismatches(["no", "schemas"], {"page": {"x": "string"}}) == ()


def test_a_field_that_is_gone_breaks_who_reads_it_and_a_new_one_does_not():
    assert breaking(region(removed=("text",))) == ("page loses text",)
    assert breaking(region()) == ()


def test_a_declaration_that_changes_breaks_and_code_that_fills_a_field_otherwise_does_not():
    assert breaking(region("export.json", changed=("text",))) == ("page declares text differently",)
    assert breaking(region(changed=("text",))) == ()


def test_a_field_of_another_type_is_retyped_unless_the_sample_had_no_value():
    old = {"page": {"a": "integer", "b": "null", "c": "string"}}
    new = {"page": {"a": "string", "b": "string", "d": "string"}}

    assert retyped(old, new) == ("page.a was integer and is now string",)
