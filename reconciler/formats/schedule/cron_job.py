"""Files in /etc/cron.d: one job per file.

One error makes Debian's cron silently ignore the whole file (crontab(5)). cron does not read a line as a
shell does: `%` ends the command, a backslash before `%` or another backslash is dropped, a line that is too
long is cut off, and nothing is expanded in a variable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.basics.lazy_regex import Late

STRAY = "?"
"""The key of lines that cron would not read, or not as one job of ours."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT: Mapping[str, str] = {"SHELL": "/bin/sh", "PATH": PATH}
"""The environment that a job gets if it says nothing else: cron's own PATH is /usr/bin:/bin."""

_FILE_NAME = Late(r"[A-Za-z0-9_-]+", re.ASCII)
_VARIABLE = Late(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?P<value>.*)")
_QUOTED = Late(r"(?P<quote>[\"'])(?P<text>.*)(?P=quote)[ \t]*")
_JOB = Late(r"(?P<schedule>@[a-z]+|\S+(?:[ \t]+\S+){4})[ \t]+(?P<user>[^\s%]+)[ \t]+(?P<command>\S.*)")
_INPUT = Late(r"(?P<command>(?:[^\\%]|\\.|\\\Z)*+)(?:%(?P<input>.*))?")
_CONTROL = Late("[\x00-\x1f\x7f]")
_LONGEST = 990
"""The limit of bytes of a command or variable. cron's own is 1000, and it cuts silently."""

Crontab = dict[str, Any]
"""`{"environment": {name: value}, "schedule": ..., "user": ..., "command": ...}`; the command is as the shell
gets it.

`input` is there if a bare % ends the command: the text that follows, its standard input.
"""


def check_name(name: str) -> None:
    """Raise ValueError for a file name that cron ignores."""
    if _FILE_NAME.fullmatch(name) is None:
        raise ValueError(f"cron reads no file named {name!r}: use letters, digits, _ and - only")


def shell_line(argv: Sequence[str], directory: str = "") -> str:
    """The command line that makes a shell run exactly this argv.

    `directory` is as in WorkingDirectory=: with `-` in front it may be missing; `~` is the home, in which
    cron begins anyway.
    """
    command = shlex.join(argv)
    quoted_directory = shlex.quote(directory.removeprefix("-"))
    if directory in ("", "~", "-~"):
        return command
    return (
        f"cd {quoted_directory} 2>/dev/null; exec {command}"
        if directory.startswith("-")
        else f"cd {quoted_directory} && exec {command}"
    )


def render(crontab: Mapping[str, Any], header: Sequence[str] = ()) -> str:
    """The text of the file.

    `parse(render(x)) == x`. Raises ValueError for a job that cron would not read, or would read differently.
    """
    variables = [_assignment(name, value) for name, value in crontab["environment"].items()]
    command = _escaped(crontab["command"])
    job = f"{crontab['schedule']} {crontab['user']} {command}"
    return "\n".join((*(f"# {line}" for line in header), *variables, job)) + "\n"


def parse(text: str) -> Crontab:
    """A file as cron reads it. Never raises: lines beside one job and its variables are kept below STRAY."""
    if text and not text.endswith("\n"):
        return {STRAY: ["no line end after the last line: cron passes over the whole file"]}
    environment: dict[str, str] = {}
    jobs: list[Crontab] = []
    stray: list[str] = []
    for line in (raw.strip(" \t") for raw in text.split("\n")):
        if not line or line.startswith("#"):
            continue
        variable, job = _VARIABLE.fullmatch(line), _JOB.fullmatch(line)
        if variable:
            quoted = _QUOTED.fullmatch(variable["value"])
            value = (quoted["text"] if quoted else variable["value"]).rstrip(" \t")
            environment[variable["name"]] = value[1:-1] if _is_quoted(value) else value
        elif job and not jobs and "\r" not in line:
            schedule = " ".join(job["schedule"].split())
            jobs.append({"schedule": schedule, "user": job["user"], **_command(job["command"])})
        else:
            stray.append(line)
    return {"environment": environment, **(jobs[0] if jobs else {}), **({STRAY: stray} if stray else {})}


def _assignment(name: str, value: str) -> str:
    quote = '"' if '"' not in value else "'"
    if quote in value:
        raise ValueError(f"cron cannot set {name} to a value with both kinds of quotes")
    if value != value.rstrip(" \t"):
        raise ValueError(f"cron drops the blanks at the end of {name}: leave them out")
    again = value[0] if _is_quoted(value) else ""
    line = f"{name}={quote}{again}{value}{again}{quote}"
    _check(line, f"the variable {name}")
    return line


def _is_quoted(value: str) -> bool:
    """Whether Debian's cron would remove quotes from the value again: `load_env` does, after its parser has
    removed the outer ones.
    """
    return len(value) >= 2 and value[0] in "\"'" and value[0] == value[-1]


def _escaped(command: str) -> str:
    escaped = command.replace("\\", "\\\\").replace("%", "\\%")
    _check(escaped, "the command")
    return escaped


def _check(line: str, subject: str) -> None:
    if _CONTROL.search(line):
        raise ValueError(
            f"{subject} holds a line break or another control character, which cron cannot have in a line"
        )
    if len(line.encode()) > _LONGEST:
        raise ValueError(
            f"{subject} is longer than {_LONGEST} bytes: cron would cut it off; put it into a script"
        )


def _command(text: str) -> Crontab:
    """The command as the shell gets it, and its input, which follows a bare %."""
    split = _INPUT.fullmatch(text)
    assert split is not None
    command = re.sub(r"\\([\\%])", r"\1", split["command"])
    return {"command": command} if split["input"] is None else {"command": command, "input": split["input"]}
