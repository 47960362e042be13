"""One change with a restart, killed at every moment in memory: what is pending and what is owed is written
down before it is needed.
"""

from __future__ import annotations

import itertools

import pytest

from reconciler.core.actions import Action
from tests.breaking import Crash, Moments, Wrapped
from tests.engine.test_properties import Journalled, Spec, everything, then
from tests.engine.workbench import applied, plan_of

pytestmark = pytest.mark.slow


def _spec(text: str) -> Spec:
    service = {
        "exec_start": ["/usr/bin/sleep", text],
        "watch": ["/etc/y"],
        "on_change": "restart",
        "wanted_by": ["multi-user.target"],
    }
    return {
        "groups": {},
        "directories": {},
        "files": {
            "/etc/y": {"content": f"{text}\n", "mode": "0644"},
            f"/etc/{text}": {"content": "", "mode": "0644"},
        },
        "services": {"api": service},
    }


ONE, TWO = _spec("1"), _spec("2")
UNWATCHED: Spec = {
    **TWO,
    "services": {"api": {**TWO["services"]["api"], "exec_start": ["/usr/bin/sleep", "1"]}},
}
"""Only the file changes: nothing but what is owed says that the process must be restarted."""


@pytest.mark.parametrize("two", [TWO, UNWATCHED], ids=["the unit changes", "a watched file changes"])
def test_killed_at_every_moment(two: Spec) -> None:
    """Wherever it is killed, the next apply leaves host, processes and memory as if it had not been, and an
    empty plan.
    """
    undisturbed = then(ONE, two)
    for at in itertools.count():
        host, notes = then(ONE)
        moments = Moments(at)

        def pass_by(action: Action, moments: Moments = moments) -> None:
            moments.pass_by(type(action).__name__)

        try:
            applied(two, Wrapped(host, pass_by, pass_by), Journalled(notes, moments))  # type: ignore[arg-type]  # it is one by delegation
        except Crash:
            applied(two, host, notes)
        else:
            break

        assert everything(*undisturbed) == everything(host, notes), at
        assert undisturbed[0].started == host.started, at
        assert undisturbed[1].owed.keys() == notes.owed.keys(), at
        assert plan_of(two, host, notes.memory()).empty, at
    assert at > 10
