"""What the audit asks of a host, for a snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.snapshot.recorder import Recorder


def recorded(recorder: Recorder, now: str) -> dict[str, Any]:
    """The answers to all questions of the audit; the paths that it looks at are noted by the recorder."""
    answers = HostAnswers(recorder)
    run(chosen(()), Facts(recorder, answers, Intent(), datetime.fromisoformat(now)))
    return dict(answers.records())
