"""People are told of what happens: by web hook, by mail, once; nobody who does not listen holds up a release."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from gitrelease.edges.backends import free_port
from tests import receivers
from tests.checkout import Production, until
from tests.receivers import Hook
from tests.remedies import typed


def tell(production: Production, text: str) -> None:
    """Add to the host's settings, as an editor would."""
    file = production.home / "host.toml"
    file.write_text(f"{file.read_text()}\n{text}\n")


def urls(*addresses: str) -> str:
    return f"[notify]\nurls = {json.dumps(addresses)}\n"


def to(address: str, **wanted: list[object]) -> str:
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in wanted.items())
    return f"[[notify.to]]\nurl = {json.dumps(address)}\n{lines}\n"


def on(event: str, *command: str, limit: str = "20s") -> str:
    return f'[[on]]\nevent = "{event}"\nrun = {json.dumps(command)}\ntimeout = "{limit}"\n'


@pytest.fixture
def hook() -> Iterator[Hook]:
    with receivers.hook() as found:
        yield found


@pytest.fixture
def stuck(checkout: Production, hook: Hook) -> Production:
    """A production whose only release failed its soak: there is nothing to go back to, and a hook is told."""
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init()
    tell(checkout, urls(hook.url))
    checkout.up()
    checkout.kill(checkout.backend_pid())
    until(lambda: checkout.state()["person_needed"], "a person is needed")
    return checkout


# -- what is told ------------------------------------------------------------------------------------------------


def test_a_release_is_told_by_hook_and_by_mail(production: Production, hook: Hook) -> None:
    with receivers.mailbox() as (box, address):
        tell(production, urls(hook.url, address))
        developer = production.clone()
        developer.commit_term("ebitda")
        assert developer.push().code == 0

        body = until(lambda: hook.body("release/2 is live"), "the hook is told")
        until(lambda: box.mails, "a mail arrives")

    assert "Production serves release/2 now" in body
    assert f"gitrelease -C {production.root} rollback" in body
    assert f"Host {socket.gethostname()}, checkout {production.root}" in body
    assert "ebitda" in body
    whom, subject, text = box.mails[0]
    assert whom == ["ops@example.com"]
    assert "release/2 is live" in subject
    assert "Production serves release/2 now" in text


def test_the_first_release_is_told_with_what_production_serves(checkout: Production, hook: Hook) -> None:
    checkout.init()
    tell(checkout, urls(hook.url))

    checkout.up()

    body = until(lambda: hook.body("release/1 is live"), "the hook is told")
    assert "Production serves release/1 now" in body


def test_a_refusal_is_told_without_secrets_and_markup(production: Production, hook: Hook) -> None:
    tell(production, urls(hook.url))
    developer = production.clone()
    developer.replace(
        "server.py", 'VERSION = "one"', 'raise SystemExit("password=hunter2secret <b>@everyone</b> \\x1b[31m [x](y)")'
    )
    developer.commit("Break it")

    assert developer.push("-o", "approve", "origin", "deploy").code != 0

    body = until(lambda: hook.body("refused"), "the refusal is told")
    assert "start: " in body
    assert "hunter2secret" not in body
    assert not set(body) & set("<>@`[]\x1b")
    assert "Production serves release/1 now" in body


