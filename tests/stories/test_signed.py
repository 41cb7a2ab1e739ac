"""Where signatures are required, nothing of a candidate runs that nobody known here has signed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import Clone, Production, until
from tests.remedies import typed

KINDS = ("gpg", "ssh")


@dataclass
class Signer:
    """Keys of one kind: `known` is one that the host trusts, `stranger` one that it does not."""

    kind: str
    known: str
    stranger: str
    folder: Path

    def sign_with(self, clone: Clone, key: str) -> None:
        """Let everything that is committed in `clone` be signed with `key`; nothing when it is empty."""
        clone.git("config", "gpg.format", "openpgp" if self.kind == "gpg" else "ssh")
        clone.git("config", "user.signingkey", key)
        clone.git("config", "commit.gpgSign", "true" if key else "false")

    def trust(self, production: Production) -> None:
        """Let the host know `known`: by its keyring, or by git's file of allowed signers."""
        if self.kind == "gpg":
            # The strangers' keyring is another one: the host's has the one key.
            return
        allowed = self.folder / "allowed"
        allowed.write_text(f"ann@example.com {Path(self.known).with_suffix('.pub').read_text()}")
        production.git("config", "gpg.ssh.allowedSignersFile", str(allowed))

    def revoke(self, production: Production) -> None:
        """Let the host know that `known` is not to be trusted any more."""
        if self.kind == "ssh":
            production.git("config", "gpg.ssh.revocationFile", f"{self.known}.pub")
            return
        fingerprint = fingerprint_of(self.known)
        prepared = (self.folder / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        # A colon keeps it from being imported by accident.
        (self.folder / "revoked").write_text(prepared.replace(":-----BEGIN", "-----BEGIN"))
        run("gpg", "--batch", "--quiet", "--import", str(self.folder / "revoked"))


def fingerprint_of(user: str) -> str:
    listed = run("gpg", "--batch", "--with-colons", "--list-keys", user).splitlines()
    return next(line.split(":")[9] for line in listed if line.startswith("fpr:"))


def run(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def gpg_signer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Signer:
    """Make two keys; the stranger's is made in the ring that signs and deleted from the one that verifies."""
    if shutil.which("gpg") is None:
        pytest.skip("needs gpg")
    monkeypatch.setenv("GNUPGHOME", str(folder))
    for name in ("ann", "eve"):
        run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", f"{name}@example.com", "ed25519")
    return Signer("gpg", known="ann@example.com", stranger="eve@example.com", folder=folder)


def ssh_signer(folder: Path) -> Signer:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    keys = [folder / name for name in ("ann", "eve")]
    for key in keys:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key))
    return Signer("ssh", known=str(keys[0]), stranger=str(keys[1]), folder=folder)


@pytest.fixture(params=KINDS)
def signer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signer]:
    # Short: the agent of gpg listens in that folder, and the name of a socket ends at 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="grs-", dir="/tmp"))
    try:
        yield gpg_signer(folder, monkeypatch) if request.param == "gpg" else ssh_signer(folder)
    finally:
        if request.param == "gpg":
            environment = {**os.environ, "GNUPGHOME": str(folder)}
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def require(production: Production, mode: str) -> None:
    host = production.home / "host.toml"
    host.write_text(host.read_text().replace("[app]\n", f'[app]\nrequire_signed = "{mode}"\n', 1))


@pytest.fixture
def developer(signer: Signer, checkout: Production) -> Clone:
    """Whoever signs with a key that the host knows; production requires signed commits and has release/1 live."""
    signer.sign_with(checkout, signer.known)
    checkout.git("commit", "--quiet", "--amend", "--no-edit")
    signer.sign_with(checkout, "")
    signer.trust(checkout)
    checkout.init()
    require(checkout, "commits")
    checkout.up().await_idle()
    clone = checkout.clone()
    signer.sign_with(clone, signer.known)
    return clone


def words(said: str) -> str:
    return " ".join(said.replace("remote:", "").split())


def test_what_a_known_key_has_signed_goes_live(checkout: Production, developer: Clone) -> None:
    developer.commit_term("carbon footprint")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said + checkout.agent_log()
    assert "carbon footprint" in checkout.answer()


