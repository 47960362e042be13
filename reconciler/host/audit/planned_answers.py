"""Answers of a host as it will be: what its files say. Programs and what runs are not asked."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.answers import Answers
from reconciler.core.host import Unreadable
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.audit.question import File, Files
from reconciler.host.audit.questions import questions

NOT_ASKED = "a host that is not there yet runs nothing that could be asked"


class PlannedAnswers(HostAnswers):
    """The answers of files, those that a plan changes among them.

    `recorded` has those of a snapshot, for files that the plan does not change.
    """

    def __init__(self, files: Files, changed: Collection[str] = (), recorded: Answers | None = None) -> None:
        super().__init__(files)
        self._changed, self._recorded = changed, recorded

    def answer(self, question: str, argument: str = "") -> str:
        """As Answers.answer."""
        asked = questions()[question]
        path = asked.path.replace("{}", argument) if isinstance(asked, File) else ""
        if path and self._recorded is not None and path not in self._changed:
            return self._recorded.answer(question, argument)
        return super().answer(question, argument)

    def _must_run(self, question: str) -> None:
        raise Unreadable("not asked", NOT_ASKED)
