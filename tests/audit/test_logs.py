"""What journald.conf(5) and timedatectl say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from reconciler.audit.facts import Facts
from reconciler.audit.intent import Intent
from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.core.basis import LiveBasis
from reconciler.core.host import UnitState
from reconciler.formats.audit.logs import parse_storage
from reconciler.formats.audit.time import parse_synchronised
from reconciler.host.audit.questions.logs import settings
from reconciler.host.simulation.host import EmptyView
from tests.audit.facts import NOW, GivenAnswers


class _Host(EmptyView):
    """A running host without files on which these units are active."""

    basis = LiveBasis()  # type: ignore[assignment]  # an empty view has that of a tree, and this one runs

    def __init__(self, *active: str) -> None:
        super().__init__(running=True)
        self._active = active

    def units(self, names: Sequence[str]) -> Mapping[str, UnitState]:
        """As HostView.units."""
        return {
            name: UnitState("loaded", "active") if name in self._active else UnitState() for name in names
        }


def _statuses(check: str, answers: Mapping[str, str | Exception], *active: str) -> list[Status]:
    looked_at = Facts(_Host(*active), GivenAnswers(answers), Intent(), NOW)
    return [result.status for result in run(chosen([check]), looked_at)]


@pytest.mark.parametrize(
    ("text", "storage"),
    [
        ("# /etc/systemd/journald.conf\n[Journal]\n#Storage=none\n", "auto"),
        ("[Journal]\nStorage=volatile\n# x.conf\n[Journal]\nStorage = persistent\n", "persistent"),
        ("[Journal]\nStorage=volatile\nStorage=\n", "auto"),
        ("[Journal]\nStorage=volatile\nStorage=nonsense\n", "volatile"),
        ("[Journal]\n[Other]\nStorage=none\n", "auto"),
        ("", "auto"),
    ],
)
def test_where_the_journal_is_stored(text: str, storage: str) -> None:
    """The last valid setting of the section counts; comments and other sections say nothing."""
    assert parse_storage(settings(text)) == storage


def test_a_text_without_the_section_is_not_understood() -> None:
    """Whatever it is, it is no configuration of journald."""
    with pytest.raises(ValueError, match="no section"):
        parse_storage("Failed to connect")


@pytest.mark.parametrize(
    ("storage", "active", "status"),
    [
        ("persistent", (), Status.PASS),
        ("auto", (), Status.FAIL),
        ("none", (), Status.FAIL),
        ("volatile", ("rsyslog.service",), Status.PASS),
    ],
)
def test_a_log_is_kept_by_the_journal_or_by_syslog(
    storage: str, active: tuple[str, ...], status: Status
) -> None:
    """`auto` without /var/log/journal keeps nothing; a syslog daemon that runs does."""
    answers = {"journald": f"[Journal]\nStorage={storage}\n"}

    assert _statuses("journal-volatile", answers, *active) == [status]


@pytest.mark.parametrize(
    ("answer", "active", "status"),
    [
        ("NTPSynchronized=yes\n", ("chrony.service",), Status.PASS),
        ("NTPSynchronized=no\n", ("chrony.service",), Status.FAIL),
        ("NTPSynchronized=no\n", (), Status.NOT_APPLICABLE),
        ("Failed to query server\n", ("chrony.service",), Status.NOT_CHECKED),
    ],
)
def test_a_clock_is_synchronised(answer: str, active: tuple[str, ...], status: Status) -> None:
    """The word of the kernel counts, where a service sets the clock; no word is no pass."""
    assert _statuses("clock-unsynchronised", {"clock": answer}, *active) == [status]


def test_ntp_is_ntpsec_where_that_is_there() -> None:
    """Two names of one daemon are not two services."""
    assert _statuses("clock-set-twice", {}, "ntpsec.service", "ntp.service") == [Status.PASS]
    assert _statuses("clock-set-twice", {}, "chrony.service", "ntp.service") == [Status.FAIL]


def test_timedatectl_says_yes_or_no() -> None:
    """Everything else is not understood."""
    assert parse_synchronised("NTPSynchronized=yes") is True
    with pytest.raises(ValueError, match="does not say"):
        parse_synchronised("NTPSynchronized=\n")
