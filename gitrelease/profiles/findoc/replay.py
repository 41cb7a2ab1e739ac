"""Which metrics does FinDocPipeline find in a document? The way a report goes: pages, rows, clean rows, metrics.

Read and run by `inside/contract.py`, in the app's interpreter: standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
from pathlib import Path
from typing import Any
from unittest import SkipTest

App = Any  # the app's module, whatever it defines
Frame = Any  # pandas belongs to the app
LARGEST = 2_000_000  # bytes: a corpus is made of samples
LONGEST_CONTEXT = 120  # characters
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def replay(app: App, path: Path) -> dict[str, Any]:
    """Return what the document at `path` gives: `metrics` (metric, value, pattern, context) and `signs`.

    A sign is no metric: whether the document is a financial one, which labels and chart words it has how often.
    """
    pages = _pages(app, path)
    processor = app.NLPDataProcessor()
    nlp = processor.clean_for_nlp(processor.create_raw_csv(pages))[0]
    found = app.DeduplicatedMetricsExtractor().extract_metrics_enhanced(nlp)[0]
    metrics = [_row(entry) for entry in found.to_dict("records")] if len(found) else []
    signs = _terms(app, nlp)
    parser = app.ComprehensiveFinancialParser()
    for page in pages:
        text = page["full_text"]
        first = parser._extract_financial_data(text)
        metrics += [{"metric": f"first {name}", "value": str(value)} for name, value in first.items()]
        signs.update({f"chart word {word}": "yes" for word in parser._detect_chart_elements(text)})
    return {"metrics": metrics, "signs": signs}


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


def _terms(app: App, nlp: Frame) -> dict[str, str]:
    """Return whether the document is a financial one, and which labels it has how often."""
    dataset = app.NLPDatasetExporter().create_nlp_dataset(nlp)
    signs = {"financial": "yes"} if len(nlp) and bool(nlp["has_financial_terms"].any()) else {}
    for column in dataset.columns:
        if column.endswith("_count") and column not in ("word_count", "char_count", "sentence_count"):
            count = int(dataset[column].sum())
            signs.update({f"label {column[:-6]}": str(count)} if count else {})
    return signs


def _pages(app: App, path: Path) -> list[dict[str, Any]]:
    if path.stat().st_size > LARGEST:
        raise SkipTest(f"is larger than {LARGEST // 1_000_000} MB")
    if path.suffix.lower() == ".pdf":
        return _pages_of_pdf(app, path)
    text = read_text(path.read_bytes())
    if path.suffix.lower() == ".csv":
        return [_page("", _table(text))]
    return [_page(text, None)]


def _pages_of_pdf(app: App, path: Path) -> list[dict[str, Any]]:
    if importlib.util.find_spec("pdfplumber") is None:
        raise SkipTest("the app's interpreter has no pdfplumber to read it")
    pages: list[dict[str, Any]] = app.ComprehensiveFinancialParser()._extract_with_pdfplumber(str(path))
    return pages


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
