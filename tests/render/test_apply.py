"""An apply tells its result, its events and its progress."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.core.actions import (
    Account,
    AccountOp,
    MakeDirectory,
    MakeLink,
    RemovePath,
    SetAccess,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.basics.digest import digest
from reconciler.core.diagnostic import warning
from reconciler.core.plan import Plan
from reconciler.core.result import ApplyResult, Outcome, Status
from reconciler.core.state import OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.render import apply_events
from reconciler.render.apply import apply_text
from reconciler.render.backup_views.progress import progress_line
from tests.render import plans

Golden = Callable[[str, str], None]

DONE = Outcome(Status.APPLIED)
FAILED = Outcome(
    Status.FAILED, "ml-api.service did not start: its process ended with status 203/EXEC (no such program)"
)
SKIPPED = Outcome(Status.SKIPPED, "services.ml-api failed")
OWED = (OwedRow("restart", "ml-training.service", plans.TRAINING, "Service.Nice changed", held=True),)


def _result(*outcomes: Outcome) -> ApplyResult:
    plan = plans.update()
    named = zip((change.address for change in plan.changes), outcomes, strict=False)
    return ApplyResult(plan, dict(named), OWED, (), 12, 3.21)


def test_success_reads_as_stored(golden: Golden) -> None:
    """Everything that was done is counted, and everything that is still owed is told."""
    golden("apply-complete", apply_text(_result(DONE, DONE, DONE, DONE)))


def test_failure_reads_as_stored(golden: Golden) -> None:
    """Each failure has its reason, and so has what was skipped because of it."""
    golden("apply-failed", apply_text(_result(DONE, FAILED, SKIPPED)))


def test_what_was_put_back_says_what_to_do(golden: Golden) -> None:
    """The service that failed comes first, then what went back with it; beside it what failed otherwise; and
    what to type next.
    """
    fell = Outcome(
        Status.FAILED,
        "ml-api.service: failed, ExecMainStatus=3; journal: no module named torch; put back as it was",
    )
    beside = Outcome(Status.FAILED, "put back as it was, with services.ml-api")
    result = _result(beside, fell, DONE, FAILED)
    first, second, *_ = result.outcomes
    back = replace(result, fallen=frozenset([second]), put_back=frozenset([first, second]))

    golden("apply-put-back", apply_text(back))
    assert "Apply finished with errors: 2 put back." in apply_text(
        replace(back, outcomes={first: beside, second: fell})
    )


def test_nothing_done_reads_as_complete() -> None:
    """An apply with nothing to do is complete."""
    assert (
        apply_text(ApplyResult(Plan("h"))) == "Apply complete! Resources: 0 added, 0 changed, 0 destroyed.\n"
    )


@pytest.mark.parametrize(
    ("outcomes", "plain", "detailed"),
    [
        ((), 0, 0),
        ((Outcome(Status.UNCHANGED),), 0, 0),
        ((DONE,), 0, 2),
        ((FAILED,), 4, 4),
        ((FAILED, SKIPPED), 4, 4),
        ((SKIPPED,), 4, 4),
        ((DONE, FAILED), 6, 6),
    ],
)
def test_exit_codes(outcomes: tuple[Outcome, ...], plain: int, detailed: int) -> None:
    """As the conventions have them: 0, 2, 4, 6."""
    result = _result(*outcomes)

    assert (plain, detailed) == (result.exit_code(), result.exit_code(detailed=True))


def test_event_stream_reads_as_stored(golden: Golden) -> None:
    """A whole stream, one object per line."""
    plan, data = plans.update(), plans.ALL["update"]()
    result = _result(DONE, FAILED, SKIPPED)
    stream = [
        apply_events.version("0.1.0", now=plans.NOW),
        *apply_events.planned_changes(data, now=plans.NOW),
    ]
    stream.append(apply_events.diagnostic(warning("Odd"), now=plans.NOW))
    stream += [
        apply_events.apply_progress(number, len(plan.steps), step, now=plans.NOW)
        for number, step in enumerate(plan.steps, 1)
    ]
    stream.append(apply_events.log("over", now=plans.NOW))
    stream += apply_events.outcomes(result, data["resource_changes"], now=plans.NOW)

    golden("events", "".join(apply_events.line(event) for event in stream))


def test_every_event_has_the_common_keys() -> None:
    """Consumers can rely on level, message, module, time and type; a line is one line."""
    data = plans.ALL["hostile"]()
    for event in apply_events.planned_changes(data, now=plans.NOW):
        line = apply_events.line(event)

        assert {"@level", "@message", "@module", "@timestamp", "type"} <= set(json.loads(line))
        assert line.isascii()
        assert line.count("\n") == 1


def test_events_do_not_tell_secrets() -> None:
    """Steps on sensitive files carry neither content nor digest."""
    step = plans.secret().steps[0]

    assert digest(plans.SECRET) not in apply_events.line(
        apply_events.apply_progress(1, 1, step, now=plans.NOW)
    )


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (WriteFile("/a", b"", "", "0644", "root", "root"), "write /a"),
        (MakeDirectory("/a", "0755", "root", "root"), "create directory /a"),
        (SetAccess("/a", "0755", "root", "root"), "set mode and owner of /a"),
        (MakeLink("/a", "/b"), "link /a -> /b"),
        (RemovePath("/a\x1b", ""), "remove /a\\x1b"),
        (Account(AccountOp.GROUPADD, "g"), "create group g"),
        (Account(AccountOp.GROUPDEL, "g"), "delete group g"),
        (Unit(UnitVerb.DAEMON_RELOAD), "daemon-reload"),
        (Unit(UnitVerb.RESTART, ("a", "b", "c", "d", "e", "f")), "restart a, b, c, d and 2 more"),
    ],
)
def test_progress_names_every_action(action: object, words: str) -> None:
    """Every member of the union has words; numbers are aligned."""
    step = Step(action, (Cause(plans.API),))  # type: ignore[arg-type]  # parametrized over the union

    assert f"[ 3/12] {words}" == progress_line(3, 12, step)


def test_blocked_parts_are_told_after_an_apply() -> None:
    """Parts that the plan could not do are not forgotten in the result, and are told once."""
    text = apply_text(
        ApplyResult(plans.trouble(), {plans.MODELS: Outcome(Status.FAILED, "its owner is unknown")})
    )

    assert 'Blocked, not done:\n  x files["/etc/motd"]\n' in text
    assert text.count("/srv/models") == 1


def test_counts_are_of_what_was_applied() -> None:
    """An adoption counts as imported and changed; failures count nowhere."""
    plan = plans.trouble()
    text = apply_text(ApplyResult(plan, {plans.CONFIG: DONE, plans.MODELS: FAILED}))

    assert text.endswith(
        "Apply finished with errors: 1 failed. Resources: 1 imported, 0 added, 1 changed, 0 destroyed.\n"
    )
