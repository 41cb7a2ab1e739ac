"""What must FinDocPipeline answer? A sample page goes through it, the way a report does.

Read and run by `inside/contract.py`, in the app's interpreter: standard library only, Python 3.8 and later. Each check
is given the app's module, raises when the contract is broken, and SkipTest if it could not be judged.

The checks ask for shapes and for something sensible in them. Which terms, patterns and fields there are is the app's
own business, and changes with every second release: no check counts on a particular one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
from typing import Any

App = Any  # the app's module, whatever it defines
Frame = Any  # pandas belongs to the app

CLASSES = (
    "ComprehensiveFinancialParser",
    "NLPDataProcessor",
    "NLPDatasetExporter",
    "EnhancedVisualParser",
    "DeduplicatedMetricsExtractor",
)

# Every figure is written the way reports write it most, so that any sensible pattern finds several of them.
TEXT = """Annual results 2024. Income statement and balance sheet.
Total revenue: $125.5 million
Net revenue: $120.1 million
Revenue: $125.5 million
Net income: $23.8 million
Profit: $23.8 million
Earnings: $23.8 million
Operating income: $31.2 million
Total assets: $450.3 million
Shareholders equity: $187.6 million
The chart, graph, diagram and figure below, the exhibit and the table show the growth of profit and cash flow.
"""
TABLE = "Item | 2024 | 2023\nRevenue | 125.5 | 118.3\nNet income | 23.8 | 22.4"
PAGE = {
    "page": 1,
    "method": "sample",
    "full_text": TEXT,
    "word_count": len(TEXT.split()),
    "char_count": len(TEXT),
    "line_count": len(TEXT.splitlines()),
    "tables": [{"table_id": 0, "table_text": TABLE, "row_count": 3, "col_count": 3}],
    "financial_metrics": {},
    "chart_indicators": [],
}
NO_FINANCE = "Qwx zzkp vrrb."  # no word of any language that a dictionary of terms may hold


def check_extract_financial_data(app: App) -> None:
    """The parser finds figures in a text, as {name: value}."""
    metrics = app.ComprehensiveFinancialParser()._extract_financial_data(TEXT)
    _is_a(metrics, dict, "_extract_financial_data")
    _expect(metrics, "_extract_financial_data found no figure in the sample text")
    for name, value in metrics.items():
        _expect(re.search(r"\d", str(value)), f"_extract_financial_data gave {name} = {value!r}, which is no figure")


def check_detect_chart_elements(app: App) -> None:
    """The parser notices that a text speaks of charts, as a list of words."""
    found = app.ComprehensiveFinancialParser()._detect_chart_elements(TEXT)
    _is_a(found, list, "_detect_chart_elements")
    _expect(found, "_detect_chart_elements found no chart, graph, figure or table in the sample text")


def check_create_raw_csv(app: App) -> None:
    """A page becomes rows that hold its text."""
    raw = app.NLPDataProcessor().create_raw_csv([PAGE])
    _has_columns(raw, "create_raw_csv", "page_number", "raw_text")
    _expect(len(raw) > 0, "create_raw_csv made no row of the sample page")
    _expect(any("125.5" in str(text) for text in raw["raw_text"]), "create_raw_csv lost the text of the sample page")


def check_clean_for_nlp(app: App) -> None:
    """Rows come back as (clean rows, raw rows)."""
    nlp = _clean_rows(app)
    _expect(len(nlp) > 0, "clean_for_nlp kept no row of the sample page")
    kept = " ".join(str(text) for text in nlp["cleaned_text"])
    _expect("125.5" in kept, "clean_for_nlp lost the figures of the sample page")


def check_has_financial_terms(app: App) -> None:
    """A financial text is told from another one."""
    has_financial_terms = app.NLPDataProcessor()._has_financial_terms
    _expect(has_financial_terms(TEXT), "_has_financial_terms finds no term in a text about revenue and profit")
    _expect(not has_financial_terms(NO_FINANCE), f"_has_financial_terms takes {NO_FINANCE!r} for a financial text")


def check_financial_labels(app: App) -> None:
    """The labels are words."""
    labels = app.NLPDatasetExporter().financial_labels
    _expect(isinstance(labels, (list, tuple, set, frozenset, dict)), f"financial_labels is a {type(labels).__name__}")
    _expect(len(labels) > 0, "financial_labels is empty")
    for label in labels:
        _expect(isinstance(label, str), f"financial_labels holds {label!r}, which is no word")
        _expect(label.strip(), "financial_labels holds an empty word")


def check_create_nlp_dataset(app: App) -> None:
    """Each clean row becomes an entry of the data set."""
    nlp = _clean_rows(app)
    dataset = app.NLPDatasetExporter().create_nlp_dataset(nlp)
    _has_columns(dataset, "create_nlp_dataset")
    _expect(len(dataset) == len(nlp), f"create_nlp_dataset made {len(dataset)} entries of {len(nlp)} rows")
    _expect(len(dataset.columns) > 0, "create_nlp_dataset made entries without a field")


def check_metric_patterns(app: App) -> None:
    """The patterns are regular expressions by the metric's name."""
    metric_patterns = app.DeduplicatedMetricsExtractor().metric_patterns
    _is_a(metric_patterns, dict, "metric_patterns")
    _expect(metric_patterns, "metric_patterns is empty")
    for name, patterns in metric_patterns.items():
        _expect(isinstance(name, str), f"metric_patterns has the key {name!r}, which is no name")
        _expect(isinstance(patterns, (list, tuple)), f"metric_patterns[{name!r}] is a {type(patterns).__name__}")
        _expect(patterns, f"metric_patterns[{name!r}] is empty")
        for pattern in patterns:
            _expect(isinstance(pattern, str), f"metric_patterns[{name!r}] holds {pattern!r}, which is no pattern")


