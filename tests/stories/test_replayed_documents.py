"""Sample documents are read by a candidate as by the live release, and no document keeps the others from it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import Clone, Production, make_checkout
from tests.stories.test_streamlit import SCRIPT, SETTINGS, sample_files

# What the app does with some documents: over one it never ends, over one it ends the process, one it cannot read.
NAME = '        name = str(getattr(source, "name", source)).lower()\n'
ENDLESS = '        while name.endswith("endless.pdf"):\n            time.sleep(1)\n'
ODD = '''
    def clean_for_nlp(self, raw):
        """Clean, but for what is odd."""
        text = raw.to_csv()
        if "FATAL" in text:
            os._exit(3)
        if "UNREADABLE" in text:
            raise ValueError("cannot be read")
        return self._clean_for_nlp(raw)

    def _clean_for_nlp(self, '''
REPORT = "Quillmere\nTotal revenue: 12.5 million\nNet income: 3.1 million\n"


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One production of the sample app, with documents that it has its troubles with."""
    folder = tmp_path_factory.mktemp("replayed")
    files = sample_files()
    assert "    def clean_for_nlp(self, " in files[SCRIPT]
    assert NAME in files[SCRIPT]
    files[SCRIPT] = files[SCRIPT].replace(NAME, NAME + ENDLESS)
    files[SCRIPT] = "import os\nimport time\n" + files[SCRIPT].replace("\n    def clean_for_nlp(self, ", ODD)
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Ann Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "ann@example.com")
        settings = SETTINGS.replace('checks = "8s"', 'checks = "40s"') + '[contract]\ndocuments = ["odd"]\n'
        odd = {f"odd/{word.lower()}.txt": f"{word}\n{REPORT}" for word in ("FATAL", "UNREADABLE")} | {
            "odd/endless.pdf": "-"
        }
        production = make_checkout(
            folder,
            {
                **files,
                "gitrelease.toml": settings,
                **odd,
                "odd/report.txt": REPORT.replace("Quillmere", "Quillmere alone"),
            },
        )
        production.init().up()
    yield production
    production.clear_away()


@pytest.fixture
def developer(production: Production, tmp_path: Path) -> Clone:
    subprocess.run(["git", "clone", "--quiet", str(production.root), str(tmp_path / "clone")], check=True)
    return Clone(tmp_path / "clone")


def test_no_document_switches_the_comparison_off(production: Production, developer: Clone) -> None:
    developer.replace(SCRIPT, '"net_income": [', '"profit_after_tax": [')
    developer.commit("Rename a metric")
    refused = developer.push()
    approved = developer.push("-o", "approve", "origin", "deploy")

    assert refused.code != 0, refused.said
    assert "values of the sample documents (net_income)" in refused.words
    for why in (
        "3 of ", "odd/endless.pdf took longer than", "odd/fatal.txt ended the process (exit 3), as on the live release",
        "odd/unreadable.txt ValueError: cannot be read (FinDocPipeline.py:",
    ):  # fmt: skip
        assert why in refused.words
    assert approved.code == 0, approved.said
    shown = production.gitrelease("show", production.live())
    assert "not compared: odd/fatal.txt ended the process (exit 3), as on the live release" in shown.out


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("while True:\n                time.sleep(1)", "took longer than"),
        ("os._exit(4)", "ended the process (exit 4)"),
        ("raise KeyError('profit')", "KeyError: 'profit'"),
    ],
)
def test_a_document_that_the_candidate_alone_cannot_read_refuses_it(
    production: Production, developer: Clone, does: str, why: str
) -> None:
    live = production.live()
    developer.replace(
        SCRIPT,
        '        if "FATAL" in text:',
        f'        if "Quillmere alone" in text:\n            {does}\n        if "FATAL" in text:',
    )
    developer.commit("Something odd")

    refused = developer.push("-o", "approve", "origin", "deploy")

    assert refused.code != 0, refused.said
    assert f"replay: odd/report.txt fails: {why}" in refused.words, refused.said
    assert "it does not on the live release" in refused.words
    assert production.live() == live
