"""Of which kind a change is, and what it says to whoever must approve it."""

from __future__ import annotations

import ast
import re
import warnings

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitrelease.core.changes import Change, Hunk, Lines, follow
from gitrelease.core.classify import FileChange, classify, is_document
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region
from gitrelease.core.schemas import breaking
from gitrelease.profiles.findoc import CLASSES
from gitrelease.profiles.findoc.regions import REGIONS as FINDOC
from tests.core.texts import APP, EXPORT, REGIONS, SCRIPT, TERMS, diff, edit, hunks, replaced


def whys(change):
    return [item.why for item in change.other]


def names(change):
    return [region.region for region in change.regions]


# -- nothing that runs ---------------------------------------------------------------------------------------------


def test_no_change_is_none():
    change = classify([], REGIONS, script=SCRIPT, schema=EXPORT)

    assert (change.kind, change.kinds, change.regions, change.other) == (Kind.NONE, (Kind.NONE,), (), ())


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(APP, id="the same"),
        pytest.param(replaced("# the text comes in any case", "# upper or lower"), id="a comment"),
        pytest.param(replaced("        # the text comes in any case\n", ""), id="a comment less"),
        pytest.param(APP.replace("\n\n", "\n\n\n"), id="empty lines"),
        pytest.param(APP.replace("\n", "\r\n"), id="line ends"),
        pytest.param(replaced('"revenue", "profit",\n', "'revenue', 'profit',\n"), id="quotes"),
        pytest.param(replaced('"cash flow",', '"cash " "flow"'), id="a text in two parts"),
        pytest.param(replaced('"""Does it?"""', '"""It does."""'), id="a docstring"),
        pytest.param(replaced('        """Does it?"""\n', ""), id="a docstring less"),
        pytest.param(replaced('"""Reads reports."""\n', ""), id="the docstring of the file"),
        pytest.param(replaced("return len(text) > 3", "return (len(text) >\n                3)"), id="layout"),
        pytest.param(replaced("        return terms", "        pass\n        return terms"), id="a pass"),
        pytest.param("\ufeff" + APP, id="a byte order mark"),
        pytest.param(APP.rstrip("\n"), id="the end of the last line"),
    ],
)
def test_what_does_not_run_is_none(new):
    assert diff(APP, new).kind is Kind.NONE


@pytest.mark.parametrize("path", ["README.md", "docs/x.py", "tests/test_x.py", "LICENSE", "CHANGELOG", ".gitignore"])
def test_documents_are_none(path):
    assert diff("old", "new", path=path).kind is Kind.NONE
    assert diff(None, "new", path=path).kind is Kind.NONE
    assert diff("old", None, path=path).kind is Kind.NONE


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README.md", True),
        ("deep/down/notes.MD", True),
        ("docs/guide.txt", True),
        ("LICENSE", True),
        ("LICENSE-MIT.txt", True),
        ("LICENCE.rst", True),
        ("CHANGELOG.rst", True),
        ("COPYING", True),
        ("sub/.gitignore", True),
        (".gitattributes", True),
        ("license_check.py", False),
        ("license-keys.json", False),
        ("readme_terms.csv", False),
        ("app/docs/x.txt", False),
        ("app/tests/x.py", False),
        ("documents.py", False),
        ("requirements.txt", False),
        ("gitrelease.toml", False),
        ("gitrelease_checks.py", False),
        (".streamlit/config.toml", False),
        ("FinDocPipeline.py", False),
    ],
)
def test_a_document_is_known_by_its_path(path, expected):
    assert is_document(path) is expected


# -- regions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "region", "kind", "items"),
    [
        pytest.param(
            replaced('"cash flow",', '"cash flow", "esg",'), "terms", "dictionary", (("esg",), (), ()), id="a term"
        ),
        pytest.param(
            replaced('"revenue: ', '"revenues: '), "patterns", "pattern", ((), (), ("revenue",)), id="a pattern"
        ),
        pytest.param(
            replaced('"profit": [r"profit', '"loss": [r"profit'),
            "patterns",
            "pattern",
            (("loss",), ("profit",), ()),
            id="a metric",
        ),
        pytest.param(
            replaced("        }\n", '        }\n        self.patterns["esg"] = ["x"]\n'),
            "patterns",
            "pattern",
            (("esg",), (), ()),
            id="a metric added below",
        ),
        pytest.param(
            replaced('"text": text}', '"text": text, "lang": None}'),
            "entry",
            "schema",
            (("lang",), (), ()),
            id="a field",
        ),
        pytest.param(
            replaced('"text": text}', '"text": text.strip()}'),
            "entry",
            "schema",
            ((), (), ("text",)),
            id="what fills a field",
        ),
        pytest.param(replaced("> 3", "> 4"), "detect", "pattern", ((), (), ()), id="a body"),
    ],
)
def test_a_change_in_a_region_is_of_its_kind(new, region, kind, items):
    change = diff(APP, new)

    (found,) = change.regions
    assert (found.region, found.kind, change.kind, change.kinds) == (region, kind, kind, (kind,))
    assert (found.added, found.removed, found.changed) == items
    assert change.other == ()


