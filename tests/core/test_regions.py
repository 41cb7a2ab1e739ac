"""Where the regions of a source are, and what belongs to them."""

from __future__ import annotations

import ast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.changes import Lines
from gitrelease.core.contents import literals, patterns_of
from gitrelease.core.kinds import Kind
from gitrelease.core.parsing import Broken, parse, parse_both
from gitrelease.core.regions import Region
from gitrelease.core.resolve import resolve
from gitrelease.core.scopes import Scopes
from tests.core.texts import APP, DETECT, ENTRY, PATTERNS, REGIONS, TERMS, replaced


def found(text, *regions, lines=None):
    source = parse(text.encode())
    assert not isinstance(source, Broken)
    return resolve(Scopes(source), regions, lines)


def dictionary(symbol=None, assign=None, **more):
    return Region(name="r", kind=Kind.DICTIONARY, symbol=symbol, assign=assign, **more)


# -- how a region is written -----------------------------------------------------------------------------------------


def test_a_region_reads_from_a_settings_table():
    table = {"name": "labels", "kind": "dictionary", "lines": [293, 297], "at": "ba1638c"}

    region = msgspec.convert(table, Region)

    assert (region.form, region.lines, region.kind) == ("lines", (293, 297), Kind.DICTIONARY)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        pytest.param({"kind": "none", "file": "a"}, "kind is one of", id="of no kind"),
        pytest.param({"kind": "schema"}, "say where it is", id="nowhere"),
        pytest.param({"kind": "schema", "lines": [1, 2]}, "go together", id="lines of no revision"),
        pytest.param({"kind": "schema", "at": "HEAD", "assign": "x"}, "go together", id="a revision without lines"),
        pytest.param({"kind": "schema", "at": "HEAD", "lines": [2, 1]}, "counted from 1", id="lines that run back"),
        pytest.param({"kind": "schema", "at": "H", "lines": [1, 2], "symbol": "f"}, "either lines", id="two places"),
        pytest.param({"kind": "schema", "file": "/etc/passwd"}, "within the repository", id="a file of the host"),
        pytest.param({"kind": "schema", "file": "../a"}, "within the repository", id="a file beside it"),
        pytest.param({"kind": "schema", "file": "a", "name": "a b"}, "a name is letters", id="two words as a name"),
        pytest.param({"kind": "schema", "file": "a", "name": "pattern"}, "none of a kind", id="the name of a kind"),
        pytest.param({"kind": "schema", "file": "a", "sybmol": "f"}, "unknown field", id="a typo"),
    ],
)
def test_a_wrong_region_is_refused_with_the_reason(table, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"name": "r", **table}, Region)


# -- where it is -----------------------------------------------------------------------------------------------------


def test_a_region_is_the_assigned_value_only():
    assert {name: item.lines for name, item in found(APP, TERMS, PATTERNS, ENTRY).items()} == {
        "terms": (12, 15),
        "patterns": (26, 29),
        "entry": (33, 33),
    }


def test_a_whole_body_is_shown_from_its_def():
    assert found(APP, DETECT)["detect"].lines == (36, 40)


def test_the_same_name_elsewhere_is_no_region():
    only_elsewhere = replaced("def has_terms(self, text)", "def had_terms(self, text)")

    assert found(only_elsewhere, TERMS) == {}


