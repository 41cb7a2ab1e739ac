"""Does the sample app read its three reports right? What it shows is what the demo releases."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import gitrelease

APP = Path(gitrelease.__file__).parent / "demo" / "app"

EXPECTED = {
    "annual_report_2024.txt": {
        "revenue": 4_812_600_000,
        "gross_profit": 2_166_200_000,
        "operating_income": 842_700_000,
        "net_income": 598_400_000,
        "ebitda": 1_031_900_000,
        "eps": 3.27,
        "cash_and_equivalents": 684_100_000,
        "total_assets": 7_905_300_000,
        "shareholders_equity": 3_420_000_000,
        "return_on_equity": 17.5,
        "debt_to_equity": 0.61,
    },
    "banking_report_2024.csv": {
        "revenue": 2_310_400_000,
        "net_interest_income": 1_486_200_000,
        "operating_income": 905_800_000,
        "net_income": 612_900_000,
        "total_assets": 84_600_000_000,
        "shareholders_equity": 6_300_000_000,
        "cash_and_equivalents": 9_100_000_000,
        "tier_1_ratio": 15.8,
        "return_on_equity": 9.7,
        "eps": 4.08,
    },
    "esg_report_2024.txt": {
        "revenue": 1_274_000_000,
        "net_income": 88_300_000,
        "carbon_emissions": 182_400,
        "renewable_energy": 64.5,
    },
}


@pytest.fixture(scope="module")
def app() -> Iterator[ModuleType]:
    """Return the sample app as a module; nothing is written beside it."""
    pytest.importorskip("streamlit")
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("FinDocPipeline", APP / "FinDocPipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.dont_write_bytecode = before


def metrics_of(app: ModuleType, pages: list[dict]):
    """Return the frame of metrics that the page would show."""
    processor = app.NLPDataProcessor()
    nlp, _ = processor.clean_for_nlp(processor.create_raw_csv(pages))
    metrics, _ = app.DeduplicatedMetricsExtractor().extract_metrics_enhanced(nlp)
    return metrics


def amounts(app: ModuleType, text: str) -> dict[str, float]:
    """Return what the app finds in a page of text, in units of one."""
    page = app.ComprehensiveFinancialParser()._page(1, "text", text, None)
    metrics = metrics_of(app, [page])
    return dict(zip(metrics["metric_name"], metrics["amount"], strict=True))


@pytest.mark.parametrize("report", EXPECTED)
def test_each_report_gives_exactly_the_metrics_that_are_in_it(app, report):
    pages = app.ComprehensiveFinancialParser().extract_comprehensive_data(APP / "reports" / report)

    metrics = metrics_of(app, pages)

    assert dict(zip(metrics["metric_name"], metrics["amount"], strict=True)) == EXPECTED[report]


def test_every_sample_report_is_expected_here():
    assert {path.name for path in (APP / "reports").iterdir()} == set(EXPECTED)


def test_values_are_kept_as_the_report_writes_them(app):
    pages = app.ComprehensiveFinancialParser().extract_comprehensive_data(APP / "reports" / "annual_report_2024.txt")

    assert pages[0]["financial_metrics"] == {"revenue": "4,812.6", "profit": "598.4"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("Revenue was $100 million in 2024.", {"revenue": 100e6}, id="a sentence"),
        pytest.param("REVENUE: 1.2bn", {"revenue": 1.2e9}, id="capitals and a short unit"),
        pytest.param("Item | 2024 | 2023\nRevenue | 12.5 | 11.0", {"revenue": 12.5}, id="a line of a table"),
        pytest.param("Revenue\n2024 was a good year for us.", {}, id="a heading and a year on the next line"),
        pytest.param("Revenue: 5 million\nRevenue | 6 million | 4 million", {"revenue": 6e6}, id="a table counts more"),
        pytest.param("Our revenues and our income are both growing.", {}, id="words without figures"),
    ],
)
def test_figures_are_found_where_they_stand(app, text, found):
    assert amounts(app, text) == found


def test_a_form_feed_begins_a_new_page(app, tmp_path):
    report = tmp_path / "two.txt"
    report.write_text("Revenue: 1 million\fRevenue: 2 million")

    metrics = metrics_of(app, app.ComprehensiveFinancialParser().extract_comprehensive_data(report))

    assert list(zip(metrics["page_number"], metrics["amount"], strict=True)) == [(1, 1e6), (2, 2e6)]


def test_an_empty_report_gives_empty_frames(app, tmp_path):
    report = tmp_path / "empty.csv"
    report.write_text("")

    metrics = metrics_of(app, app.ComprehensiveFinancialParser().extract_comprehensive_data(report))

    assert len(metrics) == 0
    assert "metric_name" in metrics.columns


def test_charts_drawn_with_characters_are_read(app):
    found = app.EnhancedVisualParser().extract_visual_data(APP / "reports" / "esg_report_2024.txt")

    assert found[0]["visual_metrics"] == {"2022": 219.6, "2023": 201.8, "2024": 182.4}


def test_the_schema_export_describes_a_page_as_it_is(app):
    schema = json.loads((APP / "complete_system_schema_export.json").read_text())["core_system_schemas"]

    page = app.ComprehensiveFinancialParser()._page(1, "text", "Revenue: 1 million", None)

    assert set(page) == set(schema["page_data_schema"]["required_fields"])


def test_git_ignores_the_schema_export_of_the_sample_app():
    assert "*.json" in (APP / "gitignore").read_text().splitlines()
