"""FinDocPipeline: financial reports in, metrics out. One file, one page."""
import csv
import importlib.util
import io
import json
import re
from pathlib import Path

import pandas as pd
import streamlit as st

HERE = Path(__file__).parent
RAW_COLUMNS = ["page_number", "content_type", "raw_text", "word_count", "char_count", "extraction_method"]
METRIC_COLUMNS = ["page_number", "metric_name", "metric_value", "unit", "amount", "confidence", "context", "pattern_used"]
DEBUG_COLUMNS = ["page_number", "text_length", "matches_found", "metrics_extracted"]
FACTORS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}


def read_text(source):
    """Return the text of a report: a path, or what st.file_uploader gives."""
    content = source.getvalue() if hasattr(source, "getvalue") else Path(source).read_bytes()
    return content.decode("utf-8-sig", errors="replace")


def to_amount(value, unit):
    """Return "4,812.6" "million" as 4812600000.0, or None where it is no number."""
    try:
        return round(float(value.replace(",", "").rstrip(".")) * FACTORS.get(unit.lower(), 1), 6)
    except ValueError:
        return None


class ComprehensiveFinancialParser:
    """Turns a report into pages: text, tables, first figures."""

    def __init__(self):
        self.pdf_methods = ["pdfplumber"] if importlib.util.find_spec("pdfplumber") else []

    def extract_comprehensive_data(self, source):
        """Return the pages of a report, by what its name says it is."""
        name = str(getattr(source, "name", source)).lower()
        if name.endswith(".pdf"):
            return self._extract_with_pdfplumber(source)
        if name.endswith(".csv"):
            return [self._page(1, "csv", "", list(csv.reader(io.StringIO(read_text(source)))))]
        return [self._page(number, "text", text, None) for number, text in enumerate(read_text(source).split("\f"), 1)]

    def _extract_with_pdfplumber(self, pdf_path):
        """Return the pages of a PDF."""
        import pdfplumber

        pages_data = []
        with pdfplumber.open(pdf_path) as pdf:
            for number, page in enumerate(pdf.pages, 1):
                full_text = page.extract_text() or ""
                page_data = {
                    "page": number,
                    "method": "pdfplumber",
                    "full_text": full_text,
                    "word_count": len(full_text.split()),
                    "char_count": len(full_text),
                    "line_count": len(full_text.splitlines()),
                    "tables": [],
                    "financial_metrics": self._extract_financial_data(full_text),
                    "chart_indicators": self._detect_chart_elements(full_text),
                }
                for table in page.extract_tables():
                    page_data["tables"].append(self._describe_table(len(page_data["tables"]), table))
                pages_data.append(page_data)
        return pages_data

    def _page(self, number, method, full_text, table):
        tables = [self._describe_table(0, table)] if table else []
        everything = "\n".join([full_text] + [found["table_text"] for found in tables])
        return {
            "page": number,
            "method": method,
            "full_text": full_text,
            "word_count": len(full_text.split()),
            "char_count": len(full_text),
            "line_count": len(everything.splitlines()),
            "tables": tables,
            "financial_metrics": self._extract_financial_data(everything),
            "chart_indicators": self._detect_chart_elements(everything),
        }

    def _describe_table(self, table_id, table):
        rows = [" | ".join("" if cell is None else str(cell) for cell in row) for row in table if row]
        width = max((len(row) for row in table), default=0)
        return {"table_id": table_id, "table_text": "\n".join(rows), "row_count": len(rows), "col_count": width}

    def _extract_financial_data(self, text):
        """Return the first revenue and the first profit of a text, as written there."""
        metrics = {}
        revenue_patterns = [
            r"(?:total|net) revenue[ \t:|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)",
            r"revenue[ \t:|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)",
        ]
        profit_patterns = [
            r"net (?:income|profit)[ \t:|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)",
            r"(?:profit|earnings)[ \t:|]+(?:was |of |were )?[$£€]?([\d,]*\d(?:\.\d+)?)",
        ]
        for name, patterns in (("revenue", revenue_patterns), ("profit", profit_patterns)):
            for pattern in patterns:
                match = re.search(pattern, text, re.IGNORECASE)
                if match:
                    metrics[name] = match.group(1)
                    break
        return metrics

    def _detect_chart_elements(self, text):
        """Return the words in a text that announce a chart or a table."""
        chart_keywords = ["chart", "figure", "graph", "diagram", "table", "exhibit"]
        lowered = str(text or "").lower()
        return [keyword for keyword in chart_keywords if keyword in lowered]


