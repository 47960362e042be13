"""The values of the audit: checks, what they find, and results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.basics.frozen import frozen

if TYPE_CHECKING:
    from reconciler.audit.facts import Facts


class Severity(StrEnum):
    """The weight of a check, the heaviest first."""

    CRITICAL = "critical"
    """Somebody without rights is root, or anybody is in, by this alone."""
    HIGH = "high"
    """One step away from that."""
    MEDIUM = "medium"
    """It helps an attacker who is in, or hides one."""
    LOW = "low"
    """Good practice."""

    @property
    def weight(self) -> int:
        """How much it counts in the score."""
        return _WEIGHTS[self]

    def reaches(self, threshold: Severity) -> bool:
        """Whether it is as heavy as the threshold, or heavier."""
        return self.weight >= threshold.weight


_WEIGHTS: Mapping[Severity, int] = {
    Severity.CRITICAL: 10,
    Severity.HIGH: 5,
    Severity.MEDIUM: 2,
    Severity.LOW: 1,
}


class Status(StrEnum):
    """The outcome of a check for one object. Unknown is never `pass`."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    NOT_CHECKED = "not-checked"
    ERROR = "error"


@frozen
class Snippet:
    """The lines of a spec with which the finding is gone."""

    path: tuple[str | int, ...]
    """The place in the spec: `("users", "alice", "groups")`; empty: the value has sections."""
    value: Any
    """JSON-able data."""
    file: str = ""
    """The file of the spec that has the place, or would have it; empty without a spec."""
    line: int = 0
    """The line of the resource in it, or of its section."""


@frozen
class Fail:
    """An object that is not as it should be."""

    object: str
    """The thing that it is about, the same at each run: a path, an account, `tcp 0.0.0.0:8080`, a package."""
    expected: str
    """The state that is wanted, in words."""
    actual: str
    """The state that was seen, in words."""
    path: str = ""
    """Where it was seen: a file, or a setting; empty: the object says it."""
    remediation: str = ""
    """The thing to do about this object, where it is more than the check itself says."""
    spec: Snippet | None = None
    """The field of the spec that mends it, where one can."""


@frozen
class NotKnown:
    """An object of which nothing can be told."""

    object: str
    why: str


class NotApplicable(Exception):  # no error
    """Raised by a check that has nothing to look at on this host; the text says why."""


Finding = Fail | NotKnown
Look = Callable[["Facts"], Iterable[Finding]]


@frozen
class Check:
    """One check, as `registry.check` makes it of a function."""

    id: str
    """Stable: waivers, histories and rules of other tools name it."""
    severity: Severity
    """How bad a finding is: CRITICAL makes root of anybody by itself."""
    title: str
    """The state that is wanted, one clause: `Only root has user id 0`."""
    rationale: str
    """Why it matters, for somebody who does not know."""
    remediation: str
    """The thing to do, with the command or the field of the spec."""
    cis: tuple[str, ...]
    """Sections of the CIS Debian Linux 12 Benchmark: numbers only."""
    needs: tuple[str, ...]
    """Programs without which it is not applicable, and RUNNING."""
    look: Look
    """The function from facts to findings."""
    area: str
    """The name of its module: `files`, `ssh`."""


RUNNING = "running"
"""In `needs`: the check is about a running host, and not applicable to a file tree."""


@frozen
class Result:
    """The outcome of a check for one object."""

    check: Check
    """The check that was run."""
    status: Status
    """PASS, FAIL, or why it is neither."""
    object: str = ""
    """Empty: the check as a whole."""
    expected: str = ""
    """As in Fail."""
    actual: str = ""
    """As in Fail."""
    path: str = ""
    """As in Fail."""
    why: str = ""
    """Why it is not checked, not applicable, waived or an error."""
    remediation: str = ""
    """As in Fail."""
    spec: Snippet | None = None
    """As in Fail."""
    until: str = ""
    """The last day of its waiver, `2027-01-31`."""


@frozen
class Report:
    """The outcome of an audit."""

    host: str
    """The name of the host."""
    basis: Mapping[str, Any]
    """The basis of the answers: `{"kind": "live"}`, `offline`, `snapshot` with the time it was taken."""
    now: str
    """The time of the audit, UTC in the form of RFC 3339."""
    fail_on: Severity
    """The severity from which on a finding makes the audit fail."""
    results: tuple[Result, ...]
    """A result for each check and object, in the order of areas."""
    notices: tuple[str, ...] = ()
    """Sentences about the policy itself: waivers that ended, end soon, or cover nothing."""
