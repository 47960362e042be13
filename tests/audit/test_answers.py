"""Who answers the questions: a host, a tree, a snapshot say the same of what is there, absent, missing or closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.answers import NotInstalled
from reconciler.core.host import HostError, NotInSnapshot, Unreadable
from reconciler.formats.audit.people.passwords import parse_shadow, redact_shadow
from reconciler.host.audit.answers import HostAnswers, SnapshotAnswers
from reconciler.host.audit.question import Program
from reconciler.host.audit.questions import questions
from reconciler.host.hosts import open_host
from reconciler.host.live import LiveHost

SHADOW = """\
root:$y$j9T$salt$secretsecret:19000:0:99999:7:::
old:$1$salt$secretsecret:19000:0:90:7:30:20000:
des:ab0123456789.:19000::::::
locked:!$6$salt$secretsecret:19000::::::
none:!*:19000::::::
star:*:19000::::::
open::19000::::::
"""


def test_a_hash_never_leaves_the_host() -> None:
    """Only the scheme of a hash is told, and whether it is locked or empty."""
    redacted = redact_shadow(SHADOW)
    rows = {row.name: (row.scheme, row.empty, row.locked) for row in parse_shadow(redacted)}

    assert "secret" not in redacted
    assert "ab0123456789" not in redacted
    assert rows == {
        "root": ("yescrypt", False, False),
        "old": ("md5", False, False),
        "des": ("des", False, False),
        "locked": ("sha512", False, True),
        "none": ("", False, True),
        "star": ("", False, True),
        "open": ("", True, False),
    }


def test_a_tree_tells_its_files_and_runs_nothing(tmp_path: Path) -> None:
    """A file of a tree is told, one that is not there is absent by its path, and no program of this machine answers."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/login.defs").write_text("UMASK 077\n")
    answers = HostAnswers(open_host(str(tmp_path)))

    assert answers.answer("login.defs") == "UMASK 077\n"
    with pytest.raises(FileNotFoundError) as absent:
        answers.answer("shadow")
    assert absent.value.filename == "/etc/shadow"
    for name, question in questions().items():
        if isinstance(question, Program) and question.in_tree is None:
            with pytest.raises(Unreadable, match="nothing runs in a file tree"):
                answers.answer(name, "x")


def test_a_snapshot_answers_as_the_host_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, absence, a missing program and what cannot be read come back from the records as they were."""
    asked = {
        "told": Program(("printf", "%s", "{}")),
        "missing": Program(("no-such-program-here",)),
        "failed": Program(("false",)),
        "both": Program(("sh", "-c", "echo out; echo err >&2; exit 3"), exits=(3,), errors=True),
        "endless": Program(("yes",), cap=1000, timeout=0.3),
    }
    monkeypatch.setattr("reconciler.host.audit.answers.questions", lambda: asked)
    live = HostAnswers(LiveHost())

    def outcome(answers: HostAnswers | SnapshotAnswers, name: str) -> str:
        try:
            return answers.answer(name, "a b" if name == "told" else "")
        except HostError as problem:
            return f"{type(problem).__name__}: {problem.detail}"

    outcomes = {name: outcome(live, name) for name in asked}
    snapshot = SnapshotAnswers({"audit": live.records()})

    assert outcomes["told"] == "a b"
    assert outcomes["both"] == "out\nerr\n"
    assert outcomes["missing"] == "NotInstalled: no-such-program-here is not installed"
    assert outcomes["failed"].startswith("Unreadable: false: ")
    assert outcomes["endless"].startswith("Unreadable: ")
    assert outcomes == {name: outcome(snapshot, name) for name in asked}


@pytest.mark.parametrize("data", [{}, {"audit": {}}])
def test_what_a_snapshot_lacks_is_unknown(data: dict[str, Any]) -> None:
    """A question that was not asked, and a snapshot from before there was an audit, are no answer."""
    with pytest.raises(NotInSnapshot):
        SnapshotAnswers(data).answer("shadow")


def test_a_program_that_was_missing_is_missing_in_a_snapshot() -> None:
    """Whether a check is applicable is told as on the host."""
    with pytest.raises(NotInstalled):
        SnapshotAnswers({"audit": {"sshd": {"missing": "sshd"}}}).answer("sshd")
