"""The texts that `systemd-analyze security` is given, and the reading of its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.host.process.run import ProgramMissing, Result
from reconciler.host.systemd import unit_exposure

SAID = """\
\u2713 PrivateNetwork= Service has no access to the host's network

\u2192 Overall exposure level for a.service: 9.6 UNSAFE :-{
\u2192 Overall exposure level for b@x.service: 0.5 SAFE :-)
"""


def _answering(monkeypatch: pytest.MonkeyPatch, result: Result | Exception) -> list[tuple[Path, int, bytes]]:
    """systemd-analyze answers so; the files that it was given, with mode and content, as it sees them."""
    seen: list[tuple[Path, int, bytes]] = []

    def run(argv: list[str], **_: Any) -> Result:
        for path in map(Path, argv[argv.index("--") + 1 :]):
            assert 0o700 == path.parent.stat().st_mode & 0o7777
            seen.append((path, path.stat().st_mode & 0o7777, path.read_bytes()))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(unit_exposure, "run", run)
    return seen


def test_texts_are_judged_in_a_private_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each unit has its line, nobody else can read the text meanwhile, and nothing stays."""
    seen = _answering(monkeypatch, Result(0, SAID.encode(), b""))
    texts = {"a.service": "[Service]\n", "b@x.service": "[Unit]\n", "c.service": ""}

    assert {"a.service": (9.6, "UNSAFE"), "b@x.service": (0.5, "SAFE")} == unit_exposure.of_texts(texts)
    assert texts == {path.name: content.decode() for path, _, content in seen}
    assert {0o600} == {mode for _, mode, _ in seen}
    assert [] == [path for path, _, _ in seen if path.parent.exists()]


@pytest.mark.parametrize(
    "result", [ProgramMissing("no systemd-analyze"), Result(1, b"", b"unrecognized option '--offline'\n")]
)
def test_nothing_is_said_where_systemd_says_nothing(
    monkeypatch: pytest.MonkeyPatch, result: Result | Exception
) -> None:
    """A host without the program, or with one before 250: no figure of our own, and nothing stays."""
    seen = _answering(monkeypatch, result)

    assert {} == unit_exposure.of_texts({"a.service": "[Service]\n"})
    assert [] == [path for path, _, _ in seen if path.parent.exists()]
