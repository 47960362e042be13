"""Facts for tests of single checks: files in memory, and answers that the test gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.core.basis import LiveBasis
from reconciler.core.host import Unreadable
from reconciler.formats.audit.policy import Policy
from reconciler.host.simulation.host import EmptyView

NOW = datetime(2026, 11, 30, tzinfo=UTC)


class GivenAnswers:
    """The answers of a test: a text, or the error to raise; everything else is unknown."""

    def __init__(self, answers: Mapping[str, str | Exception]) -> None:
        self._answers = answers

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer."""
        given = self._answers.get(f"{question} {argument}" if argument else question)
        if given is None:
            raise Unreadable("unknown", f"the test does not tell {question}")
        if isinstance(given, Exception):
            raise given
        return given


def facts(
    answers: Mapping[str, str | Exception] | GivenAnswers,
    intent: Intent | None = None,
    policy: Policy | None = None,
) -> Facts:
    """Facts of a running host without files that gives these answers."""
    given = answers if isinstance(answers, GivenAnswers) else GivenAnswers(answers)
    return Facts(_Running(running=True), given, intent or Intent(), NOW, policy)


class _Running(EmptyView):
    basis = LiveBasis()  # type: ignore[assignment]  # an empty view has that of a tree, and this one runs
