"""The output of systemctl, and what follows from it. The texts are systemd 252's."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.host import ActionFailed, UnitState, Unreadable
from reconciler.host.process import run as programs
from reconciler.host.process.run import ProgramMissing, Result, TimedOut
from reconciler.host.systemd import systemctl, unit_list, unit_verdicts, verb_calls
from reconciler.host.systemd.systemctl import Systemd
from reconciler.host.systemd.unit_list import parse_units
from reconciler.host.systemd.unit_results import (
    Verdict,
    blocks,
    exit_words,
    last_words,
    load_error,
    refused,
    verdict,
)


def _answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Result]) -> None:
    """Every program that is called answers so."""
    for module in (unit_list, unit_verdicts, verb_calls):
        monkeypatch.setattr(module, "run", answer)


LISTED = b"""[{"unit":"a.service","load":"loaded","active":"active","sub":"running","description":"A"},\
{"unit":"b.service","load":"not-found","active":"inactive","sub":"dead","description":"b.service"},\
{"unit":"dev-disk-by\\\\x2dlabel-x.swap","load":"masked","active":"inactive","sub":"dead","description":"x"}]
"""
SHOWN = (
    b"Id=a.service\nNames=alias.service"
    b" a.service\nResult=exit-code\n\nId=b.service\nNames=b.service\nEnvironment=A=b=c\n"
)


def test_list_of_units() -> None:
    """Every unit is read with its load, active and sub state."""
    assert {
        "a.service": UnitState("loaded", "active", "running"),
        "b.service": UnitState("not-found", "inactive", "dead"),
        "dev-disk-by\\x2dlabel-x.swap": UnitState("masked", "inactive", "dead"),
    } == parse_units(LISTED)


def test_blocks_of_properties() -> None:
    """One dict for each unit; a value may have equals signs."""
    found = blocks(SHOWN)

    assert [("a.service", "exit-code"), ("b.service", None)] == [
        (block["Id"], block.get("Result")) for block in found
    ]
    assert found[1]["Environment"] == "A=b=c"
    assert blocks(b"") == []


FAILED_EXEC = {
    "Type": "exec",
    "LoadState": "loaded",
    "ActiveState": "failed",
    "SubState": "failed",
    "Result": "exit-code",
}
DONE = {
    "Type": "oneshot",
    "LoadState": "loaded",
    "ActiveState": "inactive",
    "SubState": "dead",
    "Result": "success",
}


@pytest.mark.parametrize(
    ("properties", "said", "expected"),
    [
        (
            {**FAILED_EXEC, "ExecMainCode": "1", "ExecMainStatus": "203"},
            "",
            Verdict("failed, Result=exit-code, ExecMainStatus=203/EXEC", failed=True),
        ),
        (
            {**FAILED_EXEC, "Result": "resources"},
            "Job failed",
            Verdict("failed, Result=resources, Job failed", failed=True),
        ),
        (
            {
                **FAILED_EXEC,
                "ActiveState": "activating",
                "SubState": "auto-restart",
                "ExecMainCode": "1",
                "ExecMainStatus": "3",
            },
            "",
            Verdict("activating/auto-restart, Result=exit-code, ExecMainStatus=3", failed=True),
        ),
        (DONE, "", Verdict("", failed=False)),
        (
            DONE,
            "A dependency job for a.service failed.",
            Verdict("A dependency job for a.service failed.", failed=True),
        ),
        ({**DONE, "Result": "exit-code"}, "", Verdict("inactive/dead, Result=exit-code", failed=True)),
        (
            {**DONE, "Type": "exec"},
            "",
            Verdict(
                "it ended by itself with success; a job that is to run once needs type: oneshot", failed=True
            ),
        ),
        (
            {**DONE, "Type": "exec", "ConditionResult": "no", "ConditionTimestampMonotonic": "77"},
            "",
            Verdict("not started: a Condition...= of the unit does not hold", failed=False),
        ),
        (
            {**DONE, "ConditionResult": "no", "ConditionTimestampMonotonic": "0"},
            "",
            Verdict("", failed=False),
        ),
        (
            {**DONE, "Result": "exec-condition"},
            "",
            Verdict("not started: a Condition...= of the unit does not hold", failed=False),
        ),
        (
            {**DONE, "LoadState": "bad-setting", "LoadError": "x"},
            "",
            Verdict("LoadState=bad-setting x", failed=True),
        ),
        ({**DONE, "LoadState": "masked"}, "Unit is masked.", Verdict("Unit is masked.", failed=True)),
    ],
)
def test_verdicts(properties: dict[str, str], said: str, expected: Verdict) -> None:
    """The verdict puts into words the state of a unit that is not active after a start."""
    assert expected == verdict(properties, said)


def test_a_replaced_process_is_a_failure() -> None:
    """A unit that is active, but with another process than a moment ago, is not up."""
    found = verdict({"ActiveState": "active", "NRestarts": "2"}, replaced=True)

    assert Verdict("it ended and was started again (NRestarts=2)", failed=True) == found


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("0", "0", ""),
        ("1", "0", ""),
        ("1", "217", "ExecMainStatus=217/USER"),
        ("1", "1", "ExecMainStatus=1"),
        ("2", "9", "ExecMainStatus=9 (killed by signal 9)"),
    ],
)
def test_exit_codes(code: str, status: str, expected: str) -> None:
    """Exit codes that are systemd's own are named."""
    assert expected == exit_words(code, status)


