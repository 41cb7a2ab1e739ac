"""The documents say what the code does: samples load, defaults are right, commands and refusals exist."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import msgspec
import pytest
import typer

from gitrelease.commands.application import application
from gitrelease.core import settings
from gitrelease.core.errors import Exit
from gitrelease.core.kinds import Kind
from gitrelease.core.regions import Region
from gitrelease.core.settings_text import read
from gitrelease.edges.settings import combine

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
OPERATIONS = ROOT / "docs" / "operations.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
ROLES = tuple(ROOT / "docs" / f"{role}.md" for role in ("owner", "developer", "operator"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# The procedures of the deployment guide, in its order.
PROCEDURES = (
    "Pre-Deployment Checklist",
    "Backup Creation",
    "System State Documentation",
    "Terminal Access Verification",
    "Resource Monitoring Setup",
    "Financial Dictionary Deployment",
    "Schema Structure Deployment",
    "Pattern Recognition Deployment",
    "Emergency Rollback",
    "Verify Rollback Success",
    "Selective Rollback",
    "Financial Dictionary Rollback",
    "Schema Structure Rollback",
    "Immediate Checks (0-5 minutes)",
    "Extended Validation (5-30 minutes)",
    "Log Monitoring",
    "Performance Monitoring",
    "Complete System Failure",
    "Escalation Procedures",
    "Deployment Log Template",
)


# -- reading Markdown ------------------------------------------------------------------------------------------------

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text, language):
    """Return the fenced blocks of a language."""
    return [content for name, content in _FENCE.findall(text) if name == language]


def prose(text):
    """Return the paragraphs outside of code blocks, each row of a table and each item of a list for itself."""
    bare = _FENCE.sub("", text)
    parts = re.split(r"\n\s*\n|\n(?=\||[-*] |\d+\. )", bare)
    return [part for part in parts if not part.startswith("    ")]


def spans(paragraph):
    """Return the code spans, line breaks in them as blanks."""
    return [" ".join(span.split()).replace("\\|", "|") for span in re.findall(r"`([^`]+)`", paragraph)]


def commands_shown(text):
    """Return the lines of code that show commands: fenced shell blocks and indented ones."""
    indented = [part for part in re.split(r"\n\s*\n", _FENCE.sub("", text)) if part.startswith("    ")]
    return [line for block in [*blocks(text, "sh"), *indented] for line in block.splitlines()]


def rows(text):
    """Return the rows of all tables, as lists of cells."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def headings(text):
    return [line.lstrip("#").strip() for line in _FENCE.sub("", text).splitlines() if re.match(r"#+ ", line)]


