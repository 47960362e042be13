"""Processes, services and their sockets, on values."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from reconciler.audit.model import Status
from reconciler.audit.registry import chosen
from reconciler.audit.run import run
from reconciler.formats.audit.processes import parse_processes
from reconciler.formats.audit.services import parse_exposures, parse_failed
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.live import LiveHost
from tests.audit.facts import facts


def process(**fields: Any) -> dict[str, Any]:
    """A process of root that nothing is wrong with, but for what the test says."""
    plain: dict[str, Any] = {"pid": 9, "uid": 0, "name": "x", "program": "/usr/sbin/x", "unit": "x.service"}
    plain |= {"deleted": False, "gone": False, "own_root": False, "libraries": [], "serves": ""}
    return plain | fields


FIRST = process(pid=1, name="systemd", program="/usr/lib/systemd/systemd", unit="")


def objects(check: str, **fields: Any) -> list[tuple[Status, str]]:
    """The objects that a check names of a process."""
    results = run(chosen([check]), facts({"processes": json.dumps([FIRST, process(**fields)])}))
    return [(result.status, result.object) for result in results]


_PASS = [(Status.PASS, "")]


def test_a_process_in_a_container_is_not_judged_by_the_files_of_the_host() -> None:
    """Its paths are those of its image; a new image is what updates it."""
    assert objects("process-outdated", deleted=True, own_root=True) == _PASS
    assert objects("process-outdated", deleted=True) == [(Status.FAIL, "x.service")]
    assert objects("process-outdated", libraries=["/usr/lib/libssl.so.3"]) == [(Status.FAIL, "x.service")]


@pytest.mark.parametrize(
    ("program", "uid", "fails"),
    [
        ("/root/x", 0, True),
        ("/home/alice/build/x", 1000, False),
        ("/var/tmp/x", 1000, True),
        ("/memfd:x", 1000, True),
        ("/memfd:runc_cloned:/proc/self/exe", 0, False),
        ("/usr/bin/x", 0, False),
    ],
)
def test_a_program_that_is_gone_hides_where_no_package_puts_one(program: str, uid: int, fails: bool) -> None:
    """A program deleted from its owner's home is the owner's affair; root's, or one from memory, is not."""
    expected = [(Status.FAIL, program)] if fails else _PASS

    assert objects("process-without-file", program=program, uid=uid, deleted=True, gone=True) == expected


@pytest.mark.parametrize("check", ["process-outdated", "process-without-file", "root-process-program"])
def test_a_program_that_cannot_be_read_is_not_checked(check: str) -> None:
    """Without root nobody knows what root's processes run."""
    assert objects(check, program="") == [(Status.NOT_CHECKED, "")]


@pytest.mark.parametrize("check", ["docker-api", "model-server-open", "service-exposed"])
def test_a_socket_whose_process_is_hidden_is_not_checked(check: str) -> None:
    """Where the first process is not seen, nor is who listens; a socket of the kernel has no process at all."""
    listeners = {"listeners": "tcp LISTEN 0 5 *:8000 *:*\n"}
    seen = facts({**listeners, "processes": json.dumps([FIRST])})
    hidden = facts({**listeners, "processes": "[]"})

    assert [result.status for result in run(chosen([check]), seen)] == [Status.PASS]
    (result,) = run(chosen([check]), hidden)
    assert (result.status, result.object) == (Status.NOT_CHECKED, "tcp *:8000")


def test_a_command_line_is_not_told() -> None:
    """The reader keeps the name of a server that it knows, and no other word: tokens are among them."""
    words = ["-c", "input()", "/opt/models/vllm", "--api-key=s3cr3t-of-vllm"]
    with subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE) as child:
        answer = HostAnswers(LiveHost()).answer("processes")
        child.communicate(b"\n")
    (row,) = [process for process in parse_processes(answer) if process.pid == child.pid]

    assert row.serves == "vllm"
    assert "s3cr3t" not in answer


def test_units_that_failed_are_read_with_and_without_a_mark() -> None:
    """Some versions put a mark before the name although the list is plain."""
    text = "a.service loaded failed failed A\n● b.service loaded failed failed B\n"

    assert parse_failed(text) == ("a.service", "b.service")


def test_exposures_of_another_form_are_no_answer() -> None:
    """A list without the field is not understood; Debian's has a number as text."""
    row = '[{"unit":"cron.service","exposure":"9.6","predicate":"UNSAFE","happy":"x"}]'

    assert parse_exposures(row) == {"cron.service": 9.6}
    with pytest.raises(ValueError, match="not understood"):
        parse_exposures('[{"name": "cron.service"}]')