def test_the_answer_is_the_json_that_was_promised():
    change = diff(APP, replaced('"cash flow",', '"cash flow",\n            "esg",'))

    assert msgspec.json.decode(msgspec.json.encode(change)) == {
        "kind": "dictionary",
        "kinds": ["dictionary"],
        "regions": [
            {
                "region": "terms",
                "kind": "dictionary",
                "file": "app.py",
                "old_lines": [12, 15],
                "new_lines": [12, 16],
                "added": ["esg"],
                "removed": [],
                "changed": [],
            }
        ],
        "other": [],
    }


def test_several_kinds_are_listed_lowest_first_and_the_highest_counts():
    new = replaced('"text": text}', '"text": text, "lang": None}', replaced('"cash flow",', '"esg",'))

    change = diff(APP, new)

    assert (change.kind, change.kinds) == (Kind.SCHEMA, (Kind.DICTIONARY, Kind.SCHEMA))


def test_documents_beside_a_region_change_nothing():
    files = [edit("a", "b", "README.md"), edit(APP, replaced('"cash flow",', '"esg",'))]

    assert classify(files, REGIONS, script=SCRIPT).kinds == (Kind.DICTIONARY,)


def test_a_literal_that_a_region_names_is_outside_and_says_what_it_did():
    base = replaced('"revenue", "profit",\n', "*BASE_TERMS,\n")

    change = diff(base, replaced('BASE_TERMS = ["revenue"', 'BASE_TERMS = ["sales"', base))

    assert change.kinds == (Kind.DICTIONARY, Kind.MAJOR)
    assert (change.regions[0].added, change.regions[0].removed) == (("sales",), ("revenue",))


def test_a_region_in_another_file_is_a_region_there():
    region = Region(name="terms", kind=Kind.DICTIONARY, file="terms.py", assign="TERMS")

    assert diff("TERMS = ['a']\n", "TERMS = ['a', 'b']\n", (region,), "terms.py").kind is Kind.DICTIONARY
    assert diff("TERMS = ['a']\n", "TERMS = ['a', 'b']\n", (region,), "other.py").kind is Kind.MAJOR


@pytest.mark.parametrize(
    ("path", "old", "new", "items"),
    [
        pytest.param("terms.txt", "a\nb\n", "b\nc\n", (("c",), ("a",)), id="text by lines"),
        pytest.param("terms.json", '["a"]', '["a", "b"]', (("b",), ()), id="JSON by items"),
        pytest.param("terms.txt", None, "a\n", (("a",), ()), id="a new file"),
    ],
)
def test_a_whole_file_can_be_a_region(path, old, new, items):
    change = diff(old, new, (Region(name="terms", kind=Kind.DICTIONARY, file=path),), path)

    assert change.kind is Kind.DICTIONARY
    assert (change.regions[0].added, change.regions[0].removed) == items


# -- plain ranges --------------------------------------------------------------------------------------------------

RANGE = Region(name="range", kind=Kind.DICTIONARY, lines=(12, 15), at="HEAD")


def with_range(old, new):
    """Classify with the terms given as a range of the old side, followed to the new one."""
    lines = follow(Lines(12, 15), hunks(old.encode(), new.encode()))
    return classify(
        [edit(old, new)],
        (RANGE,),
        script=SCRIPT,
        old_placed={"range": Lines(12, 15)},
        new_placed={"range": lines} if lines else {},
    )


def test_a_range_is_followed_and_read():
    new = replaced('"cash flow",', '"cash flow",\n            "esg",', '"""More."""\n' + APP)

    (region,) = with_range(APP, new).regions

    assert (region.kind, region.old_lines, region.new_lines, region.added) == (
        "dictionary",
        (12, 15),
        (13, 17),
        ("esg",),
    )


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(replaced("        terms = [\n", "        words = [\n"), id="its target"),
        pytest.param(replaced("any(term", "all(term"), id="the line below"),
        pytest.param(replaced('terms = ["revenue"]', 'terms = ["sales"]'), id="its twin"),
    ],
)
def test_what_is_not_the_value_in_a_range_is_major(new):
    assert with_range(APP, new).kind is Kind.MAJOR


