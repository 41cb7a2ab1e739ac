"""Does what `doctor` tells to type mend what it tells of, and nothing else?

Each command is typed as it stands in the line; then the line is not said any more, no other one has come, and the same
release is live.
"""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitrelease.edges import process_table, units
from tests import ordinary
from tests.checkout import SERVER, SETTINGS, Ended, Place, Production, make_checkout, reserved_port
from tests.remedies import typed
from tests.stories.test_doctor import write_host

Break = Callable[[Production], object]
Told = dict[tuple[str, str], str]


def told(production: Production) -> Told:
    """Return the remedies of all that is not well, by what a line is about and what it says."""
    checks = production.gitrelease("doctor", "--json").json["checks"]
    return {(line["name"], line["detail"]): line["fix"] for line in checks if line["status"] != "ok"}


def fix_of(found: Told, about: str, says: str) -> str:
    """Return the remedy of the one line that says something."""
    fixes = [fix for (name, detail), fix in found.items() if name == about and says in detail]
    assert len(fixes) == 1, found
    return fixes[0]


def expect_mended(before: Told, after: Told, about: str, says: str) -> None:
    """See that a line is not said any more, and that there is no other that was not there before."""
    left_out = [name for about, names in before if about == "not looked at" for name in names.split(", ")]
    assert not [detail for name, detail in after if name == about and says in detail]
    assert {name for name, _ in after} <= {*(name for name, _ in before), *left_out}, after


def mend(
    production: Production, about: str, says: str, *commands: str, rest: str = "", **filled: str
) -> list[Ended]:  # fmt: skip
    """Type the commands of a line one after the other, which mends it; what is live stays so."""
    before, live = told(production), production.live()
    fix = fix_of(before, about, says)
    ended = [production.type(fix, command, rest=rest, **filled) for command in commands]
    assert [one.code for one in ended] == [0] * len(commands), [one.said for one in ended]
    expect_mended(before, told(production), about, says)
    assert production.live() == live
    return ended


def git(*arguments: str) -> Break:
    return lambda production: production.git(*arguments)


# -- what init has made ------------------------------------------------------------------------------------------------

INIT = [
    pytest.param(lambda p: (p.root / ".git/hooks/update").unlink(), "hooks", "update", id="a hook is gone"),
    pytest.param(
        lambda p: (p.root / ".git/hooks/post-receive").chmod(0o644), "hooks", "post-receive",
        id="a hook is not executable",
    ),
    pytest.param(
        lambda p: (p.root / ".git/hooks/update").write_text("#!/bin/sh\nexit 0\n"), "hooks", "not ours: update",
        id="a hook is another's",
    ),
    pytest.param(
        lambda p: p.replace(".git/hooks/update", "python3", "python4"), "hooks", "of another installation",
        id="a hook is of another installation",
    ),
    pytest.param(
        git("config", "receive.denyCurrentBranch", "refuse"), "git settings", "receive.denyCurrentBranch is refuse",
        id="pushes are refused",
    ),
    pytest.param(
        git("config", "core.hooksPath", "/elsewhere"), "git settings", "/elsewhere", id="hooks are looked for elsewhere"
    ),
    pytest.param(lambda p: shutil.rmtree(p.home), "init", "is not set up", id="what init made is gone"),
]  # fmt: skip


@typed("doctor.repository._INIT: gitrelease init")
@pytest.mark.parametrize(("break_it", "about", "says"), INIT)
def test_init_puts_back_what_pushes_need(checkout: Production, break_it: Break, about: str, says: str) -> None:
    checkout.init()
    break_it(checkout)

    mend(checkout, about, says, "gitrelease init")


@typed("doctor.repository.configuration: git config {keys} false")
def test_a_setting_by_which_a_fetch_deletes_tags_is_set_off(checkout: Production) -> None:
    checkout.init()
    checkout.git("config", "fetch.pruneTags", "true")
    checkout.git("config", "remote.the.other.pruneTags", "true")

    mend(checkout, "git settings", "fetch.prunetags is set", "git config fetch.prunetags false")
    mend(checkout, "git settings", "other.prunetags is set", "git config remote.the.other.prunetags false")


