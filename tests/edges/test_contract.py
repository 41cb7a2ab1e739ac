"""Does a broken promise of the app come to light, whatever else the app does meanwhile?"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitrelease.inside import contract
from gitrelease.profiles.findoc import contract as findoc

CONTRACT = contract.__file__
SAMPLE = Path(contract.__file__).parents[1] / "demo" / "app" / "FinDocPipeline.py"

APP = """
class Parser:
    def parse(self, text):
        return {"words": len(text.split())}
"""
CHECKS = """
import unittest

def check_parse(app):
    words = app.Parser().parse("two words")["words"]
    if words != 2:
        raise AssertionError(f"parse counted {words} words in two")

def check_nothing(app):
    raise unittest.SkipTest("there is nothing to look at")

CHECKS = (
    ("parse", "pattern", ("Parser",), check_parse),
    ("nothing", "schema", (), check_nothing),
)
"""


@dataclass(frozen=True)
class Said:
    """What one run of the contract left behind."""

    lines: list[dict[str, Any]]
    returncode: int | None  # None: killed by the test

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        return {line["name"]: line for line in self.lines if "name" in line}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: result["status"] for name, result in self.results.items()}

    @property
    def last_started(self) -> str:
        return [line["started"] for line in self.lines if "started" in line][-1]


def start(
    folder: Path, app: str, *, checks: str | None = CHECKS, classes=("Parser",), patterns=(), beside: str | None = None
) -> subprocess.Popen:
    """Start the contract of an app that consists of `app`, in a slot of its own; `beside` is a module next to it."""
    slot = folder / "slot"
    slot.mkdir()
    (slot / "app.py").write_text(textwrap.dedent(app))
    if beside is not None:
        (slot / "beside.py").write_text(beside)
    if checks is not None:
        (folder / "checks.py").write_text(checks)
    return start_spec(
        folder,
        {
            "script": str(slot / "app.py"),
            "classes": list(classes),
            "checks": [] if checks is None else [str(folder / "checks.py")],
            "patterns": [list(pattern) for pattern in patterns],
            "result": str(folder / "results"),
        },
    )


def start_spec(folder: Path, spec: dict[str, Any]) -> subprocess.Popen:
    (folder / "spec.json").write_text(json.dumps(spec))
    with (folder / "output").open("wb") as output:
        argv = [sys.executable, CONTRACT, str(folder / "spec.json")]
        slot = Path(spec["script"]).parent
        return subprocess.Popen(argv, cwd=slot, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def said(folder: Path, running: subprocess.Popen) -> Said:
    running.wait(timeout=30)
    return Said([json.loads(line) for line in (folder / "results").read_text().splitlines()], running.returncode)


def run(folder: Path, app: str, **spec: Any) -> Said:
    return said(folder, start(folder, app, **spec))


# -- the runner --------------------------------------------------------------------------------------------------


def test_an_app_that_keeps_its_promises_passes_in_the_order_import_classes_patterns_checks(tmp_path):
    outcome = run(tmp_path, APP, patterns=[("revenue", r"revenue:\s+(\d+)", r"sales (\d+)")])

    assert list(outcome.statuses.items()) == [
        ("import", "passed"),
        ("class Parser", "passed"),
        ("pattern revenue", "passed"),
        ("parse", "passed"),
        ("nothing", "skipped"),
    ]
    assert outcome.results["nothing"]["detail"] == "there is nothing to look at"
    assert outcome.results["parse"]["kind"] == "pattern"
    assert outcome.returncode == 0


def test_each_result_follows_the_line_that_says_it_was_started(tmp_path):
    lines = run(tmp_path, APP).lines

    started, finished = lines[::2], lines[1::2]
    assert [line["started"] for line in started] == [line["name"] for line in finished]


def test_a_broken_promise_is_told_in_the_words_of_the_check(tmp_path):
    outcome = run(tmp_path, APP.replace("len(text.split())", "7"))

    assert outcome.results["parse"]["status"] == "failed"
    assert outcome.results["parse"]["detail"] == "parse counted 7 words in two"


def test_an_error_inside_the_app_is_told_with_its_line(tmp_path):
    outcome = run(tmp_path, APP.replace("text.split()", "text.divide()"))

    assert outcome.results["parse"]["detail"] == "AttributeError: 'str' object has no attribute 'divide' (app.py:4)"


def test_a_class_that_is_gone_is_named_and_what_needs_it_is_skipped(tmp_path):
    outcome = run(tmp_path, "x = 1\n")

    assert outcome.results["class Parser"]["detail"] == "the app does not have it"
    assert outcome.statuses == {
        "import": "passed",
        "class Parser": "failed",
        "parse": "skipped",
        "nothing": "skipped",
    }


def test_a_class_that_cannot_be_constructed_has_failed(tmp_path):
    outcome = run(tmp_path, APP.replace("def parse(self, text):", "def __init__(self):\n        raise OSError('no')"))

    assert outcome.results["class Parser"]["detail"] == "OSError: no (app.py:4)"


def test_a_retired_class_takes_its_checks_along(tmp_path):
    outcome = run(tmp_path, APP, classes=())

    assert outcome.results["parse"]["status"] == "skipped"
    assert outcome.results["parse"]["detail"] == "Parser is not in the contract"


def test_a_pattern_that_does_not_compile_is_quoted(tmp_path):
    outcome = run(tmp_path, APP, patterns=[("revenue", r"revenue", r"(sales"), ("profit", r"profit")])

    assert outcome.results["pattern revenue"]["status"] == "failed"
    assert "does not compile: missing )" in outcome.results["pattern revenue"]["detail"]
    assert "(sales" in outcome.results["pattern revenue"]["detail"]
    assert outcome.statuses["pattern profit"] == "passed"


@pytest.mark.parametrize(
    ("app", "detail"),
    [
        pytest.param("\n\nraise ValueError('boom')\n", "ValueError: boom (app.py:3)", id="raises"),
        pytest.param("import not_there\n", "ModuleNotFoundError: No module named 'not_there' (app.py:1)", id="imports"),
        pytest.param("\nvalues = [1, 2\n", "SyntaxError: '[' was never closed (app.py:2)", id="does not compile"),
        pytest.param("import sys\nsys.exit(4)\n", "SystemExit: 4 (app.py:2)", id="calls sys.exit"),
        pytest.param("x = 1\nassert x == 2, 'not two'\n", "AssertionError: not two (app.py:2)", id="asserts"),
        pytest.param("raise ValueError('\\ud800 half')\n", "ValueError: ? half (app.py:1)", id="has half a character"),
        pytest.param("raise ValueError('long ' * 1000)\n", "…", id="has much to say"),
    ],
)
def test_a_failing_import_is_told_and_everything_after_it_skipped(tmp_path, app, detail):
    outcome = run(tmp_path, app)

    assert detail in outcome.results["import"]["detail"]
    assert len(outcome.results["import"]["detail"]) < 350
    assert outcome.statuses == {
        "import": "failed",
        "class Parser": "skipped",
        "parse": "skipped",
        "nothing": "skipped",
    }
    assert outcome.results["parse"]["detail"] == "the app could not be imported"


def test_an_import_that_ends_the_process_is_the_last_thing_started(tmp_path):
    outcome = run(tmp_path, "import os\nos._exit(7)\n")

    assert outcome.last_started == "import"
    assert outcome.results == {}
    assert outcome.returncode == 7


def test_a_check_that_ends_the_process_is_the_last_thing_started(tmp_path):
    outcome = run(tmp_path, APP.replace("return", "import os; os._exit(7)\n        return"))

    assert outcome.last_started == "parse"
    assert "parse" not in outcome.results


def test_a_check_that_hangs_is_the_last_thing_started(tmp_path):
    hang = "print('hanging', flush=True); import threading; threading.Event().wait()\n        return"
    running = start(tmp_path, APP.replace("return", hang))
    try:
        wait_for(tmp_path / "output", b"hanging", running)
    finally:
        running.kill()

    outcome = said(tmp_path, running)
    assert outcome.last_started == "parse"
    assert outcome.statuses == {"import": "passed", "class Parser": "passed"}


def wait_for(path: Path, content: bytes, running: subprocess.Popen) -> None:
    """Wait until `content` is in the file; fails when the process has ended or ten seconds have passed."""
    for _ in range(1000):
        if content in path.read_bytes():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(timeout=0.01)
    pytest.fail(f"{content!r} did not come")


def test_an_interrupt_ends_the_run(tmp_path):
    outcome = run(tmp_path, "raise KeyboardInterrupt\n")

    assert outcome.results == {}
    assert outcome.returncode != 0


def test_what_the_app_prints_does_not_reach_the_results(tmp_path):
    app = "import os, sys\nprint('{}' * 1_000_000)\nsys.stderr.write('noise')\nos.write(1, b'raw')\n" + APP

    outcome = run(tmp_path, app)

    assert set(outcome.statuses.values()) == {"passed", "skipped"}
    assert (tmp_path / "output").stat().st_size > 2_000_000


def test_an_app_that_closes_its_output_is_still_judged(tmp_path):
    outcome = run(tmp_path, "import sys\nsys.stdout.close()\nsys.stderr.close()\n" + APP)

    assert outcome.statuses["parse"] == "passed"
    assert outcome.returncode == 0


def test_a_thread_that_the_app_leaves_behind_holds_nobody_up(tmp_path):
    app = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + APP

    assert run(tmp_path, app).returncode == 0


def test_the_slot_is_left_as_it_was(tmp_path):
    outcome = run(tmp_path, "import beside\n" + APP, beside="x = 1\n")

    assert outcome.statuses["import"] == "passed"
    assert sorted(path.name for path in (tmp_path / "slot").iterdir()) == ["app.py", "beside.py"]


def test_the_app_sees_its_own_folder_first_and_not_ours(tmp_path):
    app = "import sys\nassert sys.argv == [__file__], sys.argv\nimport session\n" + APP

    outcome = run(tmp_path, app)

    assert outcome.results["import"]["detail"] == "ModuleNotFoundError: No module named 'session' (app.py:3)"


def test_an_error_in_a_module_beside_the_app_is_told_with_its_line(tmp_path):
    outcome = run(tmp_path, "import beside\n" + APP, beside="x = 1\ny = 1 / 0\n")

    assert outcome.results["import"]["detail"] == "ZeroDivisionError: division by zero (beside.py:2)"


def test_an_app_without_a_contract_module_is_only_imported(tmp_path):
    assert list(run(tmp_path, APP, checks=None, classes=()).statuses) == ["import"]


def test_a_main_guard_stays_shut(tmp_path):
    outcome = run(tmp_path, APP + "\nif __name__ == '__main__':\n    raise ValueError('main')\n")

    assert outcome.statuses["import"] == "passed"


def test_a_contract_that_cannot_be_read_is_a_failing_check(tmp_path):
    outcome = run(tmp_path, APP, checks="CHECKS = (1 / 0,)\n")

    assert outcome.results["contract"]["status"] == "failed"
    assert "checks.py cannot be read: ZeroDivisionError" in outcome.results["contract"]["detail"]


# -- the contract of FinDocPipeline -----------------------------------------------------------------------------


def run_findoc(folder: Path, source: str, *, pdfplumber: str | None = None) -> Said:
    """Run the contract of FinDocPipeline on an app that consists of `source`."""
    slot = folder / "slot"
    slot.mkdir()
    (slot / "FinDocPipeline.py").write_text(source)
    if pdfplumber is not None:
        (slot / "pdfplumber.py").write_text(pdfplumber)
    spec = {
        "script": str(slot / "FinDocPipeline.py"),
        "classes": list(findoc.CLASSES),
        "checks": [findoc.__file__],
        "patterns": [],
        "result": str(folder / "results"),
    }
    return said(folder, start_spec(folder, spec))


def changed(old: str, new: str) -> str:
    source = SAMPLE.read_text()
    assert source.count(old) == 1
    return source.replace(old, new)


def without(name: str) -> str:
    """Return the sample app without the class `name`."""
    source = SAMPLE.read_text()
    lines = source.splitlines(keepends=True)
    [vanished] = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name]
    return "".join(lines[: vanished.lineno - 1] + lines[vanished.end_lineno :])


def test_the_sample_app_keeps_its_contract(tmp_path):
    outcome = run_findoc(tmp_path, SAMPLE.read_text())

    failed = [result for result in outcome.results.values() if result["status"] == "failed"]
    assert failed == []
    assert len(outcome.results) == 1 + len(findoc.CLASSES) + len(findoc.CHECKS)


@pytest.mark.parametrize("name", ["NLPDatasetExporter", "EnhancedVisualParser"])
def test_a_vanished_class_of_the_app_is_named(tmp_path, name):
    outcome = run_findoc(tmp_path, without(name))

    failed = {name for name, status in outcome.statuses.items() if status == "failed"}
    assert failed == {f"class {name}"}


EVERY_FRAME = {"clean_for_nlp", "create_nlp_dataset", "extract_metrics_enhanced"}


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        pytest.param('"dividend", "margin",', '"",', {"_has_financial_terms"}, id="a term that is in every text"),
        pytest.param(
            '"growth", "risk",', "7,", {"financial_labels", "create_nlp_dataset"}, id="a label that is no word"
        ),
        pytest.param(
            '"eps": [r"', '"eps": ["", None, r"', {"metric_patterns", "extract_metrics_enhanced"}, id="a None"
        ),
        pytest.param("nlp_df = raw_df.copy()", "return raw_df", EVERY_FRAME, id="one frame where there were two"),
        pytest.param(
            "metrics_df, pd.DataFrame(debug, columns=DEBUG_COLUMNS)",
            "metrics_df",
            {"extract_metrics_enhanced"},
            id="metrics without what was looked at",
        ),
        pytest.param("rows.append([page", "[].append([page", {"create_raw_csv", *EVERY_FRAME}, id="rows that are lost"),
        pytest.param(
            '"id": f"page', '"id": missing, "x": f"page', {"create_nlp_dataset"}, id="a field without a value"
        ),
    ],
)
def test_a_break_is_found_by_the_check_that_is_named_for_it(tmp_path, old, new, broken):
    outcome = run_findoc(tmp_path, changed(old, new))

    failed = {name for name, status in outcome.statuses.items() if status == "failed"}
    assert failed == broken


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"liabilities", "debt",', '"liabilities", "debt", "goodwill",', id="one term more"),
        pytest.param('"growth", "risk", "emissions", "dividend",', '"growth",', id="three labels less"),
        pytest.param('"chart", "figure", "graph", "diagram",', '"figure",', id="fewer chart keywords"),
        pytest.param('"ebitda": [', '"ebitda_margin": [', id="a metric renamed"),
        pytest.param('            "revenue": [', '            "turnover": [', id="revenue itself renamed"),
        pytest.param('                "sentence_count": row["sentence_count"],\n', "", id="a field less"),
        pytest.param('"method": "pdfplumber"', '"method": "pdf", "producer": "x"', id="a field more"),
    ],
)
def test_a_change_of_terms_patterns_or_fields_breaks_no_promise(tmp_path, old, new):
    outcome = run_findoc(tmp_path, changed(old, new))

    assert {name for name, status in outcome.statuses.items() if status == "failed"} == set()


# What the sample app needs of pdfplumber: it opens a file, and its one page has the text that is drawn there.
PDFPLUMBER = """
import contextlib, re, types