@pytest.mark.parametrize(
    ("text", "region"),
    [
        pytest.param("x = [1]\n", dictionary(assign="x"), id="at the top level"),
        pytest.param("x: list[int] = [1]\n", dictionary(assign="x"), id="with an annotation"),
        pytest.param("def f(): x = [1]\n", dictionary("f", "x"), id="in a function"),
        pytest.param("async def f(): x = [1]\n", dictionary("f", "x"), id="in an async function"),
        pytest.param("class A:\n    x = [1]\n", dictionary("A", "x"), id="in a class"),
        pytest.param("class A:\n class B:\n  def f(self): self.x = [1]\n", dictionary("A.B.f", "self.x"), id="nested"),
        pytest.param("try:\n    def f(): x = [1]\nfinally: pass\n", dictionary("f", "x"), id="defined inside of try"),
        pytest.param("def f():\n with a:\n  for b in c: x = [1]\n", dictionary("f", "x"), id="in with and for"),
        pytest.param("y = x = [1]\n", dictionary(assign="x"), id="with two targets"),
    ],
)
def test_an_assignment_is_found(text, region):
    assert found(text, region)["r"].ambiguous == ""
    assert literals(text.encode(), [region]) == {"r": [1]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("def f():\n def g(): x = [1]\n", id="in a function inside"),
        pytest.param("def f(): self.x = [1]\n", id="to an attribute"),
        pytest.param("def f(): x.y = [1]\n", id="to an attribute of it"),
        pytest.param("def f(x=[1]): pass\n", id="as a default"),
        pytest.param("def f(): x: list\n", id="without a value"),
        pytest.param("x = [1]\n", id="outside"),
    ],
)
def test_what_is_assigned_otherwise_is_no_region(text):
    assert found(text, dictionary("f", "x")) == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("x = [1]\nx = [2]\n", "assigned in 2 places", id="twice"),
        pytest.param("if a: x = [1]\nelse: x = [2]\n", "assigned in 2 places", id="in both branches"),
        pytest.param("if a: x = [1]\n", "on a condition", id="in a branch"),
        pytest.param("try: pass\nexcept E: x = [1]\n", "on a condition", id="after an error"),
        pytest.param("match a:\n case 1: x = [1]\n", "on a condition", id="in a case"),
    ],
)
def test_an_assignment_that_may_not_hold_is_found_and_not_read(text, why):
    assert why in found(text, dictionary(assign="x"))["r"].ambiguous
    assert literals(text.encode(), [dictionary(assign="x")]) == {}


def test_a_method_defined_twice_is_two_places():
    text = "class A:\n def f(self): x = [1]\nclass A:\n def f(self): x = [2]\n"

    item = found(text, dictionary("A.f", "x"))["r"]

    assert (item.lines, item.ambiguous) == ((2, 4), "x is assigned in 2 places")


# -- subscript additions ---------------------------------------------------------------------------------------------

ADDED = "def f():\n    x = {'a': [1]}\n    y = 2\n    x['b'] = [2]\n    x['c'] = [3]\n"


def test_keys_added_below_belong_to_the_region():
    region = dictionary("f", "x")

    assert found(ADDED, region)["r"].lines == (2, 5)
    assert [tuple(span) for span in found(ADDED, region)["r"].spans] == [(2, 2), (4, 4), (5, 5)]
    assert literals(ADDED.encode(), [region]) == {"r": {"a": [1], "b": [2], "c": [3]}}


def test_keys_added_at_the_top_level_belong_to_the_region():
    text = "x = {'a': 1}\n\nx['b'] = 2\n"

    assert found(text, dictionary(assign="x"))["r"].lines == (1, 3)


@pytest.mark.parametrize(
    "addition",
    [
        pytest.param("use(x)\n    x['b'] = [2]", id="after it was used"),
        pytest.param("x['b'] = compute()", id="with a value that is computed"),
        pytest.param("x[key] = [2]", id="under a key that is computed"),
        pytest.param("if y: x['b'] = [2]", id="on a condition"),
        pytest.param("self.x['b'] = [2]", id="to something else"),
        pytest.param("x['b'] += [2]", id="in place"),
    ],
)
def test_what_is_added_by_code_is_code(addition):
    text = f"def f():\n    x = {{'a': [1]}}\n    {addition}\n"

    assert found(text, dictionary("f", "x"))["r"].lines == (2, 2)


# -- plain ranges ----------------------------------------------------------------------------------------------------


def by_lines(first, last):
    return dictionary(lines=(first, last), at="HEAD"), {"r": Lines(first, last)}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(11, 15, ["revenue", "profit", "cash flow"], id="an assignment"),
        pytest.param(12, 15, ["revenue", "profit", "cash flow"], id="its lines without a comment above"),
        pytest.param(13, 14, ["revenue", "profit", "cash flow"], id="the items"),
        pytest.param(14, 14, ["cash flow"], id="one item"),
        pytest.param(27, 27, {"revenue": [r"revenue: (\d+)"]}, id="a key with its value"),
    ],
)
def test_a_range_reads_as_what_lies_wholly_in_it(first, last, expected):
    region, lines = by_lines(first, last)

    assert literals(APP.encode(), [region], lines=lines) == {"r": expected}


