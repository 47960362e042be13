"""Facts about a process that its invocation tells, and those that only clocks tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.basis import Started
from reconciler.core.content_marks import (
    INVOCATIONS,
    LARGEST,
    RELOADED,
    changed_ns,
    compared,
    keyed,
    mark,
    settings_key,
    to_remember,
)
from reconciler.core.host import Entry, FileType, UnitState
from reconciler.core.state import LedgerRow, Memory
from reconciler.engine.inputs import Request, survey
from reconciler.engine.units import stale_processes
from reconciler.host.simulation.host import PathData, SimulatedHost
from reconciler.kinds import discover
from reconciler.kinds.shared.units import text
from tests.case import Case, Expected

KEY = b"k" * 32
FILE, UNIT, NAME = "/etc/default/api", "/etc/systemd/system/api.service", "api.service"
SPEC = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "1"], "environment_file": [FILE]}}}
START = 1000
Times = tuple[int, int]


class Timed:
    """A simulated host on which files have times: mtime and ctime."""

    def __init__(self, host: SimulatedHost, times: Mapping[str, Times]) -> None:
        self._host = host
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def entry(self, path: str) -> Entry | None:
        """As the host's, with times; systemd's link and directory are there where they have a time."""
        found = self._host.entry(path)
        if path in self._times and found is None:
            found = Entry(
                FileType.LINK if path.startswith(INVOCATIONS) else FileType.DIRECTORY, "0755", "root", "root"
            )
        mtime, ctime = self._times.get(path, (0, 0))
        return found and replace(found, mtime_ns=mtime, ctime_ns=ctime)


def situation(
    times: Mapping[str, Times], started: Mapping[str, Started], content: str = "A=1\n"
) -> tuple[Request, Any]:
    """A service that runs as its second invocation since START, at time 5000."""
    loaded = Case("services/x", "", SPEC, Expected(), Expected()).loaded()
    assert loaded.spec is not None
    kinds = discover()
    (part,) = kinds["services"].expand(loaded.spec.resources[0], bool(loaded.ok))
    paths: dict[str, PathData] = {
        UNIT: text(part.address, part.document["unit"]),
        FILE: content,
        "/etc/systemd/system/multi-user.target.wants/api.service": {"target": UNIT},
    }
    host = SimulatedHost.of(paths, units={NAME: UnitState("loaded", "active", "running", "second")})
    view = Timed(host, {f"{INVOCATIONS}{NAME}": (START, START), RELOADED: (START, START), **times})
    request = Request(
        loaded.spec, kinds, view, Memory(key=KEY, lineage="l"), "0", started=started, now_ns=5000
    )
    return request, survey(request)


def remembered(invocation: str, content: str = "A=1\n") -> dict[str, Started]:
    """The notes of an apply about a process that had this content."""
    request, found = situation({}, {}, content)
    (one,) = stale_processes.started(request, found, stale_processes.processes(request, found)).values()
    return {NAME: replace(one, invocation=invocation)}


def due(times: Mapping[str, Times], started: Mapping[str, Started], content: str = "A=1\n") -> list[str]:
    """The verbs and units of the derived rows."""
    request, found = situation(times, started, content)
    rows = stale_processes.derive(request, found, stale_processes.processes(request, found), ())
    return sorted(f"{row.verb} {row.unit}".strip() for row in rows)


RESTART = [f"restart {NAME}"]
OLD, NEW, FUTURE = (500, 500), (2000, 2000), (9000, 9000)


@pytest.mark.parametrize(
    ("times", "noted", "content", "expected"),
    [
        # The same process: contents, and no clock.
        (OLD, remembered("second"), "A=1\n", []),
        (NEW, remembered("second"), "A=1\n", []),
        (OLD, remembered("second"), "A=2\n", RESTART),
        (FUTURE, remembered("second"), "A=2\n", RESTART),
        # Another one: when it was written, if it is not what it was.
        (OLD, remembered("first"), "A=2\n", []),
        (NEW, remembered("first"), "A=2\n", RESTART),
        ((500, 2000), remembered("first"), "A=2\n", RESTART),
        (NEW, remembered("first"), "A=1\n", []),
        (FUTURE, remembered("first"), "A=2\n", []),
        # Never seen: its own time only.
        (NEW, {}, "A=1\n", RESTART),
        ((500, 2000), {}, "A=1\n", []),
        (OLD, {}, "A=1\n", []),
        (FUTURE, {}, "A=1\n", []),
    ],
)
def test_when_a_file_counts_as_changed(
    times: Times, noted: Mapping[str, Started], content: str, expected: list[str]
) -> None:
    """By content as long as it is the same process; by time, and with doubt, if it is another."""
    assert expected == due({FILE: times}, noted, content)


@pytest.mark.parametrize(
    ("invocation", "times", "expected"),
    [("first", NEW, ["daemon-reload", *RESTART]), ("first", OLD, []), ("first", FUTURE, [])],
)
def test_a_unit_file_written_after_the_start(invocation: str, times: Times, expected: list[str]) -> None:
    """Only we have business with it: whoever wrote it after another process was started may have put back
    what that one runs with.
    """
    assert expected == due({UNIT: times}, remembered(invocation))


def test_a_unit_file_that_is_written_again_needs_a_reload_only() -> None:
    """The same process with the same settings: systemd is told, once, and nobody is restarted."""
    times, noted = {UNIT: NEW}, remembered("second")
    request, found = situation(times, noted)
    after = stale_processes.started(request, found, stale_processes.processes(request, found))

    assert ["daemon-reload"] == due(times, noted)
    assert [] == due(times, after)
    assert [] == due({UNIT: (900, 900)}, noted)


def test_what_is_older_stays_older_whatever_else_is_noted() -> None:
    """An apply that may not restart keeps what the process was started with, until it is put back or the
    process is another.
    """
    noted = remembered("second")
    request, found = situation({FILE: NEW}, noted, "A=2\n")
    after = stale_processes.started(request, found, stale_processes.processes(request, found))

    assert noted[NAME].marks[FILE] == after[NAME].marks[FILE]
    assert stale_processes.is_open(request, stale_processes.processes(request, found))
    assert RESTART == due({FILE: NEW}, after, "A=2\n")
    assert [] == due({FILE: NEW}, after, "A=1\n")


def test_settings_that_only_a_start_puts_into_force_are_compared() -> None:
    """The spec has come to say what somebody wrote by hand: the process that was started before has older
    settings.
    """
    noted = remembered("second")
    (name,) = [name for name in noted[NAME].marks if name.startswith("=")]
    other = replace(noted[NAME], marks={**noted[NAME].marks, name: "hmac:other"})
    request, found = situation({}, noted)

    assert [settings_key(address) for address in found.parts] == [name]
    assert request.started == noted
    assert ["daemon-reload", *RESTART] == due({}, {NAME: other})


def test_large_files_are_not_read() -> None:
    """Size and time stand for the content of a file of more than a megabyte."""
    host = Timed(SimulatedHost.of({"/large": "x" * (LARGEST + 1), "/small": "x"}), {"/large": (7, 8)})

    assert f"size:{LARGEST + 1}:7" == mark(host, "/large", KEY)
    assert digest(b"x") == mark(host, "/small", KEY)
    assert "absent" == mark(host, "/nothing", KEY)
    assert 8 == changed_ns(host.entry("/large") or Entry(FileType.FILE, "", "", ""))


@pytest.mark.parametrize(
    ("mode", "above", "secret", "plain"),
    [
        ("0644", "0755", (), True),
        ("0604", "0701", (), True),
        ("0640", "0755", (), False),
        ("0644", "0750", (), False),
        ("0644", "0755", ("/etc/app/x.conf",), False),
    ],
)
def test_only_what_everybody_can_read_is_remembered_plainly(
    mode: str, above: str, secret: tuple[str, ...], plain: bool
) -> None:
    """The digest of any other file is keyed, for a short secret could be guessed from it; both compare with
    the file as it is.
    """
    path = "/etc/app/x.conf"
    said: dict[str, PathData] = {
        path: {"content": "x", "mode": mode},
        "/etc/app": {"type": "directory", "mode": above},
    }
    host = SimulatedHost.of(said)
    noted = to_remember(host, path, mark(host, path, KEY) or "", KEY, secret)

    assert plain is (noted == digest(b"x"))
    assert compared(noted, mark(host, path, KEY), KEY)
    assert not compared(noted, digest(b"y"), KEY)


def test_an_older_process_of_a_file_that_is_secret_now_is_remembered_by_key() -> None:
    """The file was readable for everybody when the process was started, and is declared `sensitive` since."""
    noted = {NAME: replace(remembered("second")[NAME], marks={FILE: digest(b"A=0")})}
    request, found = situation({}, noted)
    row = LedgerRow(Address("files", FILE), {}, sensitive=True)
    secret = replace(request, memory=replace(request.memory, rows={Address("files", FILE): row}))
    before = stale_processes.started(request, found, stale_processes.processes(request, found))[NAME].marks[
        FILE
    ]
    after = stale_processes.started(secret, found, stale_processes.processes(secret, found))[NAME].marks[FILE]

    assert digest(b"A=0") == before
    assert keyed(digest(b"A=0"), KEY) == after