def anchor(heading):
    """Return the name by which a heading is linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# -- settings ----------------------------------------------------------------------------------------------------------


def tables():
    """Return the settings tables of the core, by the name they are written with."""
    return {
        "app": settings.App,
        "instance": settings.Instance,
        "policy.KIND": settings.Policy,
        "limits": settings.Limits,
        "contract": settings.Contract,
        "monitor": settings.Monitor,
        "sessions": settings.Sessions,
        "region": Region,
        "notify": settings.Notify,
        "notify.to": settings.Receiver,
        "on": settings.Reaction,
    }


SETTINGS = [(f"{table}.{key}", table, key) for table, struct in tables().items() for key in struct.__struct_fields__]


def sample():
    return read(blocks(CONFIGURATION.read_text(), "toml")[0].encode(), "gitrelease.toml")


def test_the_sample_loads_with_what_it_says():
    loaded = combine(sample(), {})

    assert loaded.app.shared == (".streamlit/secrets.toml",)
    assert [region.form for region in loaded.regions] == ["assigned", "body", "lines", "file"]
    assert loaded.contract.classes is not None
    assert len(loaded.contract.classes) == 5


def test_the_sample_spells_out_the_defaults():
    loaded, defaults = combine(sample(), {}), combine({}, {})

    assert loaded.policy == defaults.policy
    assert loaded.limits == defaults.limits
    assert loaded.instances == defaults.instances


@pytest.mark.parametrize("block", blocks(CONFIGURATION.read_text(), "toml"))
def test_every_settings_block_loads(block):
    host_only = re.search(r"^\[+(notify|on|variables)\b", block, re.MULTILINE)
    combine(read(block.encode(), "host.toml" if host_only else "gitrelease.toml"), {})


def test_every_table_of_the_core_is_known_here():
    known = {struct.__name__ for struct in tables().values() if struct is not Region}

    in_core = {one.__name__ for one in settings.Setting.__subclasses__() if one.__module__ == settings.__name__}

    assert in_core == {*known, "Settings"}


@pytest.mark.parametrize(("path", "table", "key"), SETTINGS, ids=[path for path, _, _ in SETTINGS])
def test_every_setting_has_a_row_with_its_default(path, table, key):
    row = next((row for row in rows(CONFIGURATION.read_text()) if row[0] == f"`{path}`"), None)

    assert row is not None, f"docs/configuration.md has no row for {path}"
    default = {field.name: field.default for field in _fields(tables()[table])}[key]
    if table not in ("policy.KIND", "region") and isinstance(default, str | int):
        written = str(default).lower() if isinstance(default, bool) else default  # as TOML has it
        assert row[1] == (f"`{written}`" if default != "" else "empty")


def _fields(struct):
    return msgspec.structs.fields(struct)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.NONE])
def test_the_defaults_by_kind_are_those_of_the_code(kind):
    policy = settings.DEFAULT_POLICY[kind]

    assert [f"`{kind}`", policy.risk, policy.automation, policy.soak] in [
        row[:4] for row in rows(CONFIGURATION.read_text())
    ]


def test_no_setting_is_described_that_does_not_exist():
    before, _, options = CONFIGURATION.read_text().partition("### The app's own Streamlit configuration")
    ours = before + options.partition("###")[2]  # those options are Streamlit's
    first = [row[0] for row in rows(ours)]
    described = {cell.strip("`") for cell in first if re.fullmatch(r"`[a-z]+\.[\w.]+`", cell)}

    assert described == {path for path, _, _ in SETTINGS}


# -- commands ----------------------------------------------------------------------------------------------------------


@functools.cache
def verbs():
    command = typer.main.get_command(application())
    return dict(command.commands)


def options_of(command):
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own | {"--help", "-h"}


COMMAND = re.compile(r"\bgitrelease(?: -C \S+)? ([a-z][a-z-]*)((?: [^\s;|&#`]+)*)")


def wrong_with(code):
    """Return what is wrong with the commands in a piece of code: verbs and options that do not exist."""
    known = verbs()
    wrong = []
    for verb, rest in COMMAND.findall(code):
        if verb not in known:
            wrong.append(verb)
            continue
        options = [word.split("=")[0].rstrip(",.:") for word in rest.split() if word.startswith("-")]
        wrong += [f"{verb} {option}" for option in options if option not in options_of(known[verb])]
    first, *words = code.split()
    if first in known:
        options = [word for word in words if re.match(r"--?[a-z]", word)]
        wrong += [f"{first} {option}" for option in options if option not in options_of(known[first])]
    return wrong


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_told_of(verb):
    text = README.read_text() + OPERATIONS.read_text()
    code = [*commands_shown(text), *(span for part in prose(text) for span in spans(part))]

    assert any(re.search(rf"(^|gitrelease(?: -C \S+)? ){verb}\b", line) for line in code)


@pytest.mark.parametrize(
    "document", [README, CONFIGURATION, OPERATIONS, TROUBLESHOOTING, *ROLES], ids=lambda path: path.name
)
def test_no_command_is_shown_that_does_not_exist(document):
    text = document.read_text()

    assert [wrong for line in commands_shown(text) if line.strip() for wrong in wrong_with(line)] == []
    assert [(wrong, part) for part in prose(text) for span in spans(part) for wrong in wrong_with(span)] == []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        pytest.param("gitrelease -C /srv/x status", [], id="one that exists"),
        pytest.param("gitrelease teleport", ["teleport"], id="a verb that does not"),
        pytest.param("gitrelease rollback --until monday", ["rollback --until"], id="an option that does not"),
        pytest.param("show --until", ["show --until"], id="an option by itself"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(code, wrong):
    assert wrong_with(code) == wrong


# -- procedures, refusals, exit codes ----------------------------------------------------------------------------------


def test_every_procedure_of_the_guide_is_covered_in_its_order():
    assert [heading for heading in headings(OPERATIONS.read_text()) if heading in PROCEDURES] == list(PROCEDURES)


@pytest.mark.parametrize(
    "document", [README, CONFIGURATION, OPERATIONS, TROUBLESHOOTING, *ROLES], ids=lambda path: path.name
)
def test_nothing_is_promised_that_is_there_by_now(document):
    late = re.compile(
        r"not\s+(?:yet\s+there|there\s+yet|yet\s+built|built\s+yet)|will\s+(?:be|come)\s+later", re.IGNORECASE
    )

    assert [part for part in prose(document.read_text()) if late.search(part)] == []


def test_every_procedure_names_a_command():
    text = OPERATIONS.read_text()
    parts = re.split(r"^##+ (.+)$", text, flags=re.MULTILINE)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))

    silent = [name for name in PROCEDURES if not re.search(r"gitrelease|git ", sections[name])]

    assert silent == []


def refusals():
    """Return the messages of the tables of refusals, their fixed pieces each."""
    section = TROUBLESHOOTING.read_text().partition("## When something is refused")[2].partition("## Exit codes")[0]
    messages = [span for row in rows(section) for span in spans(row[0])]
    pieces = {message: [piece.strip(": ") for piece in message.split("…")] for message in messages}
    return {message: [piece for piece in parts if len(piece) > 2] for message, parts in pieces.items()}


def said_in_code():
    """Return every piece of text that the code can print, comments left out."""
    said = []
    for path in (ROOT / "gitrelease").rglob("*.py"):
        tree = ast.parse(path.read_text())
        said += [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
    return "\n".join([*said, *(path.read_text() for path in (ROOT / "hooks").iterdir())])


def test_every_refusal_in_the_table_is_one_that_the_code_gives():
    said = said_in_code()

    missing = {(message, piece) for message, pieces in refusals().items() for piece in pieces if piece not in said}

    assert missing == set()


def test_every_exit_code_is_explained():
    section = TROUBLESHOOTING.read_text().partition("## Exit codes")[2]

    assert [row[0] for row in rows(section) if row[0].isdigit()] == [str(int(code)) for code in Exit]


# -- reliability -----------------------------------------------------------------------------------------------------

SHOWN = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", (ROOT / "docs" / "reliability.md").read_text())


@pytest.mark.parametrize(("file", "name"), SHOWN)
def test_every_fault_names_a_test_that_exists(file, name):
    text = (ROOT / "tests" / "stories" / file).read_text()

    assert not name or f"def {name}(" in text


# -- links -------------------------------------------------------------------------------------------------------------

LINKS = [
    pytest.param(document, target, id=f"{document.name}: {target}")
    for document in DOCUMENTS
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", document.read_text()))
    if not re.match(r"[a-z]+:", target)
]


@pytest.mark.parametrize(("document", "target"), LINKS)
def test_links_between_the_documents_resolve(document, target):
    name, _, fragment = target.partition("#")
    linked = (document.parent / name).resolve() if name else document

    assert linked.exists()
    if fragment:
        assert fragment in [anchor(heading) for heading in headings(linked.read_text())]
