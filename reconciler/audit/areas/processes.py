"""Processes: what runs that nobody can account for."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.areas.filesystem import shown
from reconciler.audit.areas.network import socket_of
from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.core.host import HostError
from reconciler.formats.audit.network import Listener
from reconciler.formats.audit.processes import Process, parse_processes

_PACKAGED = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/")
"""Where packages put programs: there a file that is gone was upgraded or removed with its package."""
_OPEN = ("/tmp/", "/var/tmp/", "/dev/shm/", "/memfd:")  # noqa: S108  # where others put programs, not we
_OF_CONTAINERS = "/memfd:runc_cloned"
"""runc starts itself from memory, so that no container reaches its file."""


def processes(facts: Facts) -> list[Process]:
    """All processes that see the same files as the host: not those in containers. Raises HostError."""
    return [process for process in facts.parsed("processes", parse_processes) if not process.own_root]


def sees_all(facts: Facts) -> bool:
    """Whether the processes of all accounts were seen, root's first one among them. Raises HostError."""
    return any(process.pid == 1 and process.program for process in processes(facts))


def hidden_owner(facts: Facts, listener: Listener) -> NotKnown | None:
    """That the process behind a socket is hidden; a socket of the kernel has none. Raises HostError."""
    if listener.process or sees_all(facts):
        return None
    return NotKnown(socket_of(listener), "root alone sees which process listens")


@check(
    "process-outdated",
    severity=Severity.MEDIUM,
    title="Everything that runs is the version that is installed",
    rationale="An update mends nothing in a process that was started before it: that has the old holes.",
    remediation="Restart it, or restart the host.",
    needs=(RUNNING,),
)
def processes_are_up_to_date(facts: Facts) -> Iterator[Finding]:
    """Processes whose program or library, of a package, was replaced or removed after the start."""
    old: dict[str, tuple[Process, str]] = {}
    for process in processes(facts):
        replaced = process.deleted and process.program.startswith(_PACKAGED)
        paths = [*([process.program] if replaced else []), *process.libraries]
        if paths:
            old.setdefault(process.unit or shown(process.program), (process, paths[0]))
    for item, (process, path) in old.items():
        yield Fail(
            item,
            "the files that are installed",
            f"{process.name} runs with a {shown(path)} that was replaced or removed",
            remediation=_restart(process),
        )
    yield from _unread(facts)


def _restart(process: Process) -> str:
    if process.pid == 1:
        return "Let systemd run itself anew: systemctl daemon-reexec."
    if process.unit in ("dbus.service", ""):
        return "End the process, or restart the host."
    return f"Restart it: systemctl restart {process.unit}."


@check(
    "process-without-file",
    severity=Severity.HIGH,
    title="No process runs a program that nobody can look at",
    rationale="A program that deletes its own file, or never had one, hides from whoever looks for it.",
    remediation=(
        "Find out what it is before it ends: ls -l /proc/PID/exe, cp /proc/PID/exe to a safe place, and"
        " systemctl status PID for where it came from."
    ),
    needs=(RUNNING,),
)
def programs_have_files(facts: Facts) -> Iterator[Finding]:
    """Processes of root whose program is gone, and of anybody from memory or a directory that all write."""
    suspects: dict[str, Process] = {}
    for process in processes(facts):
        hides = process.gone and not process.program.startswith((*_PACKAGED, _OF_CONTAINERS))
        if hides and (process.uid == 0 or process.program.startswith(_OPEN)):
            suspects.setdefault(shown(process.program), process)
    for path, process in suspects.items():
        who = "root" if process.uid == 0 else f"the account {process.uid}"
        yield Fail(path, "a program with a file", f"{process.name} of {who} runs it, and it is deleted")
    yield from _unread(facts)


@check(
    "root-process-program",
    severity=Severity.CRITICAL,
    title="Root runs no program that somebody else can change",
    rationale="Whoever changes the file is root the next time that it is started.",
    remediation=(
        "Stop it, move the program to a directory that root alone writes (/usr/local/sbin), and look at who"
        " changed it before."
    ),
    needs=(RUNNING,),
)
def roots_programs_are_roots(facts: Facts) -> Iterator[Finding]:
    """The programs of root's processes that another account writes, or that are in its home."""
    programs = {process.program: process for process in processes(facts) if process.uid == 0}
    for path, process in programs.items():
        if process.deleted or not path.startswith("/"):
            continue
        try:
            writers = facts.writers.of(path)
        except HostError as problem:
            yield NotKnown(shown(path), problem.detail or problem.summary)
            continue
        others = [writer for account, writer in writers.items() if account != "root"]
        if others:
            yield Fail(shown(path), "root alone writes it", f"{process.name} of root: {others[0].how}")
    yield from _unread(facts)


def _unread(facts: Facts) -> Iterator[NotKnown]:
    """Yield once that there are processes whose program cannot be read."""
    hidden = sum(not process.program for process in processes(facts))
    if hidden:
        yield NotKnown("", f"the programs of {hidden} processes can be read by root alone")
    elif not sees_all(facts):
        yield NotKnown("", "the processes of other accounts are seen by root alone")