@typed("doctor.repository.set_up: chmod {MODE} {root}")
def test_what_others_could_read_is_the_owners_again(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    checkout = make_checkout(tmp_path / "a folder").init()
    checkout.home.chmod(0o755)

    mend(checkout, "init", "can be read by others", f"chmod 700 '{checkout.home}'")

    assert checkout.home.stat().st_mode & 0o777 == 0o700


@typed("doctor.host.rights: chmod -R u+rwX {names}")
def test_what_its_owner_could_not_write_can_be_written_again(checkout: Production) -> None:
    checkout.init()
    places = [checkout.root / ".git" / name for name in ("objects", "gitrelease/slots")]
    for place in places:
        place.chmod(0o500)
    checks = ordinary.run(checkout, "doctor", "--json").json["checks"]
    (fix,) = [line["fix"] for line in checks if line["name"] == "rights"]

    typed = checkout.type(fix, f"chmod -R u+rwX {' '.join(map(str, places))}")

    assert typed.code == 0
    checks = ordinary.run(checkout, "doctor", "--json").json["checks"]
    assert [line["status"] for line in checks if line["name"] == "rights"] == ["ok"]


# -- what would be released next ---------------------------------------------------------------------------------------


@typed("doctor.app.candidate: gitrelease check")
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("schema.json", "{", "schema.json is not JSON"), ("server.py", f"{SERVER}def (", "server.py does not compile")],
)
def test_check_shows_what_of_the_app_is_to_be_mended(checkout: Production, name: str, text: str, says: str) -> None:
    checkout.init()
    good = {path: (checkout.root / path).read_text() for path in (name,) if (checkout.root / path).exists()}
    checkout.write(name, text)
    checkout.commit("Broken")

    shown = checkout.type(fix_of(told(checkout), "app", says), "gitrelease check")

    assert shown.code == 3
    assert says.rpartition(" is ")[0].removesuffix(" does not compile") in shown.said
    checkout.write(name, good.get(name, "{}"))
    checkout.commit("Mended")
    mended = checkout.gitrelease("check")
    assert mended.code == 0, mended.said
    assert not [about for about, _ in told(checkout) if about == "app"]


