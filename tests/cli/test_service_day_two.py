"""`reconciler service` on a host that is played: exit codes, forms, healing and holds, without a systemd."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reconciler.app import hold as holding
from reconciler.app.hold import Answer, HoldRequest
from reconciler.app.plan.planned import Planned
from reconciler.app.service import heal as healing
from reconciler.app.service import plan as service_standing
from reconciler.app.service import probe as probing
from reconciler.app.service.service import address_of
from reconciler.core.diagnostic import error
from reconciler.core.host import HostError, Receipt
from reconciler.core.state import Hold, Memory
from reconciler.host.state.lock import Lock
from reconciler.host.systemd import service_facts
from reconciler.host.systemd.service_facts import Facts
from tests.cli.command import Done, run

SPEC = """\
version: 1
host: h1
services:
  web: {exec_start: [/usr/bin/web]}
  api: {exec_start: [/usr/bin/api], on_change: none}
  idle: {exec_start: [/usr/bin/idle], state: stopped, enabled: false}
  lazy: {exec_start: [/usr/bin/lazy], drift: report}
"""
NOW = 1_800_000_000
UP = Facts("", load="loaded", active="active", sub="running", type="exec", limit=5, limit_seconds=10)
DOWN = replace(UP, active="inactive", sub="dead", since=NOW - 600)
FAILED = replace(
    UP, active="failed", sub="failed", result="exit-code", exit="ExecMainStatus=1", since=NOW - 600
)


class Played:
    """A host: the state of each unit, which a start changes to the next one of its course, and what was done
    to it.
    """

    def __init__(self) -> None:
        self.units = {"web": UP, "api": UP, "idle": DOWN, "lazy": UP}
        self.course: dict[str, list[Facts]] = {}
        self.memory = Memory()
        self.broken = False
        self.now = float(NOW)
        self.started: list[tuple[str, ...]] = []
        self.waits: list[float] = []
        self.done: list[tuple[str, tuple[str, ...]]] = []
        self.sent: list[dict[str, str]] = []
        self.held: list[HoldRequest] = []

    def ask(self, units: Sequence[str]) -> dict[str, Facts]:
        """As systemctl show."""
        if self.broken:
            raise HostError("systemd cannot be asked", "Connection refused")
        return {
            unit: replace(self.units.get(unit.removesuffix(".service"), Facts(unit)), unit=unit)
            for unit in units
        }

    def revive(self, units: Sequence[str], watched: Sequence[str], _seconds: float) -> dict[str, str]:
        """Each started unit takes the next step of its course; each watched unit that is not active then has
        fallen.
        """
        names = tuple(unit.removesuffix(".service") for unit in units)
        self.started += [names] if names else []
        for name in names:
            self.units[name] = self.course[name].pop(0) if self.course.get(name) else UP
        return {
            unit: "fell" for unit in watched if self.units[unit.removesuffix(".service")].active != "active"
        }

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.waits.append(seconds)
        self.now += seconds

    def change(self, verb: str, units: Sequence[str]) -> Receipt:
        """As systemctl start, stop and restart."""
        self.done.append((str(verb), tuple(units)))
        return Receipt()

    def add(self, wish: HoldRequest, _loaded: object, _root: object, _timeout: float) -> Answer:
        """A hold; of what is not declared there is none."""
        if wish.address.name not in self.units:
            return Answer(problem=error("no such resource", str(wish.address)))
        self.held.append(wish)
        return Answer(Hold(wish.address, wish.why, "alice", NOW, NOW + wish.seconds))

    def hold(self, *names: str) -> None:
        """These are on hold."""
        self.memory = Memory(
            holds=tuple(Hold(address_of(name), "ask Bob", "bob", NOW, NOW + 3600) for name in names)
        )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Played]:
    """The played host; the lock is in a directory of the test's own."""
    played = Played()
    with (
        mock.patch.multiple(
            service_facts,
            ask=played.ask,
            revive=played.revive,
            wait=played.wait,
            change=played.change,
            set_enabled=mock.Mock(),
        ),
        mock.patch.multiple(
            healing,
            is_root=lambda: True,
            state_directory=lambda _root: str(tmp_path / "state"),
            send=played.sent.extend,
            now=lambda: int(played.now),
        ),
        mock.patch.multiple(holding, held=lambda _root: played.memory, add=played.add),
        mock.patch.object(service_standing, "plan_host", return_value=Planned(())),
    ):
        yield played


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec of the four services."""
    path = tmp_path / "host.yaml"
    path.write_text(SPEC)
    return path


def health(spec: Path, *words: object) -> Done:
    """`service health` with this spec."""
    return run("service", "health", *words, "--spec", spec)


def test_the_exit_code_says_how_they_are(host: Played, spec: Path) -> None:
    """0 all well; 2 one is not; 3 of one nothing is told, or systemd does not answer; 1 there is no spec.

    A plugin has its own numbers.
    """

    def codes(path: Path = spec) -> tuple[int, ...]:
        return tuple(health(path, "--format", form).code for form in ("text", "json", "prometheus", "nagios"))

    well = codes()
    host.units["web"] = FAILED
    unwell = codes()
    host.hold("web")
    held = codes()
    host.units["api"] = Facts("", load=service_facts.UNKNOWN)
    both = codes()
    host.units["web"] = UP
    untold = codes()
    host.broken = True

    assert (0, 0, 0, 0) == well
    assert (2, 2, 2, 2) == unwell
    assert (2, 2, 2, 1) == held
    assert (2, 2, 2, 1) == both
    assert (3, 3, 3, 3) == untold
    assert (3, 3, 3, 3) == codes()
    assert (1, 1, 1, 3) == codes(spec.with_name("none.yaml"))


def test_json_counts(host: Played, spec: Path) -> None:
    """How many there are, are well, are not, and whether everything was seen; a hold is told."""
    host.units |= {"web": FAILED, "api": Facts("", load=service_facts.UNKNOWN)}
    host.hold("web")
    data = json.loads(health(spec, "--json").out)

    assert (False, False) == (data["healthy"], data["complete"])
    assert {"total": 4, "healthy": 2, "unhealthy": 1, "unknown": 1, "held": 1} == data["counts"]
    assert {"api": None, "lazy": True, "idle": True, "web": False} == {
        row["name"]: row["healthy"] for row in data["services"]
    }
    assert "ask Bob" == next(row["held"]["why"] for row in data["services"] if row["name"] == "web")


def test_nagios_has_one_line(host: Played, spec: Path) -> None:
    """State, what is wrong, a bar, figures with thresholds; nothing from outside can add a bar or a line; so
    is an error.
    """
    host.units["web"] = replace(FAILED, exit="a|b\nc")
    line = health(spec, "--format", "nagios").out
    host.broken = True

    assert (
        line == "SERVICES CRITICAL - 3 of 4 healthy: web failed (exit-code, a/b\\nc) | "
        "healthy=3;;;0;4 unhealthy=1;;0;0;4 unknown=0;0;;0;4 held=0;;;0;4 restarts=0;;;0;\n"
    )
    assert (
        "SERVICES UNKNOWN - systemd cannot be asked: Connection refused\n"
        == health(spec, "--format", "nagios").out
    )


def test_prometheus_reads_it(host: Played, spec: Path) -> None:
    """The official parser finds each figure; of what is not known there is none."""
    host.units |= {"web": FAILED, "api": Facts("", load=service_facts.UNKNOWN)}
    families = {
        family.name: family
        for family in text_string_to_metric_families(health(spec, "--format", "prometheus").out)
    }
    healthy = {
        sample.labels["service"]: sample.value for sample in families["reconciler_service_healthy"].samples
    }
    states = {sample.labels["health"]: sample.value for sample in families["reconciler_services"].samples}
    host.broken = True
    (nothing,) = text_string_to_metric_families(health(spec, "--format", "prometheus").out)

    assert {"lazy": 1, "idle": 1, "web": 0} == healthy
    assert {"healthy": 2, "unhealthy": 1, "unknown": 1} == states
    assert [0] == [sample.value for sample in families["reconciler_service_check_complete"].samples]
    assert ("reconciler_service_check_complete", [0]) == (
        nothing.name,
        [sample.value for sample in nothing.samples],
    )


def test_nothing_known_of_holds_is_not_told_as_none(host: Played, spec: Path) -> None:
    """Whoever cannot read the state is not told that nothing is held."""
    host.memory = Memory(unreadable="Permission denied")

    assert {False} == {row["holds_known"] for row in json.loads(health(spec, "--json").out)["services"]}
    assert "reconciler_service_held" not in health(spec, "--format", "prometheus").out


# ---------------------------------------------------------------------------------------------------- healing


def heal(spec: Path, *words: object) -> tuple[int, dict[str, dict[str, Any]]]:
    """`health --heal`: the exit code, and what was done about those that were not well."""
    done = health(spec, "--heal", "--json", *words)
    return done.code, {
        row["name"]: row["healing"] for row in json.loads(done.out)["services"] if row["healing"]
    }


def test_what_has_failed_is_started_until_it_stays_up(host: Played, spec: Path) -> None:
    """A start that does not last is tried again after growing pauses; `on_change: none` does not keep a
    failed one down.
    """
    host.units |= {"web": FAILED, "api": DOWN}
    host.course = {"web": [FAILED, FAILED, UP]}

    assert (
        0,
        {
            "web": {"outcome": "healed", "starts": 3, "why": ""},
            "api": {"outcome": "healed", "starts": 1, "why": ""},
        },
    ) == heal(spec)
    assert [("api", "web"), ("web",), ("web",)] == host.started
    assert [0, 2, 6] == host.waits
    assert ["healing", "healing", "healing", "healing", "healed", "healed"] == [
        entry["RECONCILER_RESULT"] for entry in host.sent
    ]
    assert {"web.service", "api.service"} == {entry["OBJECT_SYSTEMD_UNIT"] for entry in host.sent}


def test_it_gives_up(host: Played, spec: Path) -> None:
    """After three starts it ends, says so, exits 2, and a service that is well was not touched."""
    host.units["web"] = FAILED
    host.course = {"web": [FAILED] * 9}
    code, done = heal(spec)

    assert (2, "failed", 3) == (code, done["web"]["outcome"], done["web"]["starts"])
    assert "exit-code" in done["web"]["why"]
    assert [("web",)] * 3 == host.started
    assert "it does not stay up after 3 starts" in health(spec, "--heal").said


@pytest.mark.parametrize(
    ("facts", "name", "words"),
    [
        (replace(FAILED, load="masked"), "web", "masked"),
        (replace(FAILED, load="bad-setting"), "web", "cannot be loaded"),
        (Facts(""), "web", "not installed"),
        (FAILED, "idle", "state: stopped"),
        (replace(FAILED, type="oneshot"), "web", "a job"),
        (DOWN, "lazy", "`drift`"),
        (replace(DOWN, condition_failed=True), "web", "Condition"),
        (replace(UP, active="activating", sub="start"), "web", "systemd is at it"),
        (replace(FAILED, restarts=3, since=NOW - 10, limit=3, limit_seconds=3600), "web", "at most 3 times"),
    ],
)
def test_what_is_left_alone(host: Played, spec: Path, facts: Facts, name: str, words: str) -> None:
    """A service whose state somebody decided, or that a start does not mend, is not started and still counts
    as unwell.
    """
    host.units[name] = facts
    code, done = heal(spec)

    assert (2, "left", []) == (code, done[name]["outcome"], host.started)
    assert words in done[name]["why"]


def test_what_is_held_is_left_alone(host: Played, spec: Path) -> None:
    """A hold keeps it down, with its reason; without it the same service is started."""
    host.units["web"] = FAILED
    host.hold("web")
    code, done = heal(spec)
    host.hold()

    assert (2, "left") == (code, done["web"]["outcome"])
    assert "ask Bob" in done["web"]["why"]
    assert (0, "healed") == ((again := heal(spec))[0], again[1]["web"]["outcome"])


def test_a_failure_under_drift_report_is_mended(host: Played, spec: Path) -> None:
    """`drift: report` leaves what people change; a crash is nobody's change."""
    host.units["lazy"] = FAILED

    assert "healed" == heal(spec)[1]["lazy"]["outcome"]


