"""Which parts of FinDocPipeline have a meaning of their own?

Two traps of that file: `_extract_financial_data` holds two lists of patterns with loops between them, so they are two
regions, and a changed loop is code; and `_extract_with_pymupdf` fills a `page_data` that looks like the one of
`_extract_with_pdfplumber` but is no region: a change there is `major`.
"""

from __future__ import annotations

from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region

REGIONS: tuple[Region, ...] = (
    Region(
        name="page_data",
        kind=Kind.SCHEMA,
        symbol="ComprehensiveFinancialParser._extract_with_pdfplumber",
        assign="page_data",
    ),
    Region(
        name="revenue_patterns",
        kind=Kind.PATTERN,
        symbol="ComprehensiveFinancialParser._extract_financial_data",
        assign="revenue_patterns",
    ),
    Region(
        name="profit_patterns",
        kind=Kind.PATTERN,
        symbol="ComprehensiveFinancialParser._extract_financial_data",
        assign="profit_patterns",
    ),
    Region(
        name="chart_keywords",
        kind=Kind.PATTERN,
        symbol="ComprehensiveFinancialParser._detect_chart_elements",
        assign="chart_keywords",
        regex=False,
    ),
    Region(
        name="basic_terms",
        kind=Kind.DICTIONARY,
        symbol="NLPDataProcessor._has_financial_terms",
        assign="financial_terms",
    ),
    Region(
        name="nlp_labels",
        kind=Kind.DICTIONARY,
        symbol="NLPDatasetExporter.__init__",
        assign="self.financial_labels",
    ),
    Region(
        name="nlp_entry",
        kind=Kind.SCHEMA,
        symbol="NLPDatasetExporter.create_nlp_dataset",
        assign="entry",
    ),
    Region(name="visual_data", kind=Kind.SCHEMA, symbol="EnhancedVisualParser.extract_visual_data"),
    Region(name="cv_chart_detection", kind=Kind.PATTERN, symbol="EnhancedVisualParser._cv_chart_detection"),
    Region(
        name="metric_patterns",
        kind=Kind.PATTERN,
        symbol="DeduplicatedMetricsExtractor.__init__",
        assign="self.metric_patterns",
        also=(Kind.DICTIONARY,),
    ),
    Region(name="schema_export", kind=Kind.SCHEMA, file="complete_system_schema_export.json"),
)