def test_a_range_that_is_not_followed_covers_nothing():
    change = classify([edit(APP, replaced('"cash flow",', '"esg",'))], (RANGE,), script=SCRIPT)

    assert change.kind is Kind.MAJOR


# -- major ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "why"),
    [
        pytest.param(replaced("any(term", "all(term"), "changed: Reader.has_terms", id="code beside a region"),
        pytest.param(replaced("return terms\n", "return []\n"), "changed: Reader.other_terms", id="another method"),
        pytest.param(replaced('terms = ["revenue"]', "terms = []"), "changed: Reader.other_terms", id="a twin"),
        pytest.param(replaced("self.limit = 3", "self.limit = 4"), "changed: Extractor.__init__", id="a neighbour"),
        pytest.param(replaced('BASE_TERMS = ["r', 'BASE_TERMS = ["R'), "at the top level", id="the top level"),
        pytest.param(replaced("detect(self, text)", "detect(self, text, x=1)"), "Extractor.detect", id="a signature"),
        pytest.param(replaced("    def detect", "    @cache\n    def detect"), "Extractor.detect", id="a decorator"),
        pytest.param(replaced("class Extractor:", "class Extractor(Reader):"), "changed: Extractor", id="a base"),
        pytest.param(replaced("def page", "def side"), "Extractor.page was removed", id="a method less"),
        pytest.param(APP + "def more(): pass\n", "more was added", id="a function more"),
        pytest.param(APP + "class More: pass\n", "class More was added", id="a class more"),
        pytest.param(
            replaced("        terms = [\n", "        self.terms = [\n"), "region terms is gone", id="a target"
        ),
        pytest.param(replaced("def page", "def ("), "does not parse: line 32: invalid syntax", id="a syntax error"),
        pytest.param(APP + "\0", "does not parse", id="a NUL byte"),
        pytest.param("(" * 500, "does not parse", id="brackets without end"),
        pytest.param(replaced("        self.limit = 3\n", ""), "changed: Extractor.__init__", id="a statement less"),
    ],
)
def test_what_is_outside_is_major_and_named(new, why):
    change = diff(APP, new)

    assert change.kind is Kind.MAJOR
    assert any(why in item for item in whys(change))


def test_the_lines_of_what_changed_outside_come_from_the_diff():
    change = diff(APP, replaced('"cash flow",', '"esg",\n"carbon",', replaced("any(term", "all(term")))

    assert [(item.old_lines, item.new_lines) for item in change.other] == [((17, 17), (18, 18))]


def test_a_comment_beside_changed_code_is_not_listed():
    change = diff(APP, replaced("# the text comes in any case", "# any", replaced("self.limit = 3", "self.limit = 4")))

    assert [item.new_lines for item in change.other] == [(30, 30)]


def test_code_that_shares_a_hunk_with_a_region_is_listed_without_the_region():
    new = replaced('r"profit: ', 'r"gain: ', replaced("self.limit = 3", "self.limit = 4"))
    change = classify([msgspec.structs.replace(edit(APP, new), hunks=(Hunk(28, 3, 28, 3),))], REGIONS, script=SCRIPT)

    assert [(item.old_lines, item.new_lines) for item in change.other] == [((30, 30), (30, 30))]


def test_a_class_that_vanished_is_named_with_its_regions():
    change = diff(APP, APP[: APP.index("class Extractor")])

    assert whys(change)[0] == "class Extractor was removed, and with it the regions patterns, entry, detect"
    assert change.other[0].old_lines == (24, 40)
    assert names(change) == ["patterns", "entry", "detect"]
    assert all(region.new_lines is None for region in change.regions)


def test_a_region_that_becomes_another_kind_of_thing_is_major():
    change = diff(
        APP, APP.replace('[\n            "revenue", "profit",\n            "cash flow",\n        ]', '"revenue"')
    )

    assert (change.kind, change.regions[0].kind) == (Kind.MAJOR, Kind.MAJOR)
    assert whys(change) == ["region terms was a list and is now a text"]


def test_parts_in_another_order_are_major():
    first, second = APP.index("    def has_terms"), APP.index("    def other_terms")
    end = APP.index("\n\nclass Extractor")
    swapped = APP[:first] + APP[second:end].rstrip() + "\n\n" + APP[first:second].rstrip() + "\n" + APP[end:]

    assert diff(APP, swapped).kind is Kind.MAJOR


def test_a_side_that_did_not_parse_is_major_when_it_is_mended():
    assert whys(diff("def (", APP)) == ["did not parse before: line 1: invalid syntax"]