def test_an_unsigned_commit_is_refused_before_it_runs(
    checkout: Production, developer: Clone, signer: Signer, tmp_path: Path
) -> None:
    signer.sign_with(developer, "")
    ran = tmp_path / "ran"
    developer.replace("server.py", "TERMS = [", f"open({str(ran)!r}, 'w').close()\nTERMS = [")
    commit = developer.commit("Run me")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert f"signature: commit {commit[:10]} is not signed" in words(pushed.said)
    assert "--amend --no-edit -S" in words(pushed.said)
    assert "production untouched, production serves release/1" in pushed.words
    assert not ran.exists()


@typed("checks.signatures.signing_hint: git rebase --exec 'git commit --amend --no-edit -S' REMOTE/{branch}")
def test_unsigned_commits_are_signed_and_pushed_again_as_is_said(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    signer.sign_with(developer, "")
    developer.commit_term("carbon footprint")
    developer.commit_term("esg score")
    refused = developer.push()
    signer.sign_with(developer, signer.known)
    developer.git("config", "commit.gpgSign", "false")

    command = "git rebase --exec 'git commit --amend --no-edit -S' REMOTE/deploy"
    signed = developer.type(refused.said, command, **{"REMOTE/deploy": "origin/deploy"})
    pushed = developer.push()

    assert refused.code != 0
    assert signed.code == 0, signed.said
    assert pushed.code == 0, pushed.said
    assert checkout.answer() == "one revenue esg score carbon footprint profit"


def test_a_key_that_the_host_does_not_know_is_refused(checkout: Production, developer: Clone, signer: Signer) -> None:
    signer.sign_with(developer, signer.stranger)
    commit = developer.commit_term("carbon footprint")
    if signer.kind == "gpg":
        run("gpg", "--batch", "--yes", "--delete-secret-and-public-key", fingerprint_of(signer.stranger))

    pushed = developer.push()

    assert pushed.code != 0
    assert f"signature: commit {commit[:10]} has no good signature; git says:" in words(pushed.said)
    assert checkout.live() == "release/1"


def test_a_key_that_was_revoked_since_is_refused_in_gits_words(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    developer.commit_term("carbon footprint")
    signer.revoke(checkout)

    pushed = developer.push()

    assert pushed.code != 0
    assert "revoked" in words(pushed.said).lower()
    assert checkout.live() == "release/1"


def test_an_unsigned_commit_below_a_signed_head_is_refused(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    signer.sign_with(developer, "")
    unsigned = developer.commit_term("carbon footprint")
    signer.sign_with(developer, signer.known)
    developer.commit_term("esg score")

    pushed = developer.push()

    assert pushed.code != 0
    assert f"commit {unsigned[:10]} is not signed" in words(pushed.said)


def test_a_push_does_not_switch_the_rule_off_for_itself(checkout: Production, developer: Clone, signer: Signer) -> None:
    """The live release's own settings require it here; the host's say nothing."""
    host = checkout.home / "host.toml"
    host.write_text(host.read_text().replace('require_signed = "commits"\n', ""))
    settings = developer.read("gitrelease.toml")
    developer.write("gitrelease.toml", settings.replace("[app]\n", '[app]\nrequire_signed = "commits"\n'))
    developer.commit("Signed from now on")
    assert developer.push("-o", "approve", "origin", "deploy").code == 0
    signer.sign_with(developer, "")
    developer.write("gitrelease.toml", settings.replace("[app]\n", '[app]\nrequire_signed = "none"\n'))
    developer.commit("And not any more")

    pushed = developer.push("-o", "approve", "origin", "deploy")

    assert pushed.code != 0
    assert "is not signed" in words(pushed.said)


def test_a_document_that_nobody_signed_does_not_move_the_branch(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    signer.sign_with(developer, "")
    developer.write("README.md", "More\n")
    developer.commit("Tell more")

    pushed = developer.push()

    assert pushed.code != 0
    assert "is not signed" in words(pushed.said)


def test_check_and_plan_say_who_has_to_sign(checkout: Production, developer: Clone, signer: Signer) -> None:
    signer.sign_with(developer, "")
    developer.commit_term("carbon footprint")
    developer.push("origin", "HEAD:unsigned")

    checked = checkout.gitrelease("check", "unsigned", "--json")
    planned = checkout.gitrelease("plan", "unsigned", "--json")

    assert checked.code == 3
    assert [check["name"] for check in checked.json["checks"] if check["status"] == "failed"] == ["signature"]
    assert {check["name"] for check in checked.json["checks"]} == {"signature", "settings"}  # nothing has run
    assert "--amend --no-edit -S" in checked.json["checks"][0]["detail"]
    assert planned.json["checks"][0] == "signature"


def test_deploy_with_approval_needs_a_signature_too(checkout: Production, developer: Clone, signer: Signer) -> None:
    signer.sign_with(developer, "")
    developer.commit_version("two")
    developer.push("origin", "HEAD:unsigned")

    deployed = checkout.gitrelease("deploy", "unsigned", "--approve")

    assert deployed.code == 3
    assert "is not signed" in words(deployed.said)


def edited_unsigned(production: Production, *new: str) -> str:
    """Edit a file on the host, beside files that are new in git; return what is said of the edit."""
    agent = production.agent_pid()
    os.kill(agent, signal.SIGSTOP)  # it sees all of it or nothing
    for name in new:
        production.write(name, "MARGINS = []\n")
        production.git("add", name)
    production.replace("server.py", '"revenue",\n', '"revenue",\n    "edited",\n')
    os.kill(agent, signal.SIGCONT)
    refused = until(lambda: production.state()["refused_edits"], "the edit is refused")
    assert refused == ["signature: an edit on disk is signed by nobody"]
    return str(until(lambda: said_of_refusals(production)[-1:], "what to type is said")[0])


def said_of_refusals(production: Production) -> list[str]:
    return [line for line in production.agent_log().splitlines() if " refused: signature: " in line]


@typed("checks.signatures.signing_hint: git add -u && git commit -S")
def test_an_edit_on_disk_is_refused_stays_and_can_be_committed_signed(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    said = edited_unsigned(checkout)
    assert '"edited"' in checkout.read("server.py")
    assert checkout.live() == "release/1"
    signer.sign_with(checkout, signer.known)
    checkout.git("config", "commit.gpgSign", "false")

    committed = checkout.type(said, "git add -u && git commit -S")

    assert committed.code == 0, committed.said
    checkout.await_live("release/2")
    assert checkout.answer() == "one revenue edited profit"
    assert checkout.git("status", "--porcelain") == ""


@typed("core.remedy.TAKE_BACK: git checkout HEAD -- FILE")
def test_an_edit_that_nobody_signed_can_be_taken_back(checkout: Production, developer: Clone) -> None:
    said = edited_unsigned(checkout)

    taken_back = checkout.type(said, "git checkout HEAD -- FILE", FILE="server.py")

    assert taken_back.code == 0, taken_back.said
    until(lambda: not checkout.state()["refused_edits"], "nothing is refused any more")
    assert '"edited"' not in checkout.read("server.py")
    assert checkout.live() == "release/1"


@typed("checks.signatures.signing_hint: git restore --source={CHECKOUT} -W {path}")
def test_an_edit_of_what_git_ignores_can_be_taken_back_alone(checkout: Production, signer: Signer) -> None:
    checkout.write(".gitignore", "schema.json\n")
    signer.sign_with(checkout, signer.known)
    checkout.commit("git ignores the export")
    signer.trust(checkout)
    checkout.write("schema.json", '{"page": {"type": "integer"}}')
    checkout.init()
    require(checkout, "commits")
    checkout.up().await_idle()
    checkout.write("schema.json", '{"page": {"type": "string"}}')
    said = until(lambda: said_of_refusals(checkout), "the edit is refused")[-1]

    taken_back = checkout.type(said, "git restore --source=refs/gitrelease/checkout -W schema.json")

    assert taken_back.code == 0, taken_back.said
    assert checkout.read("schema.json") == '{"page": {"type": "integer"}}'
    assert "git add" not in said
    until(lambda: not checkout.state()["refused_edits"], "nothing is refused any more")
    assert checkout.git("status", "--porcelain") == ""


@typed("checks.signatures.signing_hint: git cherry-pick -S HEAD..{name}")
def test_unsigned_commits_on_the_host_are_taken_back_and_can_be_signed(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    before = checkout.git("rev-parse", "deploy")
    checkout.commit_term("esg score")
    until(lambda: len(said_of_refusals(checkout)) == 1 and not checkout.state()["lock"], "it is taken back")
    assert checkout.git("rev-parse", "deploy") == before
    said = said_of_refusals(checkout)[0]
    unsigned = said.rpartition("HEAD..")[2]
    signer.sign_with(checkout, signer.known)
    checkout.git("config", "commit.gpgSign", "false")

    signed = checkout.type(said, f"git cherry-pick -S HEAD..{unsigned}")

    assert signed.code == 0, signed.said
    checkout.await_live("release/2")
    assert checkout.answer() == "one revenue esg score profit"


def test_a_rollback_of_a_part_needs_no_signature_and_what_comes_after_it_does(
    checkout: Production, developer: Clone
) -> None:
    developer.commit_term("carbon footprint")
    assert developer.push().code == 0

    part = checkout.gitrelease("rollback", "--only", "dictionary")
    whole = checkout.gitrelease("rollback", "release/2")
    developer.git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "release/3")
    developer.commit_term("esg score")
    pushed = developer.push()

    assert part.code == 0, part.said
    assert whole.code == 0, whole.said
    assert pushed.code == 0, pushed.said
    assert "esg score" in checkout.answer()


def test_what_was_released_unsigned_is_gone_back_to_all_the_same(production: Production) -> None:
    developer = production.clone()
    developer.commit_term("carbon footprint")
    assert developer.push().code == 0
    require(production, "commits")

    rolled = production.gitrelease("rollback")

    assert rolled.code == 0, rolled.said
    assert production.live() == "release/1"


def test_a_tree_that_is_replaced_behind_a_signature_is_not_served(
    checkout: Production, developer: Clone, signer: Signer
) -> None:
    """`refs/replace/…` can be pushed: git would check out another tree than the one that was signed."""
    developer.commit_term("carbon footprint")
    signed = developer.git("rev-parse", "HEAD^{tree}")
    developer.replace("server.py", "carbon footprint", "hijacked")
    developer.git("add", "server.py")
    other = developer.git("write-tree")
    developer.git("checkout", "--quiet", "HEAD", "--", "server.py")
    developer.git("commit", "--quiet", "--allow-empty", "-m", "Carries the other tree")
    carrier = developer.git("commit-tree", other, "-m", "carrier")
    developer.git("push", "origin", f"{carrier}:refs/heads/carrier")
    developer.git("update-ref", f"refs/replace/{signed}", other)
    developer.git("push", "origin", f"refs/replace/{signed}")

    pushed = developer.push()

    assert pushed.code == 0, pushed.said
    assert "carbon footprint" in checkout.answer()


def test_a_missing_tool_refuses_and_condemns_nothing(checkout: Production, developer: Clone, signer: Signer) -> None:
    setting = "gpg.program" if signer.kind == "gpg" else "gpg.ssh.program"
    checkout.git("config", setting, "/nowhere/verify")
    developer.commit_term("carbon footprint")

    refused = developer.push()
    checkout.git("config", "--unset", setting)
    pushed = developer.push()

    assert refused.code != 0
    assert f"there is no /nowhere/verify: install it, or name it as {setting}" in words(refused.said)
    assert pushed.code == 0, pushed.said


# -- tags --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tagger(signer: Signer, checkout: Production) -> Clone:
    """The same where production requires a signed tag; the commits are not signed."""
    signer.trust(checkout)
    checkout.init().up().await_idle()
    require(checkout, "tags")
    assert checkout.gitrelease("down").code == 0
    assert checkout.gitrelease("up").code == 0
    clone = checkout.clone()
    signer.sign_with(clone, signer.known)
    clone.git("config", "commit.gpgSign", "false")
    return clone


@typed("checks.signatures.signing_hint: git tag -s NAME {name}", "checks.signatures.signing_hint: git push REMOTE NAME")
def test_a_signed_tag_that_came_first_lets_its_commit_in(checkout: Production, tagger: Clone) -> None:
    commit = tagger.commit_term("carbon footprint")
    without = tagger.push()
    tagged = tagger.type(without.said, f"git tag -s NAME {commit[:10]}", NAME="v2")
    came = tagger.type(without.said, "git push REMOTE NAME", REMOTE="origin", NAME="v2")

    pushed = tagger.push()

    assert (tagged.code, came.code) == (0, 0), tagged.said + came.said

    assert without.code != 0
    assert "no signed tag points at commit" in words(without.said)
    assert pushed.code == 0, pushed.said
    assert checkout.answer() == "one revenue carbon footprint profit"


@typed("checks.signatures.signing_hint: git tag -s NAME {name}")
def test_a_commit_that_is_deployed_from_elsewhere_is_signed_by_a_tag_on_the_host(
    checkout: Production, tagger: Clone, signer: Signer
) -> None:
    commit = tagger.commit_term("carbon footprint")
    tagger.push("origin", "HEAD:next")
    refused = checkout.gitrelease("deploy", "next")
    signer.sign_with(checkout, signer.known)

    tagged = checkout.type(refused.said, f"git tag -s NAME {commit[:10]}", NAME="v2")
    deployed = checkout.gitrelease("deploy", "next")

    assert refused.code == 3
    assert "git push" not in refused.words
    assert (tagged.code, deployed.code) == (0, 0), tagged.said + deployed.said
    assert checkout.answer() == "one revenue carbon footprint profit"


@typed("checks.signatures.signing_hint: git add -u && git merge --ff-only NAME")
@pytest.mark.parametrize("with_new_file", [False, True])
def test_an_edit_on_disk_goes_live_as_a_commit_with_a_signed_tag(
    checkout: Production, tagger: Clone, signer: Signer, with_new_file: bool
) -> None:
    said = edited_unsigned(checkout, *(["margins.py"] if with_new_file else []))
    signer.sign_with(checkout, signer.known)
    checkout.git("config", "commit.gpgSign", "false")
    commit = said.partition("git tag -s NAME ")[2].partition(";")[0]

    tagged = checkout.type(said, f"git tag -s NAME {commit}", NAME="v2")
    merged = checkout.type(said, "git add -u && git merge --ff-only NAME", NAME="v2")

    assert (tagged.code, merged.code) == (0, 0), tagged.said + merged.said
    if with_new_file:  # which is a major change, signed or not
        until(lambda: checkout.status()["waiting"], "it waits for approval")
        assert checkout.gitrelease("deploy", "--approve").code == 0
    checkout.await_live("release/2")
    assert checkout.answer() == "one revenue edited profit"
    assert checkout.git("status", "--porcelain") == ""


@typed("checks.signatures.signing_hint: git merge --ff-only NAME")
def test_a_commit_on_the_host_is_taken_back_and_goes_live_with_a_signed_tag(
    checkout: Production, tagger: Clone, signer: Signer
) -> None:
    commit = checkout.commit_term("esg score")
    said = until(lambda: said_of_refusals(checkout), "it is taken back")[0]
    signer.sign_with(checkout, signer.known)

    tagged = checkout.type(said, f"git tag -s NAME {commit[:10]}", NAME="v2")
    merged = checkout.type(said, "git merge --ff-only NAME", NAME="v2")

    assert (tagged.code, merged.code) == (0, 0), tagged.said + merged.said
    checkout.await_live("release/2")
    assert checkout.answer() == "one revenue esg score profit"


def test_a_tag_that_comes_after_its_branch_in_one_push_is_too_late(checkout: Production, tagger: Clone) -> None:
    """Git updates refs that exist before new ones, whatever the order on the command line."""
    tagger.commit_term("carbon footprint")
    tagger.git("tag", "-s", "-m", "Fit", "v2")

    together = tagger.push("origin", "v2", "deploy")
    again = tagger.push()

    assert "no signed tag points at commit" in words(together.said)
    assert again.code == 0, again.said


def test_a_tag_that_is_not_signed_or_is_one_of_ours_vouches_for_nothing(
    checkout: Production, tagger: Clone, signer: Signer
) -> None:
    tagger.commit_term("carbon footprint")
    tagger.git("tag", "-a", "-m", "Nobody signed", "v2")
    tagger.git("tag", "-s", "-m", "Named like a release", "release/7")
    tagger.git("push", "origin", "v2", "HEAD:other")
    checkout.git("fetch", "--quiet", str(tagger.root), "refs/tags/release/7:refs/tags/release/7")

    pushed = tagger.push()

    assert pushed.code != 0
    assert "signature: tag v2 is not signed" in words(pushed.said)