def check_extract_metrics_enhanced(app: App) -> None:
    """Metrics are found in clean rows, as (metrics, what was looked at)."""
    extractor = app.DeduplicatedMetricsExtractor()
    metrics = _first_of_two(extractor.extract_metrics_enhanced(_clean_rows(app)), "extract_metrics_enhanced")
    _expect(len(metrics) > 0, "extract_metrics_enhanced found no metric in the sample page")
    _has_columns(metrics, "extract_metrics_enhanced", "metric_name", "metric_value")
    names = set(metrics["metric_name"])
    _expect(names <= set(extractor.metric_patterns), f"metrics that have no pattern: {sorted(names)}")
    # An app that has renamed the metric has lost it, which is said elsewhere; one that has it must find it.
    if "revenue" in extractor.metric_patterns:
        values = [str(value) for value in metrics["metric_value"][metrics["metric_name"] == "revenue"]]
        _expect(values, "extract_metrics_enhanced found no revenue in 'Total revenue: $125.5 million'")
        _expect(any(re.search(r"\d", value) for value in values), f"revenue is {values[0]!r}, which is no figure")


def check_extract_with_pdfplumber(app: App) -> None:
    """A PDF becomes pages: nothing else runs the dict of a page before a user does."""
    if importlib.util.find_spec("pdfplumber") is None:
        from unittest import SkipTest

        raise SkipTest("pdfplumber is not installed")
    pages = _page_of_pdf(app)
    _is_a(pages, list, "_extract_with_pdfplumber")
    _expect(len(pages) == 1, f"_extract_with_pdfplumber made {len(pages)} pages of one")
    _is_a(pages[0], dict, "a page of _extract_with_pdfplumber")
    _expect(
        any("125.5" in str(value) for value in pages[0].values()), "_extract_with_pdfplumber lost the text of a page"
    )


