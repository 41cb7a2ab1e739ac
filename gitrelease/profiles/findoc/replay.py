"""Which metrics does FinDocPipeline find in a document? The way a report goes: pages, rows, clean rows, metrics.

Read and run by `inside/contract.py`, in the app's interpreter: standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

App = Any  # the app's module, whatever it defines
Frame = Any  # pandas belongs to the app
LARGE = 1_000_000  # bytes: what is larger goes through the app alone
LONGEST_CONTEXT = 120  # characters
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def batches(paths: Sequence[Path], processes: int) -> list[list[Path]]:
    """Divide documents among some processes: texts together, what takes its time alone, the smallest first."""
    together = [path for path in paths if not _takes_time(path)]
    alone = sorted(filter(_takes_time, paths), key=lambda path: path.stat().st_size)
    parts = [together[start::processes] for start in range(processes)]
    return [*filter(None, parts), *([path] for path in alone)]


def _takes_time(path: Path) -> bool:
    return path.suffix.lower() == ".pdf" or path.stat().st_size > LARGE


def replay(app: App, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what each of the documents gives: `metrics` (metric, value, pattern, context) and `signs`.

    A sign is no metric: whether the document is a financial one, which labels and chart words it has how often.
    The documents go through the app together, a page or more each: one by one takes five times as long.
    """
    answers: list[dict[str, Any]] = []
    pages: list[dict[str, Any]] = []
    document_of: dict[int, int] = {}
    for place, path in enumerate(paths):
        found = _pages(app, path)
        answers.append({"metrics": _first_figures(app, found), "signs": _chart_words(app, found)})
        for page in found:
            document_of[len(document_of) + 1] = place
            pages.append({**page, "page": len(document_of)})
    processor = app.NLPDataProcessor()
    nlp = processor.clean_for_nlp(processor.create_raw_csv(pages))[0]
    metrics = app.DeduplicatedMetricsExtractor().extract_metrics_enhanced(nlp)[0]
    for entry in metrics.to_dict("records") if len(metrics) else ():
        answers[document_of[int(entry["page_number"])]]["metrics"].append(_row(entry))
    for number, name, count in _terms(app, nlp):
        signs = answers[document_of[number]]["signs"]
        signs[name] = signs.get(name, 0) + count
    return [_as_texts(answer) for answer in answers]


def _as_texts(answer: dict[str, Any]) -> dict[str, Any]:
    signs = answer.get("signs", {})
    return {**answer, "signs": {name: str(count) for name, count in signs.items()}} if signs else answer


def _first_figures(app: App, pages: list[dict[str, Any]]) -> list[dict[str, str]]:
    parser = app.ComprehensiveFinancialParser()
    found = [parser._extract_financial_data(page["full_text"]) for page in pages]
    return [{"metric": f"first {name}", "value": str(value)} for first in found for name, value in first.items()]


def _chart_words(app: App, pages: list[dict[str, Any]]) -> dict[str, int]:
    parser = app.ComprehensiveFinancialParser()
    return {f"chart word {word}": 1 for page in pages for word in parser._detect_chart_elements(page["full_text"])}


def _row(entry: dict[str, Any]) -> dict[str, str]:
    value = str(entry["metric_value"])
    unit = entry.get("unit")
    # pandas fills what is missing with NaN, which is the only value that is not equal to itself.
    value = f"{value} {unit}" if unit and unit == unit else value  # noqa: PLR0124
    context = " ".join(str(entry.get("context", "")).split())
    return {
        "metric": str(entry["metric_name"]),
        "value": value,
        "pattern": str(entry.get("pattern_used", "")),
        "context": context[:LONGEST_CONTEXT],
    }


def _terms(app: App, nlp: Frame) -> Iterator[tuple[int, str, int]]:
    """Yield which page is of a financial text, and which labels it has how often: page, name, count."""
    for page, financial in zip(nlp["page_number"], nlp["has_financial_terms"]):  # noqa: B905 - 3.8 has no `strict`
        if financial:
            yield int(page), "financial", 1
    dataset = app.NLPDatasetExporter().create_nlp_dataset(nlp)
    for column in dataset.columns:
        if column.endswith("_count") and column not in ("word_count", "char_count", "sentence_count"):
            for page, count in zip(dataset["page_number"], dataset[column]):  # noqa: B905
                if count:
                    yield int(page), f"label {column[:-6]}", int(count)


def _pages(app: App, path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".pdf":
        read: list[dict[str, Any]] = app.ComprehensiveFinancialParser().extract_comprehensive_data(str(path))
        return read
    text = read_text(path.read_bytes())
    if path.suffix.lower() == ".csv":
        return [_page("", _table(text))]
    return [_page(text, None)]


def read_text(content: bytes) -> str:
    """Return text of any usual encoding; what is no UTF-8 is taken for Western European."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _table(text: str) -> list[list[str]]:
    delimiter = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
    return list(csv.reader(io.StringIO(re.sub(r"\r\n?", "\n", text)), delimiter=delimiter))


def _page(text: str, table: list[list[str]] | None) -> dict[str, Any]:
    tables = []
    if table:
        lines = "\n".join(" | ".join(row) for row in table)
        tables = [{"table_id": 0, "table_text": lines, "row_count": len(table), "col_count": max(map(len, table))}]
    return {
        "page": 1,
        "method": "sample",
        "full_text": text,
        "word_count": len(text.split()),
        "char_count": len(text),
        "line_count": len(text.splitlines()),
        "tables": tables,
        "financial_metrics": {},
        "chart_indicators": [],
    }