@typed("doctor.app.imports: git add -f {path} && git commit {path}")
def test_a_module_that_only_the_disk_has_is_committed(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", "import the.rates\n" + SERVER)
    checkout.commit("Know rates")
    checkout.write("the/rates.py", "RATE = 1\n")
    checkout.write("unfinished.txt", "nobody's yet\n")
    checkout.git("add", "unfinished.txt")

    mend(checkout, "imports", "the.rates", "git add -f the/rates.py && git commit the/rates.py")

    assert checkout.git("show", "--format=", "--name-only", "HEAD") == "the/rates.py"


@typed("doctor.app.regions: gitrelease regions", "doctor.app.regions: gitrelease init --script …")
def test_another_file_is_run_whose_regions_are_there(checkout: Production) -> None:
    checkout.init()
    checkout.write("server.py", SERVER.replace("TERMS", "WORDS"))
    checkout.write("the app.py", SERVER)
    checkout.commit("Another app")

    fix = fix_of(told(checkout), "regions", "1 of 1 are not in server.py")
    shown = checkout.type(fix, "gitrelease regions")
    assert shown.code == 0
    assert "TERMS" in shown.out
    assert "not" in shown.out

    mend(checkout, "regions", "are not in server.py", "gitrelease init --script …", rest="'the app.py'")
    assert 'script = "the app.py"' in (checkout.home / "host.toml").read_text()


@typed("doctor.repository.files: git add -f {schema}")
def test_a_schema_that_git_ignores_is_tracked(tmp_path: Path) -> None:
    settings = SETTINGS.replace('"schema.json"', '"the schema.json"')
    checkout = make_checkout(tmp_path, {"server.py": SERVER, "gitrelease.toml": settings, ".gitignore": "*.json\n"})
    checkout.write("the schema.json", "{}")
    checkout.init()
    checks = checkout.gitrelease("doctor", "--json").json["checks"]
    (said,) = [line["detail"] for line in checks if line["name"] == "ignored files"]

    typed = checkout.type(said, "git add -f 'the schema.json'")

    assert typed.code == 0
    assert checkout.git("status", "--porcelain") == 'A  "the schema.json"'


@typed("doctor.repository.files: git check-ignore -v --no-index {which}")
def test_the_line_is_shown_by_which_git_ignores_a_file_that_it_tracks(checkout: Production) -> None:
    checkout.init()
    checkout.write("the app.py", "")
    checkout.commit("More")
    checkout.write(".gitignore", "# ours\nserver.py\n*app.py\n")
    checkout.commit("Ignore them")
    fix = fix_of(told(checkout), "ignored files", "server.py, the app.py")

    shown = checkout.type(fix, "git check-ignore -v --no-index server.py 'the app.py'")

    assert [line.partition("\t")[0] for line in shown.out.splitlines()] == [
        ".gitignore:2:server.py", ".gitignore:3:*app.py"
    ]  # fmt: skip
    checkout.write(".gitignore", "# ours\n")
    assert not [name for name, _ in told(checkout) if name == "ignored files"]


@typed("doctor.repository.pointers: gitrelease up", "doctor.repository.pointers: gitrelease recover")
@pytest.mark.parametrize(("command", "live"), [("gitrelease up", "release/3"), ("gitrelease recover", "release/2")])
def test_where_only_tags_tell_of_releases_something_is_live_again(
    production: Production, command: str, live: str
) -> None:
    production.commit_term("second")
    production.await_live("release/2")
    production.git("commit", "--quiet", "--allow-empty", "-m", "Later")
    production.await_idle()
    for verb in ("down", "uninstall"):
        assert production.gitrelease(verb).code == 0
    production.init()
    before = told(production)

    typed = production.type(fix_of(before, "refs", "none was released here"), command)

    assert typed.code == 0, typed.said
    assert production.live() == live
    assert production.answer() == "one revenue second profit"
    expect_mended(before, told(production), "refs", "none was released here")


@typed("doctor.running._port: gitrelease init --port PORT")
def test_a_port_that_somebody_has_is_changed_for_a_free_one(checkout: Production) -> None:
    checkout.init()
    free = reserved_port()
    with socket.create_server(("127.0.0.1", checkout.port)):
        mend(checkout, "ports", f"port {checkout.port} is taken", "gitrelease init --port PORT", PORT=str(free))

        checkout.up()

    assert checkout.answer(port=free) == "one revenue profit"


def test_the_port_of_one_of_several_instances_is_changed_in_their_settings(checkout: Production) -> None:
    checkout.init()
    checkout.others = {"test-1": Place(reserved_port(), group="test")}
    checkout.set_instances()
    with socket.create_server(("127.0.0.1", checkout.others["test-1"].port)):
        fix = fix_of(told(checkout), "ports", "is taken")

    assert fix == "end that process, or another port for test-1 in .git/gitrelease/host.toml"


@typed("doctor.examine.examine: gitrelease doctor")
def test_doctor_looks_at_all_once_what_stood_in_its_way_is_mended(checkout: Production) -> None:
    checkout.init()
    write_host(checkout, "[app]", "[app")
    before = told(checkout)
    fix = fix_of(before, "not looked at", "hooks, branch")
    write_host(checkout, "[app", "[app]")

    looked = checkout.type(fix, "gitrelease doctor")

    assert looked.code == 0
    assert {"ok       hooks", "ok       branch"} <= {line[:15].rstrip() for line in looked.out.splitlines()}
    assert "not looked at" not in looked.out


@typed("doctor.examine._within.run: gitrelease doctor")
def test_doctor_is_content_once_what_the_host_refused_is_mended(checkout: Production) -> None:
    checkout.init()
    slots = checkout.home / "slots"
    slots.rmdir()
    slots.touch()
    before = told(checkout)
    slots.unlink()
    slots.mkdir()

    looked = checkout.type(fix_of(before, "slots", "Not a directory"), "gitrelease doctor")

    assert looked.code == 0
    assert "ok       slots " in looked.out


# -- recover -----------------------------------------------------------------------------------------------------------

LOST = [
    pytest.param(lambda p: (p.root / ".git/index.lock").touch(), "locks", "index.lock", id="a lock is left over"),
    pytest.param(lambda p: (p.home / "run/recovering").touch(), "locks", "cut off", id="a recover was cut off"),
    pytest.param(lambda p: p.write(".git/HEAD", ""), "repository", "HEAD of", id="HEAD is empty"),
    pytest.param(lambda p: (p.home / "host.toml").unlink(), "settings", "is gone", id="the settings are gone"),
    pytest.param(
        lambda p: [p.git("update-ref", "-d", f"refs/{ref}/release/1") for ref in ("gitrelease/tags", "tags")], "refs",
        "release/1, is missing", id="the tag is gone",
    ),
    pytest.param(git("tag", "-f", "release/1", "HEAD"), "refs", "names something else", id="the tag is another"),
    pytest.param(git("update-ref", "-d", "refs/gitrelease/live"), "refs", "names none", id="the pointer is gone"),
    pytest.param(
        lambda p: p.write(".git/refs/tags/release/1", f"{'1' * 40}\n"), "refs", "cannot be read", id="a tag of nothing"
    ),
]  # fmt: skip


@typed("doctor.case.Case.recover: gitrelease recover")
@pytest.mark.parametrize(("break_it", "about", "says"), LOST)
def test_recover_puts_back_what_was_lost(checkout: Production, break_it: Break, about: str, says: str) -> None:
    checkout.init().up()
    checkout.await_idle()
    checkout.gitrelease("down")
    down = {name for name, _ in told(checkout)}
    break_it(checkout)
    before = told(checkout)
    fix = fix_of(before, about, says)
    assert "it brings production up, too" in fix

    typed = checkout.type(fix, "gitrelease recover")

    assert typed.code == 0, typed.said
    assert (checkout.live(), checkout.answer()) == ("release/1", "one revenue profit")
    assert {name for name, _ in told(checkout)} == down - {"agent"}