def test_a_way_back_is_told_whoever_went_it(checkout: Production, hook: Hook) -> None:
    checkout.replace("gitrelease.toml", '[policy.dictionary]\nsoak = "300ms"', '[policy.dictionary]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init().up()
    checkout.await_idle()
    tell(checkout, urls(hook.url))
    checkout.commit_term("second")
    checkout.await_live("release/2")
    checkout.commit_term("third")
    checkout.await_live("release/3")
    until(lambda: checkout.state()["soaking"])

    checkout.kill(checkout.backend_pid())
    until(lambda: hook.body("level 1: production is back at release/2"), "the way back is told")
    until(lambda: not checkout.busy() or checkout.state()["soaking"])
    checkout.gitrelease("rollback", "-m", "to be sure")
    until(lambda: hook.body("production is back at release/1"), "the second one is told")

    assert [title.rpartition(" (")[0] for title in hook.titles()][-3:] == [
        "level 1: release/3 failed its soak",
        "level 1: production is back at release/2",
        "production is back at release/1",
    ]
    assert "to be sure" in hook.body("release/1")


@pytest.mark.long
def test_what_waits_for_approval_calls_for_a_person_once(production: Production, hook: Hook) -> None:
    tell(production, urls(hook.url))
    production.commit_version("two")
    until(lambda: production.state()["waiting"], "it waits")

    body = until(lambda: hook.body("level 2: a change waits"), "the people are told")
    commit = production.git("rev-parse", "HEAD")[:10]
    assert f"gitrelease -C {production.root} deploy {commit} --approve" in body
    assert "Production serves release/1 now" in body
    assert production.gitrelease("down").code == 0
    production.up()
    until(lambda: production.state()["waiting"], "the next agent knows that it waits")
    assert production.gitrelease("deploy", commit, "--approve").code == 0
    until(lambda: hook.body("release/2 is live"), "it is released")

    assert sum("a change waits" in title for title in hook.titles()) == 1


@pytest.mark.long
def test_a_receiver_gets_only_what_it_wants(production: Production, hook: Hook) -> None:
    with receivers.hook() as refusals, receivers.hook() as alarms:
        tell(production, urls(hook.url) + to(refusals.url, events=["refused"]) + to(alarms.url, levels=[2, 3]))
        production.commit_term("wanted")
        production.await_live("release/2")
        production.gitrelease("rollback")

        until(lambda: len(hook.got) == 2, "both are told")
        production.gitrelease("down")

    assert refusals.got == []
    assert alarms.got == []


def test_another_group_of_instances_is_told_of_by_its_name(checkout: Production, hook: Hook) -> None:
    checkout.init()
    tell(checkout, f'[[instance]]\nname = "test-1"\nport = {free_port()}\ngroup = "test"\n' + urls(hook.url))
    checkout.up()
    checkout.await_idle()
    commit = checkout.commit_term("tried first")
    checkout.await_live("release/2")
    checkout.await_idle()

    assert checkout.gitrelease("deploy", commit, "--to", "test").code == 0

    body = until(lambda: hook.body("group test"), "the group's release is told")
    assert "Group test serves release/" in body
    assert "rollback --in test" in body


# -- a person who is needed --------------------------------------------------------------------------------------


@pytest.mark.long
def test_who_does_not_acknowledge_is_told_again_and_others_too(checkout: Production, hook: Hook) -> None:
    checkout.replace("gitrelease.toml", '[policy.major]\nsoak = "300ms"', '[policy.major]\nsoak = "60s"')
    checkout.commit("Longer soak")
    checkout.init()
    with receivers.hook() as administrator:
        tell(
            checkout, "[notify]\nacknowledge = '500ms'\n" + to(hook.url, levels=[2]) + to(administrator.url, levels=[3])
        )
        checkout.up()
        checkout.kill(checkout.backend_pid())

        until(lambda: administrator.got, "level 3 is told")
        until(lambda: hook.got, "level 2 is told")

    assert [title.partition(" (")[0] for title in hook.titles()] == ["level 2: a person is needed"]
    assert [title.partition(" (")[0] for title in administrator.titles()] == [
        "level 3: a person is needed, and nobody has acknowledged it"
    ]
    assert "gitrelease ack" not in hook.body("level 2").replace(f"gitrelease -C {checkout.root} ack", "")
    assert checkout.status()["emergency"]["escalated"]
    assert "nobody has acknowledged it yet, and was called for again" in checkout.gitrelease("status").said


@typed("commands.ack.run: gitrelease status")
def test_an_acknowledgement_is_shown_and_nobody_is_told_again(stuck: Production, hook: Hook) -> None:
    until(lambda: hook.body("level 2"), "level 2 is told")

    first = stuck.gitrelease("ack", "-m", "on my way, token=abcdefgh12345")
    second = stuck.gitrelease("ack", "--json")

    assert first.code == second.code == 0
    assert "acknowledged: release/1 failed its soak" in first.out
    assert "acknowledged by" in stuck.type(first.out, "gitrelease status").out
    assert second.json["new"] is False
    found = stuck.status()["emergency"]["acknowledged"]
    assert found["reason"] == "on my way, token=***"
    assert stuck.gitrelease("history", "--json").json["emergencies"][0]["acknowledged"] == found
    assert f"not over, acknowledged by {found['by']}: on my way" in stuck.gitrelease("history").out


@pytest.mark.long
def test_an_acknowledgement_needs_no_agent_and_holds_for_the_next(stuck: Production) -> None:
    stuck.kill(stuck.agent_pid())

    ended = stuck.gitrelease("ack", "-m", "seen")
    stuck.up()

    assert ended.code == 0
    assert stuck.status()["emergency"]["acknowledged"]["reason"] == "seen"


def test_where_nobody_is_needed_there_is_nothing_to_acknowledge(production: Production) -> None:
    ended = production.gitrelease("ack", "--json")

    assert ended.code == 0
    assert ended.json == {"schema": 1, "new": False, "person_needed": None, "acknowledged": None}


def test_a_recovery_is_told_and_ends_the_emergency(stuck: Production, hook: Hook) -> None:
    assert stuck.gitrelease("recover").code == 0

    body = until(lambda: hook.body("level 4: production was recovered and serves release/1"), "level 4 is told")
    assert "Production serves release/1 now" in body
    state = stuck.status()
    assert (state["person_needed"], state["emergency"]) == (None, None)
    assert stuck.gitrelease("history", "--json").json["emergencies"][0]["ended"]


def test_a_production_that_ended_unasked_is_told_when_it_is_up_again(production: Production, hook: Hook) -> None:
    tell(production, urls(hook.url))
    production.kill(production.agent_pid())
    for pid in (production.front_pid(), production.backend_pid()):
        production.kill(pid)
    production.up()
    body = until(lambda: hook.body("level 4: production was recovered"), "it is told")
    production.gitrelease("down")
    production.up()
    production.commit_term("second")
    until(lambda: hook.body("release/2 is live"), "the next thing is told")

    assert "all of it had ended, after a reboot say; production is up again" in body
    assert len(hook.titles()) == 2


@pytest.mark.long
def test_a_production_that_does_not_come_up_again_by_itself_calls_for_a_person(
    production: Production, hook: Hook
) -> None:
    tell(production, urls(hook.url))
    production.kill(production.agent_pid())
    production.kill(production.backend_pid())
    production.kill(production.front_pid())

    with socket.create_server(("127.0.0.1", production.port)):
        production.gitrelease("snapshot")  # starts no agent; the next one does
        production.gitrelease("deploy")
        body = until(lambda: hook.body("level 2: a person is needed"), "level 2 is told")
    assert f"port {production.port} is taken" in body

    production.up()
    until(lambda: hook.body("level 4"), "level 4 is told")
    assert production.status()["person_needed"] is None


# -- whoever does not listen -------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_receiver_that_never_answers_holds_nobody_up(production: Production, hook: Hook) -> None:
    with receivers.silent() as address:
        tell(production, urls(address, hook.url) + '[policy.dictionary]\nsoak = "0s"')
        developer = production.clone()
        for number in range(2, 6):
            developer.commit_term(f"term {number}")
            begun = time.monotonic()
            assert developer.push().code == 0
            assert time.monotonic() - begun < 10  # the receiver is given up after 20 s

        until(lambda: hook.body("release/2"), "who listens is told")
        assert production.live() == "release/5"


@typed("agent.telling.Telling._notify: gitrelease notify test")
@pytest.mark.parametrize("status", [500, 404])
def test_a_receiver_that_refuses_is_named_in_the_log_without_its_secrets(production: Production, status: int) -> None:
    with receivers.hook(status) as broken:
        tell(production, urls(broken.url))
        production.commit_term("told")

        until(lambda: "was not reached" in production.agent_log(), "the log says it")
        log = production.agent_log()
        tried = production.type(log, "gitrelease notify test")

    assert tried.code != 0
    assert f"error={status}" in tried.said
    assert "pa55word" not in tried.said
    assert f"error={status}" in log
    assert "notify.urls 1" in log
    assert "t0ken" not in log
    assert "pa55word" not in log


def test_the_test_says_of_each_receiver_whether_it_was_reached(checkout: Production, hook: Hook) -> None:
    checkout.init()
    dead = "json://user:pa55word@127.0.0.1:1/t0ken"
    with receivers.hook(500) as broken, receivers.silent() as silent:
        tell(checkout, '[notify]\ntimeout = "3s"\nurls = ' + json.dumps([hook.url, broken.url, dead, silent]))
        tell(checkout, to("sl4ck://T0kenA123/T0kenB456"))

        ended = checkout.gitrelease("notify", "test")
        rows = checkout.gitrelease("notify", "test", "--json").json["receivers"]

    assert ended.code == 2
    assert [row["reached"] for row in rows] == [True, False, False, False, False]
    assert "error=500" in rows[1]["detail"]
    assert "onnection" in rows[2]["detail"]
    assert "has not answered within 3 s" in rows[3]["detail"]
    assert "Apprise knows no service sl4ck://; slack:// is meant?" in rows[4]["detail"]
    assert rows[4]["to"] == "sl4ck://…"
    for secret in ("t0ken", "pa55word", "T0ken"):
        assert secret not in ended.said + json.dumps(rows)
    assert "this is a test" in hook.body("a test")
    assert "rollback" not in hook.body("a test")  # a drowsy reader types what it says


def test_without_receivers_the_test_says_how_to_set_one(checkout: Production) -> None:
    ended = checkout.init().gitrelease("notify", "test")

    assert ended.code == 2
    assert "nobody is told of anything" in ended.words


# -- once ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_what_happened_before_is_no_news_and_a_new_agent_repeats_nothing(production: Production, hook: Hook) -> None:
    tell(production, urls(hook.url))
    production.commit_term("second")
    until(lambda: hook.body("release/2"), "release/2 is told")
    until(lambda: json.loads((production.home / "told" / "notify.json").read_text())["place"]["offset"])
    production.await_idle()
    production.gitrelease("down")
    production.up()
    production.commit_term("third")

    until(lambda: hook.body("release/3"), "release/3 is told")

    assert [title.split()[0] for title in hook.titles()] == ["release/2", "release/3"]


@pytest.mark.long
def test_what_a_killed_agent_could_not_tell_any_more_the_next_one_tells(production: Production, hook: Hook) -> None:
    with receivers.silent() as address:
        tell(production, urls(address))
        production.commit_term("untold")
        production.await_live("release/2")
        production.await_idle()
        production.kill(production.agent_pid())

    file = production.home / "host.toml"
    file.write_text(file.read_text().replace(address, hook.url))
    production.up()

    until(lambda: hook.body("release/2 is live"), "release/2 is told by the next agent")


# -- commands ------------------------------------------------------------------------------------------------------


def test_a_command_runs_on_its_event_and_knows_what_happened(production: Production) -> None:
    written = production.root.parent / "written.json"
    script = "import json,os,sys; json.dump(dict(os.environ), open(sys.argv[1], 'w')); print('done')"
    tell(production, on("released", sys.executable, "-c", script, f"{written}.part") + on("refused", "false"))
    tell(production, on("released", "mv", f"{written}.part", str(written)))
    production.commit_term("known")

    until(written.exists, "the command runs")

    known = {name[11:]: value for name, value in json.loads(written.read_text()).items() if name[:11] == "GITRELEASE_"}
    live = production.git("rev-parse", "refs/gitrelease/live^{commit}")
    assert known.pop("AT").isdigit()
    assert known.pop("BY")
    assert known == {
        "EVENT": "released", "LEVEL": "0", "RELEASE": "release/2", "PREVIOUS": "release/1", "KIND": "dictionary",
        "REASON": "terms +1 (known)", "COMMIT": live, "MORE": "0", "LIVE": "release/2",
        "HOST": socket.gethostname(), "CHECKOUT": str(production.root), "GROUP": "production",
    }  # fmt: skip
    assert "done" in (production.home / "logs" / "on-released.log").read_text()


def test_a_command_that_hangs_or_fails_changes_nothing_and_leaves_nothing(production: Production) -> None:
    pids = production.root.parent / "pids"
    hanging = (
        "import os, pathlib, subprocess, sys, time; child = subprocess.Popen(['sleep', '600']); "
        "pathlib.Path(sys.argv[1]).write_text(f'{child.pid} {os.getpid()}'); time.sleep(600)"
    )
    tell(
        production,
        on("released", sys.executable, "-c", hanging, str(pids), limit="1s") + on("released", "/no/such/command"),
    )
    tell(production, on("released", "sh", "-c", "exit 7"))
    developer = production.clone()
    developer.commit_term("first")

    begun = time.monotonic()
    assert developer.push().code == 0
    assert time.monotonic() - begun < 10

    until(lambda: "it ended with 7" in production.agent_log(), "all three are told of")
    log = production.agent_log()
    assert "it was ended after 1 s" in log
    assert "/no/such/command: it cannot be started: No such file or directory" in log
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: not psutil.pid_exists(pid), f"the end of {pid}")
    assert production.status()["live"]["release"] == "release/2"


@typed("commands.notify.run: gitrelease notify test")
def test_a_receiver_that_was_mended_is_tried_again(checkout: Production, hook: Hook) -> None:
    checkout.init()
    tell(checkout, urls(f"json://127.0.0.1:{free_port()}/t0ken"))
    failed = checkout.gitrelease("notify", "test")
    assert failed.code == 2
    assert "FAILED" in failed.said

    file = checkout.home / "host.toml"
    file.write_text(file.read_text().partition("[notify]")[0])
    tell(checkout, urls(hook.url))
    again = checkout.type(failed.said, "gitrelease notify test")

    assert again.code == 0, again.said
    assert "reached its receiver" in again.words
    assert len(hook.titles()) == 1
