"""The display on a terminal while an apply runs."""

from __future__ import annotations

from reconciler.core.action_data import as_data
from reconciler.core.steps import Step
from reconciler.render.plan.phrases import action_words


def progress_line(number: int, total: int, step: Step) -> str:
    """`[ 3/12] write /etc/systemd/system/a.service`, without a line end. `number` counts from 1."""
    return f"[{number:>{len(str(total))}}/{total}] {action_words(as_data(step.action))}"
