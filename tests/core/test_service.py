"""Units, crontab lines and stanzas: whatever stands in a path, the same words come out of them."""

from __future__ import annotations

import configparser
import shlex

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitrelease.core.service import Service, crontab_line, mark_of, name_for, refusal, supervisor_stanza, unit
from tests.systemd import arguments

ODD = st.text(st.sampled_from("ab /%$\\\"';#~*&=é"), min_size=1, max_size=12).map(lambda text: f"/srv/{text}")
THROUGH_SHELL = ["/bin/sh", "-c", 'exec "$0" "$@"']


def service(checkout: str = "/srv/findoc", python: str = "/opt/gitrelease/bin/python") -> Service:
    return Service(
        name="gitrelease-findoc", checkout=checkout, python=python, user="deploy", folder="/home/deploy",
        path="/usr/local/bin:/usr/bin:/bin", stop_seconds=90,
    )  # fmt: skip


def cron_runs(line: str) -> str:
    """Return what cron hands to the shell: up to the first bare percent sign, those behind a backslash without it."""
    command = line.removeprefix("@reboot ")
    said, escaped = "", False
    for character in command:
        if character == "%" and not escaped:
            break
        said = said[:-1] + character if escaped and character == "%" else said + character
        escaped = character == "\\" and not escaped
    return said


def supervisor_runs(stanza: str) -> list[str]:
    """Return the argument list that supervisord makes of its `command`, by the steps of its own reader."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(stanza)
    return shlex.split(parser["program:gitrelease-findoc"]["command"] % {})


@given(checkout=ODD, python=ODD)
@example(checkout='/srv/50% of "it"', python="/opt/my venv/bin/python")
@example(checkout="/srv/a\\%b ;c #d", python="/opt/it's/python")
def test_every_service_manager_runs_the_same_words(checkout: str, python: str) -> None:
    described = service(checkout, python)
    wanted = [python, "-I", "-m", "gitrelease", "-C", checkout, "up"]

    for system in (False, True):
        words = arguments(unit(described, system=system))
        assert (words[3:] if words[:3] == THROUGH_SHELL else words) == [*wanted, "--foreground"]
        assert not set(words[0]) & set("\"'\\$"), "systemd takes no such program"
    assert supervisor_runs(supervisor_stanza(described)) == [*wanted, "--foreground"]
    assert shlex.split(cron_runs(crontab_line(described)))[1:] == wanted


def test_a_unit_says_whose_it_is_and_whether_somebody_changed_it() -> None:
    text = unit(service('/srv/a "b"'), system=False)

    mark, changed = mark_of(text), mark_of(text.replace("RestartSec=5s", "RestartSec=1s"))

    assert mark is not None
    assert changed is not None
    assert (mark.checkout, mark.as_written) == ('/srv/a "b"', True)
    assert (changed.checkout, changed.as_written) == ('/srv/a "b"', False)
    assert mark_of("[Service]\nExecStart=/bin/true\n") is None
    assert mark_of('# gitrelease: "half 0123456789ab\n') is None


def test_only_the_unit_of_the_host_says_as_whom_it_runs() -> None:
    assert "User=deploy" in unit(service(), system=True).splitlines()
    assert "User=" not in unit(service(), system=False)


@pytest.mark.parametrize("path", ["/srv/a\nExecStart=/bin/evil", "/srv/\x1b[2J", "/srv/\udcff", "/srv/a\tb"])
def test_a_path_that_no_line_can_hold_is_refused(path: str) -> None:
    assert "no unit and no crontab can hold" in refusal(service(path))
    assert not refusal(service("/srv/Müller & Söhne"))


@pytest.mark.parametrize(
    ("folder", "name"),
    [("findoc", "gitrelease-findoc"), ("my app (2)", "gitrelease-my-app-2"), ("é", "gitrelease-production")],
)
def test_the_name_of_a_service_is_plain(folder: str, name: str) -> None:
    assert name_for(folder) == name