def test_journal_lines_cannot_play_with_the_terminal() -> None:
    """Escape sequences of a service come out as text, in one line of bounded length."""
    found = last_words(b"red \x1b[31m\xff\nplain\n\n" + b"x" * 9000)

    assert found.startswith("; journal: red \\x1b[31m\N{REPLACEMENT CHARACTER} | plain | xxx")
    assert len(found) < 500


def test_what_systemd_says_of_every_start_is_no_news() -> None:
    """The service's own words in the journal are reported, and systemd's only where it says them of no other
    end.
    """
    said = [
        "Starting a.service - The API...",
        "Started a.service.",
        "I am Starting up",
        "a.service: Failed to locate executable /opt/x: No such file or directory",
        "a.service: Failed at step EXEC spawning /opt/x: No such file or directory",
        "a.service: Main process exited, code=exited, status=203/EXEC",
        "a.service: Failed with result 'exit-code'.",
        "a.service: Scheduled restart job, restart counter is at 1.",
        "Stopped a.service - The API.",
        "Failed to start a.service - The API.",
        "a.service: Consumed 1.2s CPU time.",
    ]
    kept = f"; journal: {' | '.join(said[2:5])}"

    assert kept == last_words("\n".join(said).encode(), "failed, ExecMainStatus=203/EXEC")
    assert f"{kept} | {said[5]}" == last_words(
        "\n".join(said).encode(), "it ended and was started again (NRestarts=1)"
    )
    assert "" == last_words("\n".join(said[:2]).encode())
    assert 8 == last_words(b"word\n" * 20).count("word")


Answer = Callable[[list[str]], Result]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Calls of systemctl, answered with one active and one unknown unit; no links of invocations."""
    calls: list[list[str]] = []

    def answer(argv: list[str], **_: object) -> Result:
        calls.append(argv)
        return Result(
            0, LISTED if "list-units" in argv else b"Id=a.service\nNames=a.service\nInvocationID=77\n", b""
        )

    _answering(monkeypatch, answer)
    monkeypatch.setattr(unit_list, "INVOCATIONS", "/nonexistent")
    return calls


def test_all_units_are_asked_for_once(asked: list[list[str]]) -> None:
    """Any number of questions costs one list, until something was done; units that are not listed are
    unknown.
    """
    host = Systemd()
    first = host.units(["b.service", "zzz.service"])
    host.units(["b.service"])
    before = len(asked)
    host.execute(Unit(UnitVerb.DAEMON_RELOAD))
    host.units(["b.service"])

    assert {"b.service": UnitState(), "zzz.service": UnitState()} == first
    assert (1, 3) == (before, len(asked))


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_was_asked_ahead_is_the_answer_until_it_is_forgotten(
    forgotten: bool, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked ahead, systemd is not asked again; after `forget` what was on its way is given up, and nobody
    takes it for how things are.
    """
    ahead = mock.Mock()
    ahead.result.return_value = Result(
        0, LISTED.replace(b'"active","sub":"running"', b'"failed","sub":"failed"'), b""
    )
    monkeypatch.setattr(systemctl, "begin", lambda *_, **__: ahead)
    host = Systemd()
    host.ask()
    if forgotten:
        host.forget()

    assert ("active" if forgotten else "failed") == host.units(["a.service"])["a.service"].active
    assert forgotten == any("list-units" in call for call in asked)
    assert (int(forgotten), int(not forgotten)) == (ahead.give_up.call_count, ahead.result.call_count)


