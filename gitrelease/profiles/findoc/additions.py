"""Does what a change adds to FinDocPipeline do what it is there for?

Read and run by `inside/contract.py`, in the app's interpreter: standard library only, Python 3.8 and later. What a
change adds is judged by itself: that something like it fails on the live release too is no excuse.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any
from unittest import SkipTest

BROAD = 0.1  # of the sample documents
App = Any  # the app's module, whatever it defines


def rows_for(change: dict[str, Any]) -> list[tuple[str, str, tuple[str, ...], Any]]:
    """Return the checks of what `change` adds: a row for the terms of each region, two for each name with patterns."""
    found = _rows_for_patterns(change)
    for region in change["regions"]:
        check = BY_REGION.get(region["region"])
        if check is not None and region["added"]:
            needs, function = check
            row = functools.partial(function, terms=region["added"])
            found.append((f"terms of {region['region']}", "dictionary", needs, row))
    return found


def _rows_for_patterns(change: dict[str, Any]) -> list[tuple[str, str, tuple[str, ...], Any]]:
    by_name: dict[str, list[str]] = {}
    for name, pattern in change.get("patterns", ()):
        by_name.setdefault(name, []).append(pattern)
    rows: list[tuple[str, str, tuple[str, ...], Any]] = []
    for name, patterns in by_name.items():
        rows.append((f"group of {name}", "pattern", (), functools.partial(check_group, patterns=patterns)))
        row = functools.partial(check_samples, patterns=patterns, folders=change.get("documents", ()))
        rows.append((f"samples of {name}", "pattern", (), row))
    return rows


def check_group(_: App, patterns: list[str]) -> None:
    """The extractors read group 1 of each match."""
    for pattern in patterns:
        if re.compile(pattern, re.IGNORECASE).groups < 1:
            raise AssertionError(f"has no group for the value, which is read as group(1): {pattern}")


def check_samples(_: App, patterns: list[str], folders: list[str]) -> str | None:
    """Each new pattern finds something in the sample documents, and by a word; or it is said that it does not."""
    texts = [text for folder in folders for text in _texts(Path(folder))]
    if not texts:
        raise SkipTest("there are no sample documents")
    hits = {one: sum(bool(re.search(one, text, re.IGNORECASE)) for text in texts) for one in patterns}
    said = []
    if idle := [one for one in patterns if not hits[one]]:
        said.append(f"matches none of {len(texts)} sample documents: {_named(idle)}")
    for one in patterns:
        if hits[one] > BROAD * len(texts) and not re.search(r"[^\W\d_]{2}", _without_escapes(one)):
            said.append(f"names no word and matches {hits[one]} of {len(texts)} sample documents: {one!r}")
    return "; ".join(said) or None


def _without_escapes(pattern: str) -> str:
    """Return a pattern without `\\d` and its like and without sets: what is left of letters stands for itself."""
    return re.sub(r"\\.|\[[^\]]*\]|\(\?P?<?\w*[>:=!]?", " ", pattern)


def _texts(folder: Path) -> list[str]:
    """Return the sample documents as the app's cleaning leaves them: on one line."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".txt", ".csv"))
    return [" ".join(path.read_text(encoding="utf-8", errors="replace").split()) for path in paths]


def check_terms_are_found(app: App, terms: list[str]) -> None:
    """Each new term makes a text a financial one."""
    has_financial_terms = app.NLPDataProcessor()._has_financial_terms
    lost = [term for term in _plain(terms) if not has_financial_terms(f"Here is {term} once.")]
    if lost:
        raise AssertionError(f"_has_financial_terms does not find {_named(lost)}")


def check_labels_are_counted(app: App, terms: list[str]) -> None:
    """Each new label is counted in the data set, in a text that has been cleaned as any other is."""
    labels = _plain(terms)
    text = "Here are " + " and ".join(labels) + "."
    page = {"page": 1, "method": "sample", "full_text": text, "word_count": 9, "char_count": len(text), "tables": []}
    processor = app.NLPDataProcessor()
    nlp, _ = processor.clean_for_nlp(processor.create_raw_csv([page]))
    dataset = app.NLPDatasetExporter().create_nlp_dataset(nlp)
    counted = [label for label in labels if f"{label}_count" in dataset.columns]
    if labels and not counted:
        raise SkipTest("the data set has no column LABEL_count")
    lost = [label for label in labels if label not in counted or not int(dataset[f"{label}_count"].iloc[0])]
    if lost:
        raise AssertionError(f"create_nlp_dataset does not count {_named(lost)}")


# The other terms can never match, and the linter says so.
def _plain(terms: list[str]) -> list[str]:
    return [term for term in terms if term and term == term.lower().strip()]


def _named(terms: list[str]) -> str:
    more = f" and {len(terms) - 5} more" if len(terms) > 5 else ""
    return ", ".join(repr(term) for term in terms[:5]) + more


BY_REGION = {
    "basic_terms": (("NLPDataProcessor",), check_terms_are_found),
    "nlp_labels": (("NLPDataProcessor", "NLPDatasetExporter"), check_labels_are_counted),
}