class NLPDataProcessor:
    """Turns pages into rows of clean text."""

    def create_raw_csv(self, pages_data):
        """Return one row for the text of each page and one for each of its tables."""
        rows = []
        for page in pages_data:
            found = [("table", table.get("table_text", "")) for table in page.get("tables", [])]
            if page.get("full_text"):
                found.insert(0, ("main_text", page["full_text"]))
            for content_type, text in found:
                method = page.get("method", "unknown")
                rows.append([page["page"], content_type, text, len(text.split()), len(text), method])
        return pd.DataFrame(rows, columns=RAW_COLUMNS)

    def clean_for_nlp(self, raw_df):
        """Return the rows with `cleaned_text` and what is known of it, and the rows as they came."""
        nlp_df = raw_df.copy()
        nlp_df["cleaned_text"] = [self._clean_text(text) for text in nlp_df["raw_text"]]
        nlp_df["sentence_count"] = [len(re.findall(r"[.!?]+(?:\s|$)", text)) for text in nlp_df["cleaned_text"]]
        nlp_df["has_financial_terms"] = [self._has_financial_terms(text) for text in nlp_df["cleaned_text"]]
        return nlp_df[nlp_df["cleaned_text"].map(len) > 10], raw_df

    def _clean_text(self, text):
        # Lines stay lines: a heading "Revenue" and a year on the next line are no figure.
        text = re.sub(r"[^\w\s.,!?;:()%$£€|+=-]", " ", str(text or ""))
        lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
        return "\n".join(line for line in lines if line)

    def _has_financial_terms(self, text):
        """Does a text speak of money?"""
        financial_terms = [
            "revenue", "profit", "income", "earnings", "assets", "equity", "cash",
            "dividend", "margin", "investment", "liabilities", "debt",
        ]
        lowered = str(text or "").lower()
        return any(term in lowered for term in financial_terms)


class NLPDatasetExporter:
    """Turns clean rows into a data set with one column a label."""

    def __init__(self):
        self.financial_labels = [
            "revenue", "profit", "income", "assets", "equity", "cash",
            "growth", "risk", "emissions", "dividend",
        ]

    def create_nlp_dataset(self, nlp_df, metrics_df=None):
        """Return one row for each clean row, with how often each label occurs in it."""
        entries = []
        for index, row in nlp_df.iterrows():
            text = row["cleaned_text"]
            entry = {
                "id": f"page_{row['page_number']}_{index}",
                "page_number": row["page_number"],
                "content_type": row["content_type"],
                "text": text,
                "word_count": row["word_count"],
                "char_count": row["char_count"],
                "sentence_count": row["sentence_count"],
                "has_financial_terms": row["has_financial_terms"],
                "extraction_method": row["extraction_method"],
            }
            for label in self.financial_labels:
                entry[f"{label}_count"] = len(re.findall(rf"\b{re.escape(label)}\b", text, re.IGNORECASE))
            entries.append(entry)
        return pd.DataFrame(entries)