def test_the_start_limit_is_never_passed(host: Played, spec: Path) -> None:
    """One that has used its limit up, or is refused, is started when the limit is over; one with a limit of
    one start only once.
    """
    host.units |= {"web": replace(FAILED, restarts=5, since=NOW - 2), "api": replace(FAILED, limit=1)}
    host.course = {"api": [replace(FAILED, limit=1)] * 3}
    _, done = heal(spec)
    early, once = list(host.waits), (done["web"]["starts"], done["api"]["starts"])
    host.waits.clear()
    refused = replace(FAILED, invocation="a", since=int(host.now) - 1)
    host.units |= {"web": refused, "api": UP}
    host.course = {"web": [refused]}
    _, done = heal(spec)

    assert [9, 2, 6] == early
    assert (1, 1) == once
    assert [0, 10] == host.waits
    assert (1, "healed") == (done["web"]["starts"], done["web"]["outcome"])


def test_one_that_systemd_starts_again_itself_is_only_watched(host: Played, spec: Path) -> None:
    """While systemd restarts it, no start of ours is added."""
    host.units["web"] = replace(UP, active="activating", sub="auto-restart", result="exit-code")
    code, done = heal(spec)

    assert (2, {"web": ("failed", 0)}) == (
        code,
        {name: (one["outcome"], one["starts"]) for name, one in done.items()},
    )
    assert [] == host.started


