"""Who is told, and what runs, is set on the host only; what is wrong there is named with what is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitrelease.core.errors import SettingsError
from gitrelease.core.settings import Reaction, Receiver
from gitrelease.core.settings_text import read
from gitrelease.edges.settings import told_of
from tests.checkout import Production

GOOD = """\
[notify]
urls = ["json://user:t0ken@127.0.0.1:9000/s3cret"]
acknowledge = "5m"

[[notify.to]]
url = "slack://T0ken/T1ken/T2ken"
events = ["stuck", "recovered"]
levels = [2, 3, 4]

[[on]]
event = "released"
run = ["/usr/local/bin/told", "--now"]
"""


def test_what_is_set_on_the_host_holds(tmp_path: Path) -> None:
    file = tmp_path / "host.toml"
    file.write_text(GOOD)

    written = told_of(file)

    assert written.notify.acknowledge == "5m"
    assert written.notify.to == (
        Receiver(url="slack://T0ken/T1ken/T2ken", events=("stuck", "recovered"), levels=(2, 3, 4)),
    )
    assert written.on == (Reaction(event="released", run=("/usr/local/bin/told", "--now")),)


@pytest.mark.parametrize(
    ("wrong", "message", "accepted"),
    [
        ('[notify]\nurls = ["t0ken.example.com/hook"]', r"line 2: notify.urls \(1: …\) is no URL", "mailto://"),
        ('[notify]\nurls = ["json://h", "json://h /t0ken"]', r"notify.urls \(2: …\) is no URL", "json://HOST"),
        ('[notify]\nurls = ["json://"]', r"notify.urls \(1: …\) is no URL", "a URL of Apprise"),
        ('[notify]\nurls = "json://t0ken"', "Expected `array`, got `str`", "docs/configuration.md"),
        ('[[notify.to]]\nurl = "t0ken"', r"line 2: notify.to.url \(1: …\) is no URL", "a URL of Apprise"),
        (
            '[[notify.to]]\nurl = "json://h"\nevents = ["stuk"]',
            "notify.to.events is 'stuk'",
            "refused, waiting, pending, rolled_back",
        ),
        ('[[notify.to]]\nurl = "json://h"\nlevels = [5]', r"notify.to.levels is \[5\]", "numbers from 0 to 4"),
        ('[[notify.to]]\nurl = "json://h"\nlevel = 2', "there is no setting notify.to.level", "url, events, levels"),
        ('[notify]\nacknowledge = "soon"', "notify.acknowledge is 'soon'", "10s, 2m, 1h"),
        ('[notify]\nurl = "json://h"', "there is no setting notify.url", "urls, to, acknowledge, timeout"),
        ('[[on]]\nevent = "deployed"\nrun = ["x"]', "on.event is 'deployed'", "released"),
        ('[[on]]\nevent = "released"\nrun = []', "on.run names no command", "a list such as"),
        ('[[on]]\nevent = "released"\nrun = "rm -rf"', "Expected `array`, got `str`", "docs/configuration.md"),
        ('[[on]]\nevent = "released"\nrun = ["a\\u0000b"]', "on.run names no command", "a list such as"),
        ('[[on]]\nrun = ["x"]', "missing required field `event`", "docs/configuration.md"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_accepted(wrong: str, message: str, accepted: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(wrong.encode(), "host.toml")

    assert re.search(message, refused.value.message)
    assert accepted in refused.value.hint
    assert "t0ken" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("table", ["notify", "on"])
def test_the_repository_may_tell_nobody_and_run_nothing(table: str) -> None:
    text = '[app]\nkind = "streamlit"\n\n' + ("[notify]\nurls = []\n" if table == "notify" else "[[on]]\n")

    with pytest.raises(SettingsError) as refused:
        read(text.encode(), "gitrelease.toml")

    assert refused.value.message == f"gitrelease.toml, line 4: {table} is for host settings only"
    assert "host.toml" in refused.value.hint


def test_a_push_that_sets_receivers_is_refused(production: Production) -> None:
    developer = production.clone()
    developer.write("gitrelease.toml", developer.read("gitrelease.toml") + '\n[notify]\nurls = ["json://evil"]\n')
    developer.commit("Tell me, too")

    ended = developer.push("-o", "approve", "origin", "deploy")

    assert ended.code != 0
    assert "notify is for host settings only" in " ".join(ended.said.replace("remote:", " ").split())
    assert production.live() == "release/1"


def test_a_broken_address_is_named_without_being_shown(production: Production) -> None:
    file = production.home / "host.toml"
    before = file.read_text()
    file.write_text(before + '\n[notify]\nurls = ["t0ken"]\n')

    ended = production.gitrelease("notify", "test")

    assert ended.code == 2
    assert "notify.urls (1: …) is no URL" in ended.words
    assert "t0ken" not in ended.said
    assert "notify.urls (1: …) is no URL" in production.gitrelease("status").out


def test_what_is_wrong_there_stops_no_release_and_no_way_back(production: Production) -> None:
    file = production.home / "host.toml"
    file.write_text(file.read_text() + '\n[notify]\nurls = ["t0ken"]\n\n[[on]]\nevent = "x"\nrun = ["x"]\n')
    developer = production.clone()
    developer.commit_term("told to nobody")

    assert developer.push().code == 0
    production.await_idle()
    assert production.status()["last_good"] == "release/2"
    assert production.gitrelease("rollback").code == 0
    production.kill(production.agent_pid())
    assert "nobody is told as it was meant" in production.gitrelease("up").said + production.agent_log()

    assert "is no URL" in production.agent_log()
    assert "t0ken" not in production.agent_log()
