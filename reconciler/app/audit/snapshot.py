"""The answers of a host to the audit, for a snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.audit import unmanaged
from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.audit.user_audit import ask_all
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.snapshot.recorder import Recorder


def recorded(recorder: Recorder, now: str) -> dict[str, Any]:
    """The answers to all questions of the audit and of `user audit`; the recorder notes the paths."""
    answers = HostAnswers(recorder.host)  # answers are recorded themselves: what they are made of is not
    facts = Facts(recorder, answers, Intent(), datetime.fromisoformat(now))
    run(chosen(()), facts)
    unmanaged.ask_all(facts)
    ask_all(answers.answer)
    return dict(answers.records())
