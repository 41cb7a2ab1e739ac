"""Terms that cannot be found, find nothing new, or find everything."""

from __future__ import annotations

import pytest

from gitrelease.core.lint import lint_terms

LIVE = ("revenue", "cash", "growth rate")
LINES = ("Revenue grew", "Cash is king", "The weather is fine", "Nothing to see", "Hats for sale", "Esg matters")


@pytest.mark.parametrize(
    ("added", "warning"),
    [
        ("ESG", "'ESG' is not in lower case: it can never match"),
        (" esg", "' esg' has blanks around it"),
        ("Revenue", "'Revenue' differs from 'revenue' only in case or blanks"),
        ("cash flow", "'cash flow' contains 'cash', which finds all that it could find"),
        ("growth", "'growth' is contained in 'growth rate', which finds nothing more now"),
        ("", "an empty term matches every text"),
        ("e", "'e' is broad: 100% of the sample lines have a term now, 33% had one before"),
    ],
    ids=["upper case", "blanks", "twin", "holds one", "held by one", "empty", "broad"],
)  # fmt: skip
def test_an_odd_term_is_warned_of(added, warning):
    warnings = lint_terms(LIVE, (*LIVE, added), LINES)

    assert any(said.startswith(warning) for said in warnings), warnings


def test_a_term_that_is_there_twice_is_named():
    assert lint_terms(LIVE, (*LIVE, "esg", "esg"), ()) == ("'esg' is there twice",)


def test_a_good_term_and_old_sins_are_no_news():
    assert lint_terms(("Old Sin", *LIVE), ("Old Sin", *LIVE, "esg"), LINES) == ()
