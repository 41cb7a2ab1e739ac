"""What literals say, what came and went, and how that is told in a line."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.contents import Content, literals
from gitrelease.core.diff import Diff, OtherChange, RegionChange
from gitrelease.core.exports import NotJson, fields, parse_json
from gitrelease.core.kinds import Kind
from gitrelease.core.meaning import Meaning, meaning, summarise
from gitrelease.core.regions import Region
from tests.core.texts import APP, REGIONS, diff, replaced

HERE = Region(name="here", kind=Kind.DICTIONARY, assign="here")


IN_F = msgspec.structs.replace(HERE, symbol="f")


def value(text, region=HERE):
    return literals(text.encode(), [region]).get("here", "not read")


# -- literals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("['a', 'b']", ["a", "b"]),
        ("('a',)", ("a",)),
        ("{'a', 'b'}", {"a", "b"}),
        ("frozenset({'a'})", frozenset({"a"})),
        ("frozenset()", frozenset()),
        ("set(['a', 'a'])", {"a"}),
        ("{'a': ['b'], 'c': ('d',)}", {"a": ["b"], "c": ("d",)}),
        ("dict(a=1, b=2)", {"a": 1, "b": 2}),
        ("['a' 'b', r'\\d']", ["ab", r"\d"]),
        ("'a' + 'b' + 'c'", "abc"),
        ("['a'] + ['b']", ["a", "b"]),
        ("{'a': 1} | {'b': 2}", {"a": 1, "b": 2}),
        ("[*['a'], 'b']", ["a", "b"]),
        ("{**{'a': 1}, 'b': 2}", {"a": 1, "b": 2}),
        ("[-1, +2.5, 1 + 1, True, None, b'x']", [-1, 2.5, 2, True, None, b"x"]),
        ("f'a' 'b'", "ab"),
    ],
)
def test_a_literal_is_read(expression, expected):
    assert value(f"here = {expression}\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("BASE = ['a']\nhere = BASE + ['b']\n", id="of the module"),
        pytest.param("BASE: list = ['a']\nhere = [*BASE, 'b']\n", id="with an annotation"),
        pytest.param("A = ['a']\nBASE = A\nhere = BASE + ['b']\n", id="by way of another"),
    ],
)
def test_a_name_stands_for_its_literal(text):
    assert value(text) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("class A:\n    BASE = ['a']\n    def f(self): here = self.BASE + ['b']\n", id="of the class"),
        pytest.param("class A:\n    BASE = ['a']\n    def f(self): here = A.BASE + ['b']\n", id="by its class"),
        pytest.param("class A:\n  def f(self):\n    BASE = ['a']\n    here = BASE + ['b']\n", id="of the function"),
        pytest.param(
            "class A:\n  def __init__(self): self.b = ['a']\n  def f(self): here = self.b + ['b']\n",
            id="of the instance",
        ),
        pytest.param(
            "BASE = ['a']\nclass A:\n  BASE = ['wrong']\n  def f(self): here = BASE + ['b']\n",
            id="of the module, for a method does not see the names of its class",
        ),
    ],
)
def test_a_name_is_looked_up_as_python_does(text):
    assert value(text, msgspec.structs.replace(HERE, symbol="A.f")) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("here = BASE + ['b']\n", id="nowhere"),
        pytest.param("from terms import BASE\nhere = BASE\n", id="in another file"),
        pytest.param("BASE = ['a']\nBASE = ['b']\nhere = BASE\n", id="twice"),
        pytest.param("BASE = ['a']\nBASE += ['b']\nhere = BASE\n", id="and added to"),
        pytest.param("for BASE in x: pass\nhere = BASE\n", id="by a loop"),
        pytest.param("BASE = load()\nhere = BASE\n", id="as something that is no literal"),
        pytest.param("BASE = here\nhere = BASE\n", id="in a circle"),
        pytest.param("def list(x): pass\nhere = list(['a'])\n", id="under the name of a type"),
        pytest.param("from terms import *\nhere = list(['a'])\n", id="perhaps by a star import"),
        pytest.param("here = open('terms').read()\n", id="as a built-in"),
    ],
)
def test_a_name_that_is_not_defined_as_a_literal_makes_it_major(text):
    change = diff("here = []\n", text, (HERE,))

    (region,) = change.regions
    assert (region.kind, change.kind) == (Kind.MAJOR, Kind.MAJOR)
    assert any("which the file does not define as a literal" in item.why for item in change.other)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("[x for x in ['a']]", id="a comprehension"),
        pytest.param("'a b'.split()", id="a method of a literal"),
        pytest.param("['a'] * 3", id="a product"),
        pytest.param("['a', 'b'][0]", id="an item"),
        pytest.param("['a'] if True else ['b']", id="a choice"),
        pytest.param("['a'] + 'b'", id="a sum that fails"),
        pytest.param("{[]: 1}", id="a key that cannot be one"),
        pytest.param("lambda x: x", id="a function"),
        pytest.param("-'a'", id="a sign before a text"),
    ],
)
def test_a_shape_that_is_not_read_counts_as_its_kind_and_says_so(expression):
    change = diff("here = []\n", f"here = {expression}\n", (HERE,))

    (region,) = change.regions
    assert (change.kind, region.added, region.removed) == (Kind.DICTIONARY, (), ())
    assert region.note.startswith("content not understood")


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("(yield 'a')", "yield"),
        ("(yield from ['a'])", "yield"),
        ("[(text := 'a')]", "an assignment"),
        ("[().__class__]", "__class__"),
        ("['a'] if True else (text := 'b')", "an assignment"),
    ],
)
def test_an_expression_that_reaches_beyond_its_value_makes_it_major(expression, what):
    change = diff("def f(text):\n    here = []\n", f"def f(text):\n    here = {expression}\n", (IN_F,))

    assert change.kind is Kind.MAJOR
    assert f"holds {what}, which does more than say a value" in change.other[0].why


def test_a_sum_of_very_many_parts_is_read():
    assert value("here = " + " + ".join(["'a'"] * 500) + "\n") == "a" * 500


def test_doubling_ends_before_it_fills_the_memory():
    text = "A0 = ['a']\n" + "".join(f"A{n} = A{n - 1} + A{n - 1}\n" for n in range(1, 60)) + "here = A59\n"

    assert value(text) == "not read"


# -- what came and went ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["a"], ["a", "b"], Meaning(added=("b",))),
        (["a", "b"], ("b",), Meaning(removed=("a",))),
        ({"b", "a"}, {"c", "d", "a"}, Meaning(added=("c", "d"), removed=("b",))),
        (["a", "a"], ["a"], Meaning()),
        ({"a": [1], "b": 1}, {"a": [2], "c": 1}, Meaning(added=("c",), removed=("b",), changed=("a",))),
        ({"a": 1}, {"a": True}, Meaning(changed=("a",))),
        ("x+", "y+", Meaning(added=("y+",), removed=("x+",))),
        ([1, ("a", 2)], [1], Meaning(removed=("('a', 2)",))),
    ],
)
def test_the_items_of_both_sides_are_compared(old, new, expected):
    assert meaning(Content(old), Content(new)) == expected


def test_another_kind_of_thing_is_no_change_of_content():
    assert meaning(Content(["a"]), Content("a")).why == "was a list and is now a text"


ITEMS = st.lists(st.text(max_size=5), unique=True)


@given(ITEMS, ITEMS)
def test_what_came_and_went_leads_from_one_side_to_the_other(old, new):
    said = meaning(Content(old), Content(new))

    assert set(old) - set(said.removed) | set(said.added) == set(new)


def test_a_term_that_is_no_text_can_still_be_written():
    change = diff("here = []\n", "here = ['\\ud800']\n", (HERE,))

    assert b"ud800" in msgspec.json.encode(change)


# -- the schema export -------------------------------------------------------------------------------------------------

PAGE = '{"core_system_schemas": {"page_data_schema": {"required_fields": {"page": {"type": "integer"}%s}}}}'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (', "a": {"type": "string"}', "", Meaning(removed=("page_data_schema.a",))),
        ("", ', "a": {"type": "string"}', Meaning(added=("page_data_schema.a",))),
        (', "a": {"type": "string"}', ', "a": {"type": "array"}', Meaning(changed=("page_data_schema.a",))),
        ("", ', "fields": {"type": "string"}', Meaning(added=("page_data_schema.fields",))),
        (
            "",
            ', "a": {"type": "object", "properties": {"b": {"type": "string"}}}',
            Meaning(added=("page_data_schema.a", "page_data_schema.a.b")),
        ),
    ],
)
def test_fields_of_an_export_have_dotted_names_without_plumbing(old, new, said):
    change = diff(PAGE % old, PAGE % new, path="export.json")

    (region,) = change.regions
    assert (region.region, region.kind) == ("schema_export", Kind.SCHEMA)
    assert (set(region.added), region.removed, region.changed) == (set(said.added), said.removed, said.changed)


def test_a_field_that_is_no_longer_required_has_changed():
    before = {"page": {"required_fields": {"a": {"type": "string"}}}}
    after = {"page": {"optional_fields": {"a": {"type": "string"}}}}

    assert list(fields(before)) == list(fields(after)) == ["page.a"]
    assert fields(before) != fields(after)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"a": }', "line 1"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"\xff"', "byte 1 is not UTF-8"),
        (b"", "line 1"),
        (b'{"a": ' + b"1" * 5000 + b"}", "digits"),
    ],
)
def test_what_is_not_json_says_why(content, why):
    with pytest.raises(NotJson, match=why):
        parse_json(content)


# -- one line ----------------------------------------------------------------------------------------------------------


def test_a_note_tells_terms_metrics_and_fields():
    new = replaced('"cash flow",', '"cash flow", "carbon footprint", "esg score",')
    new = replaced(r'r"revenue: (\d+)"', r'r"revenue (\d+)"', new)
    new = replaced('"text": text', '"text": text, "language_detected": None', new)

    assert summarise(diff(APP, new)) == (
        "terms +2 (carbon footprint, esg score); revenue: patterns changed; entry +language_detected"
    )


def test_a_note_names_what_is_gone():
    new = APP[: APP.index("class Extractor")]

    assert summarise(diff(APP, new)).startswith(
        "class Extractor was removed, and with it the regions patterns, entry, detect"
    )


def test_a_note_of_nothing_says_so():
    assert summarise(diff(APP, APP)) == "nothing that runs has changed"


def test_a_note_of_code_says_code():
    assert summarise(diff(APP, replaced("> 3", "> 4"))) == "detect: code changed"


def change(**items):
    lists = {"added": (), "removed": (), "changed": (), **items}
    region = RegionChange(region="terms", kind=Kind.DICTIONARY, file="a.py", old_lines=None, new_lines=None, **lists)
    return Diff(kind=Kind.DICTIONARY, kinds=(Kind.DICTIONARY,), regions=(region,), other=())


def test_a_long_list_is_cut_and_counted():
    assert summarise(change(added=tuple(f"term {n}" for n in range(15)))) == (
        "terms +15 (term 0, term 1, term 2, and 12 more)"
    )


def test_patterns_are_counted_and_not_shown():
    assert summarise(change(added=(r"a[:\s]+(\d+)",), removed=("b+?",))) == "terms +1, -1"


@given(st.lists(st.text(), max_size=4), st.text(), st.text())
def test_whatever_a_term_holds_the_note_is_one_printable_line(terms, why, name):
    said = change(added=tuple(terms), removed=(why,), changed=(name,))
    other = OtherChange(file="a.py", old_lines=None, new_lines=None, why=f"x {why}")
    told = summarise(msgspec.structs.replace(said, kind=Kind.MAJOR, other=(other,)))

    assert len(told.splitlines()) == 1
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in told)
    assert len(told) < 1000


def test_regions_that_did_not_change_are_not_told():
    assert diff(APP, replaced('"profit",', '"profits",')).regions[0].region == REGIONS[0].name
    assert len(diff(APP, replaced('"profit",', '"profits",')).regions) == 1