def test_a_script_that_is_gone_is_named_with_its_classes():
    change = diff(APP, None)

    assert whys(change)[0] == "app.py was removed"
    assert [why.split(",")[0] for why in whys(change)[1:]] == [
        "class Reader was removed",
        "class Extractor was removed",
    ]


def test_a_new_script_is_major():
    change = diff(None, APP)

    assert (whys(change), names(change)) == (["app.py was added"], [region.name for region in REGIONS])


@pytest.mark.parametrize(
    ("old", "new", "path", "why"),
    [
        pytest.param("a\n", "b\n", "requirements.txt", "requirements.txt was changed", id="requirements"),
        pytest.param(None, "x = 1\n", "new.py", "new.py was added", id="a new module"),
        pytest.param("x = 1\n", None, "old.py", "old.py was removed", id="a module less"),
        pytest.param(None, "", "pkg/__init__.py", "pkg/__init__.py was added", id="an empty module"),
        pytest.param("x = 1\n", "x = 2\n", "m.py", "at the top level of the file", id="a module"),
        pytest.param(b"\0", b"\1", "logo.png", "logo.png was changed", id="a picture"),
        pytest.param("{}", None, EXPORT, "region schema_export is gone", id="the export is gone"),
        pytest.param("{}", "{", EXPORT, "export.json is not JSON: line 1", id="the export is broken"),
        pytest.param("{", "{}", EXPORT, "export.json was not JSON before", id="the export was broken"),
    ],
)
def test_a_change_to_another_file_is_major_and_says_which(old, new, path, why):
    change = diff(old, new, path=path)

    assert change.kind is Kind.MAJOR
    assert any(why in item for item in whys(change))


def test_a_comment_in_another_module_is_none():
    assert diff("x = 1\n", "x = 1  # one\n", path="m.py").kind is Kind.NONE


def test_the_layout_of_the_export_is_none():
    assert diff('{"a": 1, "b": [2]}', '{\n  "b": [2],\n  "a": 1\n}\n', path=EXPORT).kind is Kind.NONE


def test_a_new_export_is_a_schema_change():
    change = diff(None, '{"page": {"type": "integer"}}', path=EXPORT)

    assert (change.kind, change.regions[0].added, change.regions[0].old_lines) == (Kind.SCHEMA, ("page",), None)


@pytest.mark.parametrize(
    ("old", "new", "breaks"),
    [
        ("2.0.0", "2.1.0", False),
        ("2.9", "2.10", False),
        ("2.1.0", "3.0.0", True),
        ("2.1.0", "2.0.0", True),
        ("2.1.0", "next", True),
        ("2", "2.1", False),
    ],
)
def test_a_version_that_is_raised_within_its_major_number_breaks_nothing(old, new, breaks):
    change = diff(f'{{"schema_version": "{old}"}}', f'{{"schema_version": "{new}"}}', path=EXPORT)

    assert change.kind is Kind.SCHEMA
    assert bool(breaking(change)) is breaks
    assert change.regions[0].added == (() if breaks else (f"schema_version {new}",))


def test_a_change_of_mode_is_major():
    change = classify([msgspec.structs.replace(edit(APP, APP), new_mode="100755")], REGIONS, script=SCRIPT)

    assert whys(change) == ["app.py: mode changed from 100644 to 100755"]


@pytest.mark.parametrize(("mode", "what"), [("120000", "a link"), ("160000", "a submodule")])
def test_links_and_submodules_are_major(mode, what):
    file = FileChange(old_path=None, new_path="x", old_mode="000000", new_mode=mode, old=None, new=None)

    assert whys(classify([file], REGIONS, script=SCRIPT)) == [f"x is or was {what}"]


def test_content_that_is_missing_is_major():
    change = Change(
        status="M", old_path="a", new_path="a", old_mode="100644", new_mode="100644", old_id="1" * 40, new_id="2" * 40
    )

    assert whys(classify([FileChange.of(change, {})], (), script=SCRIPT)) == [
        "a: its content is not there to be read, or far too large"
    ]


def test_a_script_that_moved_away_is_one_gone_and_one_come():
    moved = msgspec.structs.replace(edit(APP, APP), new_path="elsewhere.py")

    change = classify([moved], REGIONS, script=SCRIPT)

    assert "app.py was removed" in whys(change)
    assert "elsewhere.py was added" in whys(change)


def test_a_document_that_moved_is_none():
    moved = msgspec.structs.replace(edit("a", "a", "a.md"), new_path="docs/a.md")

    assert classify([moved], REGIONS, script=SCRIPT).kind is Kind.NONE