def test_not_beside_an_apply(host: Played, spec: Path, tmp_path: Path) -> None:
    """While an apply has the lock nothing is started, and the exit code says that it is worth trying again;
    for a plugin, unknown.
    """
    host.units["web"] = FAILED
    with Lock(str(tmp_path / "state")):
        busy, plugin = health(spec, "--heal"), health(spec, "--heal", "--format", "nagios")

    assert (75, 3, []) == (busy.code, plugin.code, host.started)


def test_not_without_rights_and_not_without_knowing_the_holds(host: Played, spec: Path) -> None:
    """An ordinary user, and a state that cannot be read: an error, and nothing is started."""
    host.units["web"] = FAILED
    with mock.patch.object(healing, "is_root", return_value=False):
        user = health(spec, "--heal")
    host.memory = Memory(damaged="it is older than its witness")
    damaged = health(spec, "--heal")

    assert (1, 1, []) == (user.code, damaged.code, host.started)
    assert "service restart" in damaged.said


# ---------------------------------------------------------------------------------------------------- holds


def service(spec: Path, *words: object, stdin: bytes = b"") -> Done:
    """`service` with this spec."""
    return run("service", *words, "--spec", spec, stdin=stdin)


def test_what_the_next_apply_undoes_is_said_with_the_way_out(host: Played, spec: Path) -> None:
    """Without a terminal the line to type is printed for each that will be put back, and for no other."""
    told = service(spec, "stop", "web", "idle", "lazy")

    assert 0 == told.code
    assert [
        f'reconciler: to keep the next apply from that: reconciler hold add services.web {spec} --for 8h --why "..."'
    ] == [line for line in told.err.splitlines() if "hold add" in line]
    assert "the next apply starts it again" in told.err
    assert "leaves it so" in told.err


