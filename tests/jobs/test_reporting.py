"""The meaning of a check for drift, and of systemd's word about our units, for a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import report as reporting
from reconciler.formats.reconcile import Settings
from reconciler.host.state.report_files import read_report
from reconciler.jobs import report

pytestmark = pytest.mark.slow

DRIFT = {"resource_drift": [{"address": "services.a"}, {"address": "services.b"}], "diagnostics": []}
NONE: dict[str, Any] = {"resource_drift": [], "diagnostics": []}
ERROR = {
    "valid": False,
    "diagnostics": [
        {"severity": "error", "summary": "systemd cannot be asked"},
        {"severity": "warning", "summary": "x"},
    ],
}
FAILED = "reconciler-drift: exited with status 1"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state directory for reports that tell nobody."""
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    monkeypatch.setattr(reporting, "state_directory", lambda _root: str(path))
    monkeypatch.setattr(report, "settings", Settings)
    return str(path)


def after(state: str, monkeypatch: pytest.MonkeyPatch, printed: str, units: dict[str, str]) -> dict[str, Any]:
    """How things stand after the drift check printed this, and systemd says this of our units: subject to
    (bad, words).
    """
    Path(state, "drift.json").write_text(printed)
    monkeypatch.setattr(reporting, "_unit_states", lambda: units)

    assert [] == reporting.report_units()
    return {
        name: (one["bad"], one["summary"], one["addresses"])
        for name, one in read_report(state)["standings"].items()
    }


@pytest.mark.parametrize(
    ("printed", "units", "expected"),
    [
        (NONE, {}, {"drift": False, "drift-check": False}),
        (DRIFT, {}, {"drift": True, "drift-check": False}),
        (ERROR, {"reconciler-drift": FAILED}, {"drift-check": True}),
        (NONE, {"reconciler-apply": "killed"}, {"drift": False, "drift-check": False, "apply": True}),
    ],
)
def test_what_was_found_decides(
    state: str,
    monkeypatch: pytest.MonkeyPatch,
    printed: dict[str, Any],
    units: dict[str, str],
    expected: dict[str, bool],
) -> None:
    """Drift is no failure, a check without a result is; an apply that systemd ended has failed."""
    assert expected == {
        name: bad for name, (bad, _, _) in after(state, monkeypatch, json.dumps(printed), units).items()
    }


def test_the_words_say_what_and_why(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and addresses of drift; the check's own error rather than its exit status."""
    drift = after(state, monkeypatch, json.dumps(DRIFT), {})["drift"]
    check = after(state, monkeypatch, json.dumps(ERROR), {"reconciler-drift": FAILED})["drift-check"]

    assert (True, "2 objects have changed outside of the spec", ["services.a", "services.b"]) == drift
    assert "the check for drift failed: systemd cannot be asked" == check[1]


@pytest.mark.parametrize(
    "printed", ["", "{", "[]", "null", '{"resource_drift": [{}, 3, {"address": 7}]}', "\0\0"]
)
def test_a_record_cut_short_is_never_taken_for_clean(
    state: str, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    """A check that was ended half-way says nothing about drift; what is not an address does no harm."""
    found = after(state, monkeypatch, printed, {"reconciler-drift": "reconciler-drift: killed by signal 9"})

    assert found["drift-check"][0]
    assert "drift" not in found or printed.startswith('{"resource')


def test_no_check_yet_says_nothing(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first check there is neither drift nor none."""
    monkeypatch.setattr(reporting, "_unit_states", dict)

    assert [] == reporting.report_units()
    assert {} == read_report(state)["standings"]


def test_what_an_apply_said_itself_stays(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's bare exit status does not take the place of the reason and the addresses."""
    standing = {
        "bad": True,
        "since": 1,
        "summary": "apply failed: 1 failed",
        "addresses": ["services.a"],
        "run": 3,
    }
    Path(state, "report.json").write_text(
        json.dumps({"format": 1, "standings": {"apply": standing}, "figures": {}, "told": {}})
    )
    found = after(state, monkeypatch, json.dumps(NONE), {"reconciler-apply": "exited with status 4"})

    assert (True, "apply failed: 1 failed", ["services.a"]) == found["apply"]


def test_a_record_of_somebody_else_is_not_read(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in place of the record leads nowhere."""
    elsewhere = Path(state).parent / "elsewhere"
    elsewhere.write_text(json.dumps(DRIFT))
    Path(state, "drift.json").symlink_to(elsewhere)
    monkeypatch.setattr(reporting, "_unit_states", dict)
    reporting.report_units()

    assert read_report(state)["standings"]["drift-check"]["bad"]