class EnhancedVisualParser:
    """Finds charts, in reports that draw them with characters and in pictures of pages."""

    def __init__(self):
        self.bar = re.compile(r"^\s*(?P<label>[^|]+?)\s*\|\s*[█▇#=*]{3,}\s*(?P<value>[\d,.]+)\s*$")

    def extract_visual_data(self, pdf_path):
        """Return, page by page, the bars that a report draws with characters."""
        if str(getattr(pdf_path, "name", pdf_path)).lower().endswith(".pdf"):
            return []
        visual_data = []
        for number, text in enumerate(read_text(pdf_path).split("\f"), 1):
            bars = [match.groupdict() for match in map(self.bar.match, text.splitlines()) if match]
            visual_data.append({
                "page": number,
                "images": [],
                "charts_detected": [{"type": "bar_chart", "bars": bars}] if bars else [],
                "ocr_text": "",
                "visual_metrics": {bar["label"]: to_amount(bar["value"], "") for bar in bars},
            })
        return visual_data

    def _cv_chart_detection(self, img_array):
        """Return what a picture (an array of grey or RGB values) shows of a chart: long dark lines."""
        grey = img_array if img_array.ndim == 2 else img_array.mean(axis=2)
        dark = grey < 128
        lines = int((dark.mean(axis=1) > 0.5).sum() + (dark.mean(axis=0) > 0.5).sum())
        return {"lines_detected": lines, "likely_chart": lines > 2}


