"""Where the surroundings of a text are the same, so is what the regions say of it: what counts as surroundings?"""

from __future__ import annotations

import pytest

from gitrelease.release.blame import _fingerprint

APP = b"""
class Exporter:
    def labels(self):
        one = ["esg", "cash"]
        two = {
            "risk": ["debt"],
        }
"""


def same(before: bytes, after: bytes, text: bytes = b"esg") -> bool:
    return _fingerprint(before, text) == _fingerprint(after, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'["esg", "cash"]', b'["cash"]'),
        (b'["esg", "cash"]', b'["esg score", "cash"]'),
        (b'["esg", "cash"]', b'["esg", "esg", "cash"]'),
        (b'["esg", "cash"]', b'["cash",\n            # "esg",\n        ]'),
        (b'one = ["esg", ', b'one = [\n        ]\n        other = ["esg", '),
        (b"def labels", b"def names"),
        (b'["debt"]', b'["debt", "esg"]'),
    ],
    ids=["gone", "longer", "twice", "commented out", "another list", "another function", "another key too"],
)
def test_a_change_that_may_matter_is_seen(old, new):
    assert not same(APP, APP.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"cash"]', b'"cash", "label 7"]'), (b'["esg"', b'["margin", "esg"'), (b"class", b"# a comment\nclass")],
    ids=["a neighbour", "one before it", "lines above"],
)
def test_what_cannot_matter_is_passed_over(old, new):
    assert same(APP, APP.replace(old, new))


def test_a_text_that_is_nowhere_has_no_surroundings():
    assert _fingerprint(APP, b"nothing") == ()
    assert _fingerprint(APP, b"") == ()