@contextlib.contextmanager
def open(path):
    with __builtins__["open"](path, "rb") as file:
        text = re.search(rb"[(](Total.*?)[)]", file.read()).group(1).decode()
    yield types.SimpleNamespace(
        pages=[types.SimpleNamespace(extract_text=lambda: text, extract_tables=lambda: [[["Item", None], ["x", "1"]]])]
    )
"""


def test_a_page_of_a_pdf_is_part_of_the_contract_where_pdfs_can_be_read(tmp_path):
    outcome = run_findoc(tmp_path, SAMPLE.read_text(), pdfplumber=PDFPLUMBER)

    assert outcome.results["_extract_with_pdfplumber"]["status"] == "passed"


def test_a_page_field_that_cannot_be_computed_is_found_where_pdfs_can_be_read(tmp_path):
    source = changed('"method": "pdfplumber",', '"method": "pdfplumber", "currency": self.currency,')

    outcome = run_findoc(tmp_path, source, pdfplumber=PDFPLUMBER)

    detail = outcome.results["_extract_with_pdfplumber"]["detail"]
    assert re.search(r"AttributeError: .*'currency' \(FinDocPipeline.py:\d+\)", detail)


# -- the repository's own checks ---------------------------------------------------------------------------------------


def test_the_documented_check_file_runs_as_it_stands(tmp_path):
    documented = (Path(contract.__file__).parents[2] / "docs" / "operations.md").read_text()
    (own,) = re.findall(r"```python\n(.*?)```", documented, re.DOTALL)
    slot = tmp_path / "slot"
    slot.mkdir()
    (slot / "FinDocPipeline.py").write_text(SAMPLE.read_text())
    (tmp_path / "gitrelease_checks.py").write_text(own)
    spec = {
        "script": str(slot / "FinDocPipeline.py"),
        "classes": [],
        "checks": [],
        "patterns": [],
        "change": {"kinds": ["dictionary"], "regions": []},
        "own": str(tmp_path / "gitrelease_checks.py"),
        "result": str(tmp_path / "results"),
    }

    for_a_term = said(tmp_path, start_spec(tmp_path, spec)).statuses
    (tmp_path / "results").unlink()
    for_code = said(tmp_path, start_spec(tmp_path, {**spec, "change": {"kinds": ["major"], "regions": []}})).statuses

    assert for_a_term == {"import": "passed", "check_label_count": "passed"}
    assert for_code == {"import": "passed", "check_bank_report": "passed", "check_label_count": "passed"}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ("return None", "passed", ""),
        ("return True", "passed", ""),
        ("return []", "passed", ""),
        ("return False", "failed", "it returned False"),
        ("return 'odd'", "warned", "odd"),
        ("return ['odd', 'odder']", "warned", "odd; odder"),
        ("raise unittest.SkipTest('later')", "skipped", "later"),
        ("raise AssertionError('wrong')", "failed", "wrong"),
        ("return 'half \\ud800'", "warned", "half ?"),
    ],
)
def test_what_a_check_returns_or_raises_is_its_status(tmp_path, body, status, detail):
    checks = f"import unittest\n\ndef check(app):\n    {body}\n\nCHECKS = (('it', 'major', (), check),)\n"

    result = run(tmp_path, APP, checks=checks).results["it"]

    assert (result["status"], result["detail"]) == (status, detail)
