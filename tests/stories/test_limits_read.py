"""A limit that somebody sets on the host counts for the next candidate, and a refusal by one says where it is set."""

from __future__ import annotations

from tests.checkout import Production


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