CHECKS = (
    ("_extract_financial_data", "pattern", ("ComprehensiveFinancialParser",), check_extract_financial_data),
    ("_detect_chart_elements", "pattern", ("ComprehensiveFinancialParser",), check_detect_chart_elements),
    ("_extract_with_pdfplumber", "schema", ("ComprehensiveFinancialParser",), check_extract_with_pdfplumber),
    ("create_raw_csv", "schema", ("NLPDataProcessor",), check_create_raw_csv),
    ("clean_for_nlp", "schema", ("NLPDataProcessor",), check_clean_for_nlp),
    ("_has_financial_terms", "dictionary", ("NLPDataProcessor",), check_has_financial_terms),
    ("financial_labels", "dictionary", ("NLPDatasetExporter",), check_financial_labels),
    ("create_nlp_dataset", "schema", ("NLPDataProcessor", "NLPDatasetExporter"), check_create_nlp_dataset),
    ("metric_patterns", "pattern", ("DeduplicatedMetricsExtractor",), check_metric_patterns),
    (
        "extract_metrics_enhanced",
        "pattern",
        ("NLPDataProcessor", "DeduplicatedMetricsExtractor"),
        check_extract_metrics_enhanced,
    ),
)


def facts(app: App) -> dict[str, dict[str, str]]:
    """Return the fields that the app emits for the sample page: schema, field, type in the export's words.

    Of pages only those that a PDF gives: the sample page itself is ours.
    """
    nlp = _clean_rows(app)
    metrics = _first_of_two(app.DeduplicatedMetricsExtractor().extract_metrics_enhanced(nlp), "metrics")
    emitted = {
        "nlp_entry_schema": _fields(app.NLPDatasetExporter().create_nlp_dataset(nlp)),
        "metric_schema": _fields(metrics),
    }
    if importlib.util.find_spec("pdfplumber") is not None:
        page = _page_of_pdf(app)[0]
        emitted["page_data_schema"] = {str(name): _type(value) for name, value in page.items()}
    return emitted


def _fields(frame: Frame) -> dict[str, str]:
    return {str(name): _type(frame[name].iloc[0]) for name in frame.columns if len(frame)}


def _type(value: object) -> str:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:  # noqa: PLR0124 - NaN is how pandas writes nothing
        return "null"
    names = ((bool, "boolean"), (int, "integer"), (float, "float"), (str, "string"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "array")


def _page_of_pdf(app: App) -> list[dict[str, Any]]:
    """Return the pages that the app makes of a PDF of one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sample.pdf")  # noqa: PTH118 - the app takes a plain str, as its page gives it
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(_pdf("Total revenue: $125.5 million"))
        pages: list[dict[str, Any]] = app.ComprehensiveFinancialParser()._extract_with_pdfplumber(path)
    return pages


def _clean_rows(app: App) -> Frame:
    """Return the sample page as the frame that the exporter and the extractor are given."""
    processor = app.NLPDataProcessor()
    nlp = _first_of_two(processor.clean_for_nlp(processor.create_raw_csv([PAGE])), "clean_for_nlp")
    _has_columns(nlp, "clean_for_nlp", "page_number", "cleaned_text")
    return nlp


def _first_of_two(pair: object, method: str) -> Frame:
    if isinstance(pair, tuple) and len(pair) == 2:
        return pair[0]
    raise AssertionError(f"{method} gave a {type(pair).__name__}, not two frames")


def _expect(condition: object, message: str) -> None:
    # Not an assert statement: the app's interpreter may run with PYTHONOPTIMIZE, which drops those.
    if not condition:
        raise AssertionError(message)


def _is_a(value: object, kind: type, what: str) -> None:
    _expect(isinstance(value, kind), f"{what} is a {type(value).__name__}, not a {kind.__name__}")


def _has_columns(frame: Frame, method: str, *names: str) -> None:
    _expect(hasattr(frame, "columns"), f"{method} gave a {type(frame).__name__}, not a frame")
    missing = [name for name in names if name not in frame.columns]
    _expect(not missing, f"{method} gave no column {', '.join(missing)}")


def _pdf(line: str) -> bytes:
    """Return a PDF of one page that says `line`; readers rebuild the cross-reference table it leaves out."""
    drawing = f"BT /F1 12 Tf 72 720 Td ({line}) Tj ET".encode()
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body = b"".join(b"%d 0 obj%s endobj\n" % numbered for numbered in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>\n%%EOF\n"
