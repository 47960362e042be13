"""The checks of files, of the file system and of secrets, on values."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from reconciler.audit.areas.filesystem import shown
from reconciler.audit.model import Result, Status
from reconciler.audit.registry import checks
from reconciler.audit.run import results_of
from reconciler.formats.audit.capabilities import names_of
from reconciler.formats.audit.files import parse_changed, parse_packages
from reconciler.formats.audit.policy import Policy
from reconciler.formats.audit.secrets import parse_kinds, parse_lines
from reconciler.formats.file_scan import FileScan, ScannedEntry, Scope, scan_text
from reconciler.host.audit.questions.secrets import _rows
from tests.audit.facts import facts

SU = ScannedEntry("/usr/bin/su", "file", "4755", 0, 0)
LEFT = ScannedEntry("/opt/left", "file", "4755", 0, 0)


def results(name: str, scan: FileScan, answers: Mapping[str, str] | None = None) -> list[Result]:
    """The results of a check for a pass over the files."""
    return results_of(checks()[name], facts({"file-scan": scan_text(scan), **(answers or {})}))


def test_a_program_of_a_package_may_be_setuid() -> None:
    """One that its package gives the bit passes; one that nobody brought, and one that got it, fail."""
    find = ScannedEntry("/usr/bin/find", "file", "4755", 0, 0)
    scan = FileScan(seen={"setuid": (SU, LEFT, find)}, counts={"setuid": 3})
    owners = {
        'packages-of ["/opt/left", "/usr/bin/find", "/usr/bin/su"]': (
            '{"/usr/bin/su": "util-linux", "/usr/bin/find": "findutils"}'
        )
    }

    assert [(row.status, row.object) for row in results("setuid-programs", scan, owners)] == [
        (Status.FAIL, "/opt/left"),
        (Status.FAIL, "/usr/bin/find"),
    ]
    assert [row.object for row in results("setuid-shells", scan)] == ["/usr/bin/find"]


@pytest.mark.parametrize(
    "scan",
    [
        FileScan(partial="time", stopped_at="/srv"),
        FileScan(unread=2, unread_at=(("/root", "Permission denied"),)),
        FileScan(counts={"world-writable": 3}),
    ],
    ids=["budget", "unread", "too many"],
)
def test_a_pass_that_saw_not_everything_passes_nothing(scan: FileScan) -> None:
    """Where the pass ended early, could not read, or left out, nothing is said to be well."""
    assert [row.status for row in results("world-writable-files", scan)] == [Status.NOT_CHECKED]


def test_what_the_policy_says_of_the_pass() -> None:
    """The policy allows objects by their paths, and narrows the pass; without one it is the usual one."""
    open_file = ScannedEntry("/srv/open", "file", "0666", 0, 0)
    scan = FileScan(
        seen={"setuid": (LEFT,), "world-writable": (open_file,)}, counts={"setuid": 1, "world-writable": 1}
    )
    policy = Policy(
        setuid=frozenset(("/opt/left",)),
        world_writable=frozenset(("/srv/open",)),
        scan_paths=("/srv",),
        scan_skip=("/srv/data",),
    )
    question = json.dumps(
        {"paths": ["/srv"], "seconds": 120.0, "skip": [*Scope().skip, "/srv/data"]}, sort_keys=True
    )
    answers = {f"file-scan {question}": scan_text(scan), 'packages-of ["/opt/left"]': "{}"}

    for name in ("setuid-programs", "world-writable-files"):
        assert [row.status for row in results_of(checks()[name], facts(answers, policy=policy))] == [
            Status.PASS
        ]
        assert [row.status for row in results(name, scan, answers)] == [Status.FAIL]


def test_harmless_devices_are_no_finding() -> None:
    """null in a chroot is well, whatever its name says; a disk is not."""
    null = ScannedEntry("/srv/chroot/dev/null", "char", "0666", 0, 0, number="1:3")
    disk = ScannedEntry("/srv/chroot/dev/zero", "block", "0666", 0, 0, number="8:0")
    scan = FileScan(
        seen={"device": (null, disk), "world-writable": (null, disk)},
        counts={"device": 2, "world-writable": 2},
    )

    for name in ("device-nodes", "world-writable-files"):
        assert [row.object for row in results(name, scan)] == ["/srv/chroot/dev/zero"]


def test_names_that_spoil_a_terminal() -> None:
    """Line ends, escape codes and bytes that are no UTF-8 are shown as such."""
    assert shown("/a\n\x1b[31m\udcff") == "/a\\n\\x1b[31m\\udcff"
    assert shown("/srv/ä b") == "/srv/ä b"


def test_capabilities_of_a_file() -> None:
    """The attribute of setcap(8), version 2: by names; what is none is empty."""
    assert names_of("0100000200200000000000000000000000000000") == {"cap_net_raw"}
    assert names_of("0000000280000000000000000000000000000000") == {"cap_setuid"}
    assert names_of("0100000300000000000000008000000000000000e8030000") == {"cap_bpf"}
    assert names_of("zz") == names_of("01") == frozenset()


def test_a_secret_is_told_by_its_place() -> None:
    """Line and name are told, the secret never; comments and harmless lines are not."""
    text = (
        '# PASSWORD=x1y2z3\n[Service]\nEnvironment="API_TOKEN=Zq8-planted-93" LANG=C\nExecStart=/bin/true\n'
    )
    rows = list(_rows("/etc/systemd/system/x.service", text))

    assert rows == [("/etc/systemd/system/x.service", 3, "API_TOKEN")]


def test_answers_that_are_none() -> None:
    """A text that is no answer is refused."""
    for parse in (parse_changed, parse_packages, parse_kinds, parse_lines):
        with pytest.raises(ValueError, match=r"."):
            parse('["x"]' if parse is not parse_changed else '{"no": 1}')