def test_a_range_of_code_has_no_value():
    region, lines = by_lines(38, 40)

    assert found(APP, region, lines=lines)["r"].lines == (38, 40)
    assert literals(APP.encode(), [region], lines=lines) == {}


def test_a_range_that_nobody_followed_is_nowhere():
    assert found(APP, by_lines(12, 15)[0]) == {}


# -- values and patterns ---------------------------------------------------------------------------------------------


def test_patterns_have_the_name_of_their_metric():
    assert patterns_of(APP.encode(), REGIONS) == (("revenue", r"revenue: (\d+)"), ("profit", r"profit: (\d+)"))


def test_plain_words_are_no_patterns():
    words = Region(name="words", kind=Kind.PATTERN, assign="x", regex=False)

    assert patterns_of(b"x = ['p&l (', 'chart']\n", [words]) == ()


def test_patterns_of_a_list_have_the_name_of_their_region():
    region = Region(name="amounts", kind=Kind.PATTERN, assign="x")

    assert patterns_of(b"x = (r'\\d', r'\\w')\n", [region]) == (("amounts", r"\d"), ("amounts", r"\w"))


def test_a_broken_script_has_no_patterns():
    assert patterns_of(b"def (", REGIONS) == ()


def test_fields_of_a_schema_have_the_source_of_their_values():
    assert literals(APP.encode(), [ENTRY]) == {"entry": {"page": "1", "text": "text"}}


# -- the second side is parsed where it differs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a = 1\nb = 2\nc = 3\n", "a = 1\nb = 4\nb = 5\nc = 3\n", id="a statement between two"),
        pytest.param("if a:\n    b\nc\n", "if a:\n    b\nelse:\n    d\nc\n", id="an else"),
        pytest.param("if a:\n    b\nc\n", "if a:\n    b\n    d\nc\n", id="an indented line"),
        pytest.param("a\ndef f(): pass\n", "a\n@b\ndef f(): pass\n", id="a decorator"),
        pytest.param("a = 1; b = [\n1]\n", "a = 1; b = [\n2]\n", id="two statements on a line"),
        pytest.param("a\nb\nc\n", 'a\n"""\nb\n"""\nc\n', id="a string around a statement"),
        pytest.param("a\nb\nc\n", "a\n(\nb\n)\nc\n", id="brackets around a statement"),
        pytest.param("a\nb\n", "a\n\\\nb\n", id="a continuation"),
        pytest.param("a\n", "", id="nothing"),
        pytest.param("", "a\n", id="from nothing"),
        pytest.param("a\nb\n", "a\r\nb\r\nc\r\n", id="other line ends"),
        pytest.param("# coding: latin-1\na = 'ä'\n", "# coding: utf-8\na = 'ä'\n", id="another encoding"),
    ],
)
def test_parsing_two_sides_is_parsing_each(before, after):
    _, new = parse_both(before.encode(), after.encode())
    alone = parse(after.encode())

    assert [item.lines for item in new.statements] == [item.lines for item in alone.statements]
    assert [type(item.node) for item in new.statements] == [type(item.node) for item in alone.statements]


TRICKY = ["x = 1", "    y", "else:", '"""', "(", ")", "@deco", "\\", "if a:", "# note", "", "def f():", "a; b = [", "]"]


@given(
    st.lists(st.sampled_from(TRICKY), max_size=4),
    st.lists(st.tuples(st.integers(0, 42), st.sampled_from([None, *TRICKY])), max_size=4),
)
def test_statements_used_again_stand_where_they_would_be_parsed(extra, edits):
    old = APP.splitlines() + extra
    new = list(old)
    for at, line in edits:
        new[at : at + (line is None)] = [] if line is None else [line]
    before, after = "\n".join(old).encode(), "\n".join(new).encode()

    _, again = parse_both(before, after)
    alone = parse(after)

    assert type(again) is type(alone)
    if not isinstance(alone, Broken):
        assert [(item.lines, ast.dump(item.node)) for item in again.statements] == [
            (item.lines, ast.dump(item.node)) for item in alone.statements
        ]


def test_an_escape_that_python_does_not_like_is_no_error():
    assert literals(b"x = ['\\d']\n", [dictionary(assign="x")]) == {"r": ["\\d"]}