@pytest.mark.parametrize(
    ("name", "forgotten", "calls"),
    [
        ("a.service", True, ["list-units", "reset-failed", "start"]),
        ("a.service", False, ["reset-failed", "start"]),
        ("new.service", True, ["start"]),
        ("new.service", False, ["start"]),
    ],
)
def test_what_may_have_failed_is_looked_at_before_it_starts(
    name: str, forgotten: bool, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that systemd knew is asked for, and what has failed is reset: start limits; one that it had not
    loaded has not failed.
    """
    told: list[str] = []

    def answer(argv: list[str], **_: object) -> Result:
        told.append(next(word for word in argv[1:] if not word.startswith("-")))
        return Result(0, LISTED.replace(b'"active","sub":"running"', b'"failed","sub":"failed"'), b"")

    _answering(monkeypatch, answer)
    host = Systemd()
    host.units([name])
    if forgotten:
        host.forget()
    told.clear()
    host.execute(Unit(UnitVerb.START, (name,)))

    assert calls == told[: told.index("start") + 1]


def test_a_unit_that_systemd_has_not_noticed_is_started_after_a_reload(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A unit that was not found is asked for again only when its file is there or it requires a unit whose
    file is there; the others' failure is still reported.
    """
    told: list[tuple[str, ...]] = []
    missing = {
        b"new.service": b"new.service",
        b"none.service": b"none.service",
        b"user.service": b"new.service",
    }
    first = b"".join(
        b"Failed to start %b: Unit %b not found.\n" % (name, lacks) for name, lacks in missing.items()
    )

    def answer(argv: list[str], **_: object) -> Result:
        words = [word for word in argv[1:] if not word.startswith("-")]
        told.append(tuple(words))
        begun = [one for one in told if one[0] == "start"]
        if words[0] == "list-units":
            listed = json.loads(LISTED)
            running = (
                [{**listed[0], "unit": name} for name in ("new.service", "user.service")]
                if len(begun) > 1
                else []
            )
            return Result(0, json.dumps([*listed, *running]).encode(), b"")
        return Result(5, b"", first) if words[0] == "start" and len(begun) == 1 else Result(0, b"", b"")

    _answering(monkeypatch, answer)
    monkeypatch.setattr(verb_calls, "_UNITS", str(tmp_path))
    monkeypatch.setattr(unit_list, "INVOCATIONS", str(tmp_path))
    (tmp_path / "new.service").write_text("")
    found = Systemd().execute(Unit(UnitVerb.START, ("new.service", "none.service", "user.service")))

    assert [
        ("start", "new.service", "none.service", "user.service"),
        ("daemon-reload",),
        ("start", "new.service", "user.service"),
    ] == [words for words in told if words[0] not in ("list-units", "show", "reset-failed")]
    assert ["none.service"] == list(found.failed or {})
    assert "Unit none.service not found." in (found.failed or {})["none.service"]


def test_without_links_the_invocation_is_shown(asked: list[list[str]]) -> None:
    """Where systemd keeps no links, one `show` tells the invocations of all running units."""
    found = Systemd().units(["a.service", "b.service"])

    assert {"a.service": UnitState("loaded", "active", "running", "77"), "b.service": UnitState()} == found
    assert "list-units" in asked[0]
    assert "show" in asked[1]


def test_one_that_is_starting_again_is_asked_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """While systemd starts it anew nothing says why it ended; the next end does, and one that takes its time
    is not waited for.
    """
    starting = b"Id=a.service\nNames=a.service\nActiveState=activating\nSubState=start\nNRestarts=%d\n"
    ended = b"Id=a.service\nNames=a.service\nActiveState=activating\nSubState=auto-restart\nNRestarts=2\nExecMainCode=1\nExecMainStatus=203\n"
    answers = [starting % 1, starting % 2, ended]
    _answering(
        monkeypatch, lambda *_, **__: Result(0, answers.pop(0) if len(answers) > 1 else answers[0], b"")
    )

    assert "ExecMainStatus=203/EXEC" in unit_verdicts.verdicts({"a.service": ""})[0]["a.service"]
    answers = [starting % 0]
    began = time.monotonic()
    assert "activating/start" in unit_verdicts.verdicts({"a.service": ""})[0]["a.service"]
    assert time.monotonic() - began < 0.5
    answers = [starting % 1]
    assert "activating/start" in unit_verdicts.verdicts({"a.service": ""})[0]["a.service"]


def test_one_call_for_all_units(asked: list[list[str]]) -> None:
    """A verb for many units is one call, and names cannot be taken for options."""
    Systemd().execute(Unit(UnitVerb.STOP, ("b.service", "-x.service")))

    assert ["systemctl", "--no-ask-password", "--no-pager", "stop", "--", "b.service", "-x.service"] == asked[
        0
    ]


def _answers(**by_verb: Result | Exception) -> Callable[..., Result]:
    def answer(argv: list[str], **_: object) -> Result:
        found = next(
            (answer for verb, answer in by_verb.items() if verb.replace("_", "-") in argv),
            Result(0, LISTED, b""),
        )
        if isinstance(found, Exception):
            raise found
        return found

    return answer


@pytest.mark.parametrize(
    "answer",
    [Result(1, b"", b"Failed to connect to bus: x\n"), Result(0, b"not json", b""), Result(0, b'[{"unit": "a"}]', b""), TimedOut("t", "x"),
     ProgramMissing("m", "x")],
)  # fmt: skip
def test_a_systemd_that_cannot_be_asked(answer: Result | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer, or none that is understood, is Unreadable, never a guess; for an action it is a failure."""
    _answering(monkeypatch, _answers(list_units=answer))

    with pytest.raises(Unreadable):
        Systemd().units(["a.service"])
    with pytest.raises(ActionFailed):
        Systemd().execute(Unit(UnitVerb.STOP, ("a.service",)))


def test_a_failed_reload_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon-reload that does not work stops the run, and says what systemctl said."""
    _answering(monkeypatch, _answers(daemon_reload=Result(1, b"", b"\nFailed to reload daemon: x\n")))

    with pytest.raises(ActionFailed, match="Failed to reload daemon: x"):
        Systemd().execute(Unit(UnitVerb.DAEMON_RELOAD))


def test_reload_failures_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The units that systemctl complained about fail, or all of them when it named none."""
    said = b"Failed to reload a.service: Job type reload is not applicable for unit a.service.\n"
    _answering(monkeypatch, _answers(reload=Result(1, b"", said)))
    named = Systemd().execute(Unit(UnitVerb.RELOAD, ("a.service", "aa.service")))
    _answering(monkeypatch, _answers(reload=Result(1, b"", b"Access denied\n")))
    unnamed = Systemd().execute(Unit(UnitVerb.RELOAD, ("a.service", "aa.service")))

    assert ["a.service"] == list(named.failed or {})
    assert {"a.service": "Access denied", "aa.service": "Access denied"} == unnamed.failed


def test_a_unit_that_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a unit is stopped is what systemd says afterwards, not what systemctl exits with."""
    _answering(
        monkeypatch, _answers(stop=Result(5, b"", b"Failed to stop b.service: Unit b.service not loaded.\n"))
    )

    found = Systemd().execute(Unit(UnitVerb.STOP, ("a.service", "b.service")))

    assert ["a.service"] == list(found.failed or {})


# ------------------------------------------------------------------------------------- one look is not enough


@pytest.fixture
def links(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The links of systemd's invocations, in a directory; `a.service` has just been started."""
    assert asked == []
    monkeypatch.setattr(unit_list, "INVOCATIONS", str(tmp_path))
    (tmp_path / "invocation:a.service").symlink_to("first")
    return tmp_path


def _meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> list[dict[str, str]]:
    """The units that are watched from now on; instead of waiting, something happens."""
    watched: list[dict[str, str]] = []

    def watch(units: dict[str, str], _deadline: float) -> frozenset[str]:
        watched.append(units)
        happens()
        return frozenset(
            name for name, invocation in units.items() if unit_list.invocation_of(name) != invocation
        )

    monkeypatch.setattr(systemctl, "_watch", watch)
    return watched


def _patient() -> Systemd:
    host = Systemd()
    host.patience = 1e6
    return host


def _replace(link: Path) -> None:
    link.unlink()
    link.symlink_to("second")


def test_a_service_between_two_crashes_is_not_running(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Active at both looks, but with another process: whoever is patient is told that it is being restarted,
    and that once.
    """
    watched = _meanwhile(monkeypatch, lambda: _replace(links / "invocation:a.service"))
    host = _patient()
    found = [host.units(["a.service"])["a.service"] for _ in range(2)]

    assert [UnitState("loaded", "activating", "auto-restart", "second")] * 2 == found
    assert [{"a.service": "first"}] == watched


def test_a_service_that_has_gone_since_it_was_listed_is_listed_again(
    links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it runs and has no process: between the two it died. The look after that decides."""
    link = links / "invocation:a.service"
    link.unlink()
    _meanwhile(monkeypatch, lambda: link.symlink_to("second"))

    assert (
        UnitState("loaded", "activating", "auto-restart", "second")
        == _patient().units(["a.service"])["a.service"]
    )


def test_a_service_of_which_systemd_keeps_no_link_is_believed(
    links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs at both looks and nothing tells of another process: to restart it for that would be wrong."""
    (links / "invocation:a.service").unlink()
    watched = _meanwhile(monkeypatch, lambda: None)

    assert UnitState("loaded", "active", "running") == _patient().units(["a.service"])["a.service"]
    assert 1 == len(watched)


def test_a_service_that_stays_up_is_watched_once(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A young process that is there at the end of the watch runs, and is not watched a second time."""
    assert links.is_dir()
    watched = _meanwhile(monkeypatch, lambda: None)
    host = _patient()
    found = [host.units(["a.service"])["a.service"] for _ in range(2)]

    assert [UnitState("loaded", "active", "running", "first")] * 2 == found
    assert 1 == len(watched)


def test_a_plan_looks_once_and_an_old_process_is_not_watched(
    links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits without patience, and nobody for what has run for long."""
    watched = _meanwhile(monkeypatch, lambda: None)
    Systemd().units(["a.service"])
    os.utime(links / "invocation:a.service", (0, 0), follow_symlinks=False)
    _patient().units(["a.service"])

    assert [] == watched


# --------------------------------------------------------------------------------------- what systemd refuses


def _state(invocation: str, active: str = "active", refusal: str = "") -> UnitState:
    return UnitState("loaded", active, "running", invocation, refusal)


@pytest.mark.parametrize(
    ("before", "after", "result", "expected"),
    [
        ("1", _state("2"), Result(0, b"", b""), {}),
        ("1", _state("2"), Result(1, b"", b"Failed to restart b.service: Unit b.service not found.\n"), {}),
        ("1", _state("1"), Result(5, b"", b"Failed to restart a.service: Unit x.service not found.\n"), {
            "a.service": "not restarted, the old process runs on: Failed to restart a.service: Unit x.service not found."
        }),
        ("1", _state("1"), Result(1, b"", b""), {"a.service": "not restarted, the old process runs on: exit status 1"}),
        ("1", _state("1", refusal="Twice. Refusing."), Result(1, b"", b"Failed to restart a.service: Bad a.service.\n"), {
            "a.service": "not restarted, the old process runs on: Failed to restart a.service: Bad a.service: Twice. Refusing."
        }),
        ("1", _state("1", "failed"), Result(1, b"", b""), {}),
    ],
)  # fmt: skip
def test_a_process_that_a_restart_did_not_replace(
    before: str, after: UnitState, result: Result, expected: dict[str, str]
) -> None:
    """The same invocation after a restart is a failure, whatever systemctl exits with; what does not run is
    judged elsewhere.
    """
    assert expected == refused({"a.service": _state(before)}, {"a.service": after}, result)


def test_a_start_that_is_refused_of_what_runs() -> None:
    """systemctl's line decides: a unit that it does not name, or whose job has failed and which runs again,
    is not refused.
    """
    said = (
        b"Failed to start a.service: Unit x.service is masked.\nJob for b.service failed because it timed"
        b" out.\n"
    )
    after = {name: _state("1") for name in ("a.service", "b.service", "c.service")}

    assert {"a.service": "Failed to start a.service: Unit x.service is masked."} == refused(
        {}, after, Result(1, b"", said)
    )


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        (b"", ""),
        (b"Failed to start a.service - A.\n", ""),
        (b"a.service: No ExecStart=. Refusing.\nFailed to start a.service - A.\n", "No ExecStart=. Refusing."),
        (b"/etc/systemd/system/a.service:4: Executable path: /opt/\n", "/etc/systemd/system/a.service:4: Executable path: /opt/"),
        (b"a.service: One. Refusing.\na.service: Two \x1b. Refusing.\n", "Two \\x1b. Refusing."),
    ],
)  # fmt: skip
def test_why_systemd_refused_a_unit_file(journal: bytes, expected: str) -> None:
    """The last reason that PID 1 wrote, and nothing of what it writes when a service fails."""
    assert expected == load_error("a.service", journal)


def test_a_daemon_reload_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At its limit the waiting ends, the program with it, and who reads the message knows what was waited for
    and for how long.
    """
    fake = tmp_path / "systemctl"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec /bin/sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(programs, "_PATH", str(tmp_path))
    monkeypatch.setattr(verb_calls, "_RELOAD_TIMEOUT", 0.3)
    began = time.monotonic()
    with pytest.raises(ActionFailed) as caught:
        Systemd().execute(Unit(UnitVerb.DAEMON_RELOAD, ()))

    assert "systemd did not reload its configuration" == caught.value.summary
    assert "systemd was still at it after 0.3 s" in caught.value.detail
    assert 10 > time.monotonic() - began
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