def test_held_in_one_go(host: Played, spec: Path) -> None:
    """--hold and --why hold first and act then; one that cannot be held is not stopped either."""
    done = service(spec, "stop", "web", "--hold", "2h", "--why", "bad disk")
    refused = service(spec, "stop", "cron", "--all", "--hold", "2h", "--why", "x")

    assert (0, 1) == (done.code, refused.code)
    assert [(address_of("web"), 7200, "bad disk")] == [
        (wish.address, wish.seconds, wish.why) for wish in host.held
    ]
    assert [("stop", ("web.service",))] == host.done


@pytest.mark.parametrize(
    "words",
    [("--hold", "8h"), ("--why", "x"), ("--hold", "soon", "--why", "x"), ("--hold", "99d", "--why", "x")],
)
def test_a_hold_that_cannot_be_meant_stops_it_all(host: Played, spec: Path, words: tuple[str, ...]) -> None:
    """A typing error in the hold is one of the command line, and nothing was stopped."""
    assert (64, []) == (service(spec, "stop", "web", *words).code, host.done)


class Terminal(io.StringIO):
    """A terminal to write to."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        (b"8h\nbad disk\n", [(28_800, "bad disk")]),
        (b"no\n", []),
        (b"\n", []),
        (b"", []),
        (b"soon\nx\n", []),
        (b"8h\n\n", []),
    ],
)
def test_asked_on_a_terminal(host: Played, spec: Path, answers: bytes, held: list[tuple[int, str]]) -> None:
    """A span and a reason hold it; no, nothing, and what is no span do not, and the command has ended well
    all the same.
    """
    with (
        mock.patch("tests.cli.command._Stdin.isatty", return_value=True),
        mock.patch("io.StringIO", Terminal),
    ):
        done = service(spec, "stop", "web", "--no-color", stdin=answers)

    assert (0, held) == (done.code, [(wish.seconds, wish.why) for wish in host.held])
    assert "Hold services.web for how long? [8h/no]" in done.err


def test_one_that_is_held_is_not_offered_another(host: Played, spec: Path) -> None:
    """The note says until when it stays so."""
    host.hold("web")
    told = service(spec, "stop", "web")

    assert "it is held until 2027-01-15 09:00 UTC, the first apply after that starts it again" in told.said
    assert "hold add" not in told.err


def test_what_was_done_as_json(host: Played, spec: Path) -> None:
    """One row for each: done or why not, what the next apply makes of it, the hold; and no question."""
    data = json.loads(service(spec, "stop", "web", "--json").out)

    assert [("web", True, True, None)] == [
        (row["name"], row["done"], row["put_back"], row["held"]) for row in data["services"]
    ]


@pytest.mark.parametrize(
    ("verb", "state", "words"),
    [("enable", "static", "WantedBy="), ("disable", "enabled-runtime", "still enabled-runtime")],
)
def test_enablement_is_looked_at_afterwards(
    host: Played, spec: Path, verb: str, state: str, words: str
) -> None:
    """Where systemctl succeeds and does nothing, it is an error with the reason."""
    host.units["web"] = replace(UP, enabled=state)
    done = service(spec, verb, "web")

    assert 1 == done.code
    assert words in done.said


def test_a_template_is_not_asked_about(host: Played, spec: Path) -> None:
    """systemctl says nothing of all the others when one is a template, so it is refused by name."""
    done = service(spec, "status", "getty@", "--all")

    assert 1 == done.code
    assert "is a template" in done.said


# ---------------------------------------------------------------------------------------------------- list


def test_the_list_is_sorted_and_marked(host: Played, spec: Path) -> None:
    """By name, each mark in its column, the columns aligned."""
    host.units |= {"idle": replace(DOWN, load="masked", enabled="masked"), "web": Facts("")}
    host.hold("api")
    lines = service(spec, "list").out.splitlines()
    at = lines[0].index("NOTES")

    assert ["NAME", "api", "idle", "lazy", "web"] == [line.split()[0] for line in lines]
    assert ["NOTES", "held until 2027-01-15 09:00 UTC", "masked", "", ""] == [line[at:] for line in lines]
    assert "not installed" in lines[4]


PROBED = """\
version: 1
host: h1
services:
  web: {exec_start: [/usr/bin/web], health: {http: "http://127.0.0.1:1/", within: 30s, interval: 2s}}
  api: {exec_start: [/usr/bin/api], user: root, health: {command: [/usr/bin/check, me]}}
  lazy: {exec_start: [/usr/bin/lazy], health: {within: 3s}}
