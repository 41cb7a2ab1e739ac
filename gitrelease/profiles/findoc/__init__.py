"""What is known of FinDocPipeline, the app that is released without any settings?"""

from __future__ import annotations

# In the order in which a page goes through them.
FINDOC_CLASSES: tuple[str, ...] = (
    "ComprehensiveFinancialParser",
    "NLPDataProcessor",
    "NLPDatasetExporter",
    "DeduplicatedMetricsExtractor",
    "EnhancedVisualParser",
)
