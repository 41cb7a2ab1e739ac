"""A limit that somebody sets on the host counts for the next candidate, and a refusal by one says where it is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkout import SETTINGS, Production
from tests.stories.test_disconnect import Gate, Pushing


def set_on_host(production: Production, line: str) -> None:
    settings = production.home / "host.toml"
    text = settings.read_text().partition("\n[limits]")[0]
    settings.write_text(f"{text}\n[limits]\n{line}\n")


def test_a_limit_counts_for_the_next_candidate_and_its_refusal_names_it(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", 'if __name__ == "__main__":\n', 'if __name__ == "__main__":\n    time.sleep(2)\n')
    developer.replace("server.py", "import sys\n", "import sys\nimport time\n")
    developer.commit("It takes longer to start")
    set_on_host(production, 'start = "1s"')

    refused = developer.push("-o", "approve", "origin", "deploy")
    set_on_host(production, 'start = "30s"')
    released = developer.push("-o", "approve", "origin", "deploy")

    said = refused.words
    assert refused.code != 0
    assert "(limits.start is 1s, set in .git/gitrelease/host.toml)" in said
    assert released.code == 0, released.said
    assert production.live() == "release/2"


def test_a_soak_counts_from_the_next_release_on(production: Production) -> None:
    settings = production.home / "host.toml"
    settings.write_text(settings.read_text() + '\n[policy.dictionary]\nsoak = "47s"\n')
    developer = production.clone()
    developer.commit_term("second")

    pushed = developer.push()

    assert "soaking for 47 s" in pushed.words


def test_a_limit_of_the_repository_is_named_as_such(production: Production) -> None:
    developer = production.clone()
    developer.replace("server.py", 'if __name__ == "__main__":\n', 'if __name__ == "__main__":\n    time.sleep(60)\n')
    developer.replace("server.py", "import sys\n", "import sys\nimport time\n")
    developer.commit("It never starts")

    refused = developer.push("-o", "approve", "origin", "deploy")

    said = refused.words
    assert "(limits.start is 5s, set in gitrelease.toml of what is live)" in said


MAIN = 'if __name__ == "__main__":\n'
CHILDREN = """
import subprocess
children = [subprocess.Popen(["sleep", "600"]) for _ in range(40)]
"""
HOG = 'hoard = bytearray(b"x" * (200 << 20))\n'


@pytest.mark.parametrize(
    ("limit", "code", "told"),
    [
        (
            "processes_most = 8",
            MAIN + "".join(f"    {line}\n" for line in CHILDREN.split("\n")[1:-1]),
            "processes run, 8 are the most (limits.processes_most is 8, set in .git/gitrelease/host.toml)",
        ),
        (
            "memory_most_mb = 150",
            MAIN + "    " + HOG,
            "MB, 150 MB are the most (limits.memory_most_mb is 150, set in .git/gitrelease/host.toml)",
        ),
        (
            "disk_mb = 99999999",
            MAIN,
            "99999999 MB must stay free (limits.disk_mb is 99999999, set in .git/gitrelease/host.toml)",
        ),
        (
            "memory_mb = 99999999",
            MAIN,
            "are available (limits.memory_mb is 99999999, set in .git/gitrelease/host.toml)",
        ),
        (
            'checks = "1s"',
            f"if len(sys.argv) < 2:\n    import time\n    time.sleep(60)\n\n\n{MAIN}",
            "did not return within 1 s (limits.checks is 1s, set in .git/gitrelease/host.toml)",
        ),
        (
            "checks_memory_mb = 300",
            f"if len(sys.argv) < 2:\n    {HOG.replace('200', '400')}\n\n{MAIN}",
            "(limits.checks_memory_mb is 300, set in .git/gitrelease/host.toml)",
        ),
    ],
    ids=lambda value: str(value).split(" ")[0] if " = " in str(value) else "",
)
def test_a_refusal_by_any_limit_names_it_its_value_and_where_it_is_set(
    checkout: Production, limit: str, code: str, told: str
) -> None:
    checkout.write("gitrelease.toml", SETTINGS + '\n[contract]\nclasses = ["Answer"]\n')
    checkout.commit("A contract")
    production = checkout.init().up()
    production.await_idle()
    set_on_host(production, limit)
    developer = production.clone()
    developer.replace("server.py", MAIN, code)
    developer.replace("server.py", 'VERSION = "one"', 'VERSION = "two"')
    developer.commit("It takes more")

    refused = developer.push("-o", "approve", "origin", "deploy")

    assert refused.code != 0
    assert told in refused.words, refused.words


def test_a_limit_that_a_push_waits_for_is_named(production: Production, tmp_path: Path) -> None:
    set_on_host(production, 'wait = "1s"\nstart = "20s"')
    gate = Gate(tmp_path / "gate")
    slow = production.clone("slow")
    slow.replace("server.py", MAIN, f'{MAIN}    open("{gate.path}").read()\n')
    slow.commit("It waits")
    pushing = Pushing(slow, tmp_path / "push.log", "origin", "deploy")
    gate.await_arrival()
    developer = production.clone()
    developer.commit_term("second")

    refused = developer.push()

    gate.open()
    assert pushing.ends() == 0, pushing.said()
    assert refused.code != 0
    assert "another release is under way: push by" in refused.words
    assert "a push waits no longer (limits.wait is 1s, set in .git/gitrelease/host.toml)" in refused.words


def test_a_limit_that_stops_the_first_up_is_named_as_that_of_what_would_come_up(checkout: Production) -> None:
    checkout.replace("server.py", MAIN, f"{MAIN}    import time\n    time.sleep(60)\n")
    checkout.replace("gitrelease.toml", 'start = "5s"', 'start = "1s"')
    checkout.commit("It never starts")

    refused = checkout.init().gitrelease("up")

    assert refused.code != 0
    assert "(limits.start is 1s, set in gitrelease.toml of HEAD)" in refused.words