"""


def test_what_the_spec_says_to_ask_is_asked(host: Played, tmp_path: Path) -> None:
    """A service that runs and does not answer is not well; one that does not run is not asked, and a command
    only by root.
    """
    spec = tmp_path / "probed.yaml"
    spec.write_text(PROBED)
    asked: list[tuple[str, ...]] = []

    def probe(said: tuple[str, ...], _user: str = "") -> str:
        asked.append(said)
        return "answered 500" if said[0] == "http" else ""

    with mock.patch.multiple(probing, probe=probe, is_root=lambda: True):
        done = health(spec)
        held_back = json.loads(health(spec, "--heal", "--json").out)["services"]
        host.units["web"] = FAILED
        failed = health(spec)
    with mock.patch.multiple(probing, probe=probe, is_root=lambda: False):
        untold = health(spec, "api", "--json")

    assert (2, 2, 3) == (done.code, failed.code, untold.code)
    assert "web: it runs, but its health check fails: answered 500" in done.out
    assert "2 of 3 healthy." in done.out
    assert "failed (exit-code" in failed.out
    assert [("command", "/usr/bin/check", "me"), ("http", "http://127.0.0.1:1/")] == sorted(asked[:2])
    assert 5 == len(asked)
    assert "only root can ask" in json.loads(untold.out)["services"][0]["reason"]
    assert [] == host.started
    healing_of = {row["name"]: row["healing"] for row in held_back}
    assert "left" == healing_of["web"]["outcome"]
    assert "reconciler service restart web" in healing_of["web"]["why"]


def test_what_was_healed_is_given_its_time(host: Played, tmp_path: Path) -> None:
    """A service that was just started again is asked until its `within` is over, and no longer."""
    spec = tmp_path / "probed.yaml"
    spec.write_text(PROBED)
    answers = {"late": 3, "never": 1_000}
    codes = {}
    for name, number in answers.items():
        said = iter(["not yet"] * number)
        host.units["web"] = FAILED
        host.course["web"] = [replace(UP, since=int(host.now))]
        with mock.patch.multiple(
            probing,
            probe=lambda *_, said=said: next(said, ""),
            is_root=lambda: True,
            now=lambda: int(host.now),
        ):
            codes[name] = health(spec, "web", "--heal").code

    assert {"late": 0, "never": 2} == codes