def test_a_document_that_becomes_code_is_major():
    moved = msgspec.structs.replace(edit("a", "a", "docs/a.py"), new_path="a.py")

    assert whys(classify([moved], REGIONS, script=SCRIPT)) == ["a.py was added"]


def test_a_name_that_is_no_text_can_still_be_written():
    change = diff("a", "b", path="\udcff.txt")

    assert msgspec.json.decode(msgspec.json.encode(change))["other"][0]["file"] == "\\xff.txt"


def test_a_chain_of_a_thousand_branches_is_no_trouble():
    chain = "if a == 0: b\n" + "".join(f"elif a == {n}: b\n" for n in range(1, 400))

    assert diff(chain, chain.replace("a == 399", "a == 500")).kind is Kind.MAJOR
    assert diff(chain, chain.replace("\n", "  # why\n")).kind is Kind.NONE


# -- properties ----------------------------------------------------------------------------------------------------

LINES = APP.splitlines()
PLACES = st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(["", "# note", "   "])), max_size=5)
EDITS = st.lists(
    st.sampled_from(
        [
            ('"cash flow"', '"esg score"'),
            (r"revenue: (\\d+)", r"revenue (\\d+)"),
            ('"text": text}', '"text": text, "lang": 1}'),
            ("> 3", "> 4"),
            ("any(term", "all(term"),
            ("self.limit = 3", "self.limit = 4"),
            ("class Extractor", "class Renamed"),
            ('terms = ["revenue"]', 'terms = ["sales"]'),
        ]
    ),
    unique=True,
)


def with_edits(text, edits):
    for before, after in edits:
        text = text.replace(before, after)
    return text


def with_layout(text, places):
    """Insert empty lines and comments; none of the app's texts spans lines, so none of this runs."""
    lines = text.splitlines()
    for at, inserted in sorted(places, reverse=True):
        lines.insert(at, inserted)
    return "\n".join(lines) + "\n"


@given(EDITS)
def test_whatever_stands_there_compared_with_itself_is_none(edits):
    text = with_edits(APP, edits)

    assert diff(text, text).kind is Kind.NONE


@given(PLACES)
def test_layout_and_comments_are_none_wherever_they_stand(places):
    assert diff(APP, with_layout(APP, places)).kind is Kind.NONE


@given(EDITS, PLACES)
def test_layout_never_raises_the_kind_of_an_edit(edits, places):
    edited = with_edits(APP, edits)

    assert diff(APP, with_layout(edited, places)).kinds == diff(APP, edited).kinds


@given(EDITS)
def test_kinds_are_the_same_in_both_directions(edits):
    edited = with_edits(APP, edits)

    assert diff(APP, edited).kinds == diff(edited, APP).kinds


@given(EDITS, st.lists(st.builds(Hunk, *[st.integers(0, 60)] * 4), max_size=4))
def test_hunks_decide_nothing_but_what_is_shown(edits, shown):
    change = edit(APP, with_edits(APP, edits))
    real = classify([change], REGIONS, script=SCRIPT)

    other = classify([msgspec.structs.replace(change, hunks=tuple(shown))], REGIONS, script=SCRIPT)

    assert (real.kinds, real.regions) == (other.kinds, other.regions)


@settings(max_examples=200)
@example(len(APP.rstrip("\n")), 0, "\\")
@given(st.integers(0, len(APP)), st.integers(0, 30), st.sampled_from(["", "x", "\n", '"', "(", "#", "]", "\\", ":"]))
def test_any_damage_is_answered_and_none_only_when_the_tree_is_the_same(at, length, inserted):
    damaged = APP[:at] + inserted + APP[at + length :]

    change = diff(APP, damaged)

    assert (change.kind is Kind.NONE) == (tree(damaged) == tree(APP))


def tree(text):
    """Return the syntax tree of a text without docstrings and `pass`, or the text when there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a damaged r"" has an escape that Python does not like
        try:
            module = ast.parse(text)
        except SyntaxError:
            return text
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                body = body[1:]
            node.body = [one for one in body if not isinstance(one, ast.Pass)]
    return ast.dump(module)


# -- FinDocPipeline ------------------------------------------------------------------------------------------------


def test_the_profile_has_each_region_once_and_in_a_known_class():
    assert len({region.name for region in FINDOC}) == len(FINDOC) == 11
    assert {region.symbol.split(".")[0] for region in FINDOC if region.symbol} == set(CLASSES)


def test_the_terms_of_the_small_app_are_where_a_reader_counts_them():
    first = LINES.index("        terms = [") + 1

    assert re.match(r"\s+\]", LINES[14])
    assert (first, TERMS.symbol) == (12, "Reader.has_terms")