class DeduplicatedMetricsExtractor:
    """Finds metrics; of several mentions on a page the one in the best place counts."""

    def __init__(self):
        self.metric_patterns = {
            "revenue": [
                r"\b(?:total |net )?revenue[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b",
                r"\b(?:net )?sales[ :|]+(?:were |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b",
            ],
            "net_income": [r"\bnet (?:income|profit)[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "operating_income": [r"\boperating (?:income|profit)[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "gross_profit": [r"\bgross profit[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "ebitda": [r"\bebitda[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "net_interest_income": [r"\bnet interest income[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "total_assets": [r"\btotal assets[ :|]+(?:were |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "shareholders_equity": [r"\b(?:share|stock)holders'? equity[ :|]+(?:was |of )?[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "cash_and_equivalents": [r"\bcash and (?:cash )?equivalents[ :|]+[$£€]?([\d,]*\d(?:\.\d+)?)[ |]*(million|billion|thousand|bn|m|b|k)?\b"],
            "eps": [r"\b(?:earnings per share|eps)[ :|]+(?:was |of )?[$£€]?(\d+(?:\.\d+)?)"],
            "return_on_equity": [r"\b(?:return on equity|roe)[ :|]+(?:was |of )?(\d+(?:\.\d+)?)[ |]*(%)?"],
            "debt_to_equity": [r"\bdebt[ -]to[ -]equity(?: ratio)?[ :|]+(\d+(?:\.\d+)?)"],
            "tier_1_ratio": [r"\btier 1 (?:capital )?ratio[ :|]+(\d+(?:\.\d+)?)[ |]*(%)?"],
            "carbon_emissions": [r"\bcarbon emissions[ :|]+([\d,]*\d(?:\.\d+)?)[ |]*(tonnes)?"],
            "renewable_energy": [r"\brenewable energy[ :|]+(\d+(?:\.\d+)?)[ |]*(%)?"],
        }

    def extract_metrics_enhanced(self, nlp_df):
        """Return the metrics, one row for each metric and page, and what was looked at to find them."""
        found, debug = [], []
        for _, row in nlp_df.iterrows():
            text, before = row["cleaned_text"], len(found)
            for name, patterns in self.metric_patterns.items():
                for pattern in patterns:
                    for match in re.finditer(pattern, text, re.IGNORECASE):
                        found.append(self._entry(row["page_number"], name, pattern, match))
            names = [entry["metric_name"] for entry in found[before:]]
            debug.append([row["page_number"], len(text), len(names), names])
        metrics_df = pd.DataFrame(found, columns=METRIC_COLUMNS)
        if found:
            best = metrics_df.groupby(["page_number", "metric_name"], sort=False)["confidence"].idxmax()
            metrics_df = metrics_df.loc[best].reset_index(drop=True)
        return metrics_df, pd.DataFrame(debug, columns=DEBUG_COLUMNS)

    def _entry(self, page_number, name, pattern, match):
        value = match.group(1)
        unit = (match.group(2) if match.re.groups > 1 else None) or ""
        text = match.string
        line = text[text.rfind("\n", 0, match.start()) + 1 : (text + "\n").index("\n", match.end())]
        confidence = 0.5 + 0.2 * ("|" in line) + 0.2 * bool(unit) + 0.1 * bool(re.search(r"[$£€]", match.group(0)))
        return {
            "page_number": page_number,
            "metric_name": name,
            "metric_value": value,
            "unit": unit,
            "amount": to_amount(value, unit),
            "confidence": round(confidence, 2),
            "context": line,
            "pattern_used": pattern,
        }


def choose_report():
    """Return the report that the reader chose in the sidebar: one of ours, or an upload."""
    samples = {in_words(path.stem): path for path in sorted((HERE / "reports").iterdir())}
    with st.sidebar:
        st.header("Report")
        types = ["txt", "csv"] + (["pdf"] if ComprehensiveFinancialParser().pdf_methods else [])
        upload = st.file_uploader("Your own", type=types)
        chosen = st.radio("or one of these", list(samples), disabled=upload is not None)
        st.caption(f"Data layout {schema_version()}")
    return upload or samples[chosen]


def in_words(name):
    """Return "net_income" as "Net income" and "esg_report" as "ESG report"."""
    first, *others = name.split("_")
    return " ".join([first.upper() if first in ("ebitda", "eps", "esg") else first.capitalize(), *others])


def schema_version():
    """Return the version of the exported schema; a copy of the app without the export is fine."""
    try:
        return json.loads((HERE / "complete_system_schema_export.json").read_text())["schema_version"]
    except (OSError, ValueError, KeyError):
        return "not exported"


def show_metrics(metrics_df):
    """Show each metric as a card, four in a row."""
    if metrics_df.empty:
        st.info("No metric was found in this report.")
    for start in range(0, len(metrics_df), 4):
        for column, (_, metric) in zip(st.columns(4), metrics_df[start : start + 4].iterrows()):
            currency = re.search(r"[$£€]", metric["context"]) if metric["unit"] not in ("%", "tonnes") else None
            value = f"{currency.group(0) if currency else ''}{metric['metric_value']} {metric['unit']}"
            # Two dollar signs in a tooltip would set what is between them as a formula.
            column.metric(in_words(metric["metric_name"]), value.strip(), help=metric["context"].replace("$", r"\$"))


def main():
    st.set_page_config(page_title="FinDocPipeline", page_icon="📊", layout="wide")
    st.title("📊 FinDocPipeline")
    st.caption("Financial reports in, metrics out.")
    report = choose_report()

    pages_data = ComprehensiveFinancialParser().extract_comprehensive_data(report)
    nlp_df, raw_df = NLPDataProcessor().clean_for_nlp(NLPDataProcessor().create_raw_csv(pages_data))
    metrics_df, debug_df = DeduplicatedMetricsExtractor().extract_metrics_enhanced(nlp_df)
    dataset = NLPDatasetExporter().create_nlp_dataset(nlp_df, metrics_df)
    visual_data = EnhancedVisualParser().extract_visual_data(report)

    words = int(nlp_df["word_count"].sum())
    st.subheader(f"{len(metrics_df)} metrics from {report.name}")
    st.caption(f"{len(pages_data)} pages, {words:,} words, financial: {'yes' if nlp_df['has_financial_terms'].any() else 'no'}")
    show_metrics(metrics_df)

    tabs = st.tabs(["Metrics", "Data set", "Charts", "Text", "How they were found"])
    tabs[0].dataframe(metrics_df.drop(columns="pattern_used"), hide_index=True)
    tabs[0].download_button("Download as CSV", metrics_df.to_csv(index=False), "metrics.csv", "text/csv")
    tabs[1].dataframe(dataset, hide_index=True)
    charts = [chart for page in visual_data for chart in page["charts_detected"]]
    for chart in charts:
        tabs[2].dataframe(pd.DataFrame(chart["bars"]), hide_index=True)
    if not charts:
        tabs[2].info("No chart was found in this report.")
    tabs[3].text("\n\n".join(raw_df["raw_text"]))
    tabs[4].dataframe(debug_df, hide_index=True)


if __name__ == "__main__":
    main()
