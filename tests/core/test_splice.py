"""A region is taken over from another version, and every other byte stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitrelease.core.changes import Lines
from gitrelease.core.contents import literals
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region
from gitrelease.core.splice import Refused, Spliced, regions_to_take, splice
from tests.core.texts import APP, DETECT, ENTRY, PATTERNS, REGIONS, TERMS, replaced

WORDS = st.lists(st.text("abcdefg \"'\\é€", min_size=1, max_size=8), min_size=1, max_size=5)


NAMING = replaced('"cash flow",', "*BASE_TERMS,")


def taken(into: str, donor: str, *wanted: Region, **placed: dict[str, Lines]) -> str:
    result = splice(into.encode(), donor.encode(), wanted, REGIONS, **placed)
    assert isinstance(result, Spliced), result
    return result.content.decode()


def with_terms(terms: list[str], text: str = APP) -> str:
    begin, end = text.index("terms = [") + 8, text.index("        ]\n        # the text") + 9
    return f"{text[:begin]}{terms!r}{text[end:]}"


def test_a_region_is_as_the_other_version_has_it_and_the_rest_as_it_was():
    donor = replaced('"cash flow",', '"cash flow", "margin",  # asked for by Ann')
    into = replaced("self.limit = 3", "self.limit = 4")

    result = taken(into, donor, TERMS)

    assert result == replaced('"cash flow",', '"cash flow", "margin",  # asked for by Ann', into)


def test_several_regions_are_taken_together():
    donor = replaced('"page": 1', '"number": 1', replaced(r"profit: (\d+)", r"profits?: (\d+)"))

    assert taken(APP, donor, PATTERNS, ENTRY) == donor


def test_a_body_is_taken_without_heading_and_docstring():
    donor = replaced("return len(text) > 3", "return len(text) > 9", replaced("Looks for lines", "Looks hard"))

    assert taken(APP, donor, DETECT) == replaced("return len(text) > 3", "return len(text) > 9")


def test_keys_that_are_added_below_come_along():
    donor = replaced(
        "        self.limit = 3", '        self.patterns["eps"] = [r"eps (\\d+)"]  # new\n        self.limit = 3'
    )

    assert taken(APP, donor, PATTERNS) == donor
    assert taken(donor, APP, PATTERNS) == APP


def test_what_is_the_same_is_not_taken():
    into = replaced("self.limit = 3", "self.limit = 4")

    assert splice(into.encode(), APP.encode(), REGIONS, REGIONS) == Spliced(into.encode(), ())


def test_line_ends_stay_as_they_are_here():
    into = APP.replace("\n", "\r\n")
    donor = replaced('"cash flow",', '"cash flow",\n            "margin",')

    assert taken(into, donor, TERMS) == donor.replace("\n", "\r\n")


def test_a_byte_order_mark_stays():
    donor = replaced('"cash flow"', '"margin"')

    result = splice(b"\xef\xbb\xbf" + APP.encode(), donor.encode(), [TERMS], REGIONS)

    assert isinstance(result, Spliced)
    assert result.content == b"\xef\xbb\xbf" + donor.encode()


def test_a_plain_range_is_exchanged_as_lines():
    region = Region(name="range", kind=Kind.DICTIONARY, lines=(4, 4), at="HEAD")
    donor = replaced('["revenue", "profit"]', '["margin"]')
    placed = {"range": Lines(4, 4)}

    result = splice(APP.encode(), donor.encode(), [region], [region], into_placed=placed, donor_placed=placed)

    assert result == Spliced(donor.encode(), ("range",))


@pytest.mark.parametrize(
    ("into", "donor", "why"),
    [
        (APP, replaced("def has_terms", "def has_term"), "it is gone there"),
        (replaced("def has_terms", "def has_term"), APP, "it is gone here"),
        (APP, APP + "def (", "does not parse there"),
        (replaced("return any", 'terms = ["x"]\n        return any'), APP, "is assigned in 2 places here"),
        (APP, replaced('"cash flow",', "*BASE_TERMS,", APP.replace("profit", "loss")), "it would say something else"),
        (
            NAMING,
            NAMING.replace('BASE_TERMS = ["revenue"', 'BASE_TERMS = ["losses"'),
            "it reads the same and says something else",
        ),
        (APP.replace("terms =", "words ="), APP.replace("terms =", "words ="), "it is on neither side"),
    ],
    ids=["gone there", "gone here", "broken", "twice", "a name that means something else", "the name alone", "nowhere"],
)
def test_what_cannot_be_taken_alone_is_refused_with_the_reason(into, donor, why):
    result = splice(into.encode(), donor.encode(), [TERMS], REGIONS)

    assert isinstance(result, Refused)
    assert result.region == "terms"
    assert why in result.why


def test_a_region_that_is_nowhere_is_passed_over_beside_others():
    gone = Region(name="gone", kind=Kind.DICTIONARY, symbol="Nobody", assign="terms")

    assert splice(APP.encode(), APP.encode(), [gone, TERMS], [gone, TERMS]) == Spliced(APP.encode(), ())


@given(WORDS, WORDS, st.integers(0, 9))
def test_no_byte_outside_changes_and_twice_is_once(ours, theirs, limit):
    into, donor = replaced("self.limit = 3", f"self.limit = {limit}", with_terms(ours)), with_terms(theirs)

    once = taken(into, donor, TERMS)

    assert once == replaced("self.limit = 3", f"self.limit = {limit}", with_terms(theirs))
    assert taken(once, donor, TERMS) == once
    assert literals(once.encode(), [TERMS]) == {"terms": theirs}


def test_a_kind_means_its_regions_and_those_that_go_with_it():
    metrics = Region(name="metrics", kind=Kind.PATTERN, assign="m", also=(Kind.DICTIONARY,))
    known = (TERMS, PATTERNS, metrics)

    assert [region.name for region in regions_to_take(known, "dictionary")] == ["terms", "metrics"]
    assert [region.name for region in regions_to_take(known, "pattern")] == ["patterns", "metrics"]
    assert [region.name for region in regions_to_take(known, "patterns")] == ["patterns"]
    assert regions_to_take(known, "nonsense") == ()
