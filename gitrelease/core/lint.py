"""Is a new term one that can be found, and one that is worth finding? Said before it is released, never in its way."""

from __future__ import annotations

from collections.abc import Sequence

from gitrelease.core.text import one_line

JUMP = 0.2  # of all lines: so many more that hold a term are too many for one change


def lint_terms(before: Sequence[str], after: Sequence[str], lines: Sequence[str]) -> tuple[str, ...]:
    """Return what is odd about the terms that `after` adds to `before`; `lines` are of sample documents.

    The app looks for a term in a text that it has put into lower case, anywhere in it.
    """
    added = [term for term in dict.fromkeys(after) if term not in before]
    warnings = [warning for term in added for warning in _of_one(term, before, after)]
    warnings += [f"{_shown(term)} is there twice" for term in dict.fromkeys(after) if after.count(term) > 1]
    return (*warnings, *_too_broad(before, after, added, lines))


def _of_one(term: str, before: Sequence[str], after: Sequence[str]) -> list[str]:
    if not term.strip():
        return ["an empty term matches every text"]
    warnings = []
    if term != term.strip():
        warnings.append(f"{_shown(term)} has blanks around it")
    if term != term.lower():
        warnings.append(f"{_shown(term)} is not in lower case: it can never match, the text is put into lower case")
    twins = [other for other in after if other != term and other.lower().strip() == term.lower().strip()]
    if twins:
        warnings.append(f"{_shown(term)} differs from {_shown(twins[0])} only in case or blanks")
    holders = [other for other in before if other and other != term and other in term and other not in twins]
    if holders:
        warnings.append(f"{_shown(term)} contains {_shown(holders[0])}, which finds all that it could find")
    held = [other for other in before if term in other and other != term and other not in twins]
    if held:
        warnings.append(f"{_shown(term)} is contained in {_shown(held[0])}, which finds nothing more now")
    return warnings


def _too_broad(before: Sequence[str], after: Sequence[str], added: Sequence[str], lines: Sequence[str]) -> list[str]:
    lowered = [line.lower() for line in lines if line.strip()]
    if not added or not lowered:
        return []
    rates = [sum(any(term in line for term in terms) for line in lowered) / len(lowered) for terms in (before, after)]
    if rates[1] - rates[0] < JUMP:
        return []
    hits = {term: sum(term in line for line in lowered) for term in added}
    worst = max(hits, key=lambda term: hits[term])
    return [
        f"{_shown(worst)} is broad: {rates[1]:.0%} of the sample lines have a term now, {rates[0]:.0%} had one before"
    ]


def _shown(term: str) -> str:
    return repr(one_line(term, 40)) if term == term.strip() else repr(term[:40])
