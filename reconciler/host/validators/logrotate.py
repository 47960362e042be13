"""logrotate as the judge of a policy file that is about to be put in place: `logrotate -d`, whole tree.

Its exit code says little in either direction (a missing log is 1, an ignored line is 0). Lines that begin
with `error:` decide, and whether logrotate names the policy's patterns at all.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from reconciler.core.actions import WriteFile
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import ActionFailed, HostError
from reconciler.formats import logrotate
from reconciler.host.process.run import escape, run

_MAIN = "/etc/logrotate.conf"
_TIMEOUT = 60.0
_CAP = 16 << 20
_MISSING_LOG = Late(r"error: stat of .* failed: No such file or directory")
_FOLLOW_UP = Late(r"error: found error in ")
"""The line that follows an error and names only the file."""
_PATTERN = "rotating pattern: "
_DUPLICATE = "duplicate log entry for"
_MOST_LINES = 3
"""The most lines of logrotate that a message quotes."""


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless logrotate accepts the policy and sees each of its patterns."""
    directory, _, name = action.path.rpartition("/")
    new = {name: action.content}
    errors, patterns = _errors(directory, new)
    if any(_DUPLICATE in line for line in errors):
        # The spec decides between two policies of ours: the other file is about to be changed or removed.
        errors, patterns = _errors(directory, new, _other_ours(directory, name))
    if errors:
        before, _ = _errors(directory, {})
        errors = [line for line in errors if line not in before]
    if errors:
        lines = [line for line in errors if not _FOLLOW_UP.match(line)] or errors
        raise ActionFailed("logrotate does not accept the policy", "; ".join(lines[:_MOST_LINES]))
    if missing := _unseen(action.content, patterns):
        raise ActionFailed(
            "logrotate does not see the policy", f"{missing} is not among the patterns that it would rotate"
        )


def accepted(actions: Sequence[WriteFile]) -> frozenset[WriteFile]:
    """The files that logrotate accepts when it is asked once about all of them: all or none.

    With the least doubt there are none: `judge` then looks at each by itself, and names its mistake.
    """
    directories = {action.path.rpartition("/")[0] for action in actions}
    if len(actions) < 2 or len(directories) != 1:
        return frozenset()
    try:
        errors, patterns = _errors(
            directories.pop(), {action.path.rpartition("/")[2]: action.content for action in actions}
        )
    except ActionFailed:
        return frozenset()
    clean = not errors and not any(_unseen(action.content, patterns) for action in actions)
    return frozenset(actions) if clean else frozenset()


def _unseen(content: bytes, patterns: Sequence[str]) -> str:
    """A pattern of the policy that is not among those that logrotate has named; empty if all are."""
    # logrotate prints the patterns of a stanza as they stand in the file, their first line only.
    declared = (stanza.patterns[0] for stanza in logrotate.parse(content.decode()).stanzas)
    return next(
        (pattern for pattern in declared if not any(line.startswith(pattern) for line in patterns)), ""
    )


def _errors(
    directory: str, new: Mapping[str, bytes], without: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The errors of logrotate with these files in the directory, and the patterns that it names.

    Errors about logs that are not there are left out.
    """
    with _stage(directory, new, without) as stage:
        try:
            result = run(
                ["logrotate", "-d", "-s", f"{stage}/state", f"{stage}/logrotate.conf"],
                timeout=_TIMEOUT,
                cap=_CAP,
            )
        except HostError as error:
            raise ActionFailed(
                "logrotate cannot be asked", f"{error.detail}; install it: apt-get install logrotate"
            ) from error
        text = (result.out + b"\n" + result.err).decode("utf-8", "replace").replace(f"{stage}/d", directory)
    lines = text.replace(f"{stage}/logrotate.conf", _MAIN).splitlines()
    errors = [escape(line) for line in lines if line.startswith("error:")]
    patterns = [
        escape(line.removeprefix(_PATTERN).lstrip('"')) for line in lines if line.startswith(_PATTERN)
    ]
    return [line for line in errors if not _MISSING_LOG.match(line)], patterns


@contextmanager
def _stage(directory: str, new: Mapping[str, bytes], without: Collection[str]) -> Iterator[str]:
    """A directory that only we can enter, with the main file and a twin of `directory` that it includes.

    The twin has the new files, and links to the others: logrotate then judges these by their own mode and
    owner, in the order of their names.
    """
    stage = tempfile.mkdtemp(prefix="reconciler-logrotate-", dir="/run")
    try:
        os.mkdir(f"{stage}/d", 0o755)
        for other in os.listdir(directory):
            if other not in new and other not in without and os.path.isfile(f"{directory}/{other}"):
                os.symlink(f"{directory}/{other}", f"{stage}/d/{other}")
        for name, content in new.items():
            _put(f"{stage}/d/{name}", content)
        _put(f"{stage}/logrotate.conf", _including(directory, f"{stage}/d"))
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _including(directory: str, twin: str) -> bytes:
    """The main file with an `include` of the twin instead of the directory. Raises ActionFailed."""
    try:
        with open(_MAIN, "rb") as file:
            main = file.read()
    except OSError as error:
        raise ActionFailed(
            "logrotate has no configuration", f"{_MAIN}: {error.strerror}; reinstall logrotate"
        ) from error
    pattern = re.compile(
        rb"^([ \t]*include[ \t=]+)" + re.escape(directory.encode()) + rb"/?[ \t]*$", re.MULTILINE
    )
    text, count = pattern.subn(rb"\g<1>" + twin.encode(), main)
    if not count:
        raise ActionFailed(
            "policies are not read", f"{_MAIN} does not have `include {directory}`; add the line"
        )
    return text


def _put(path: str, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:
        file.write(content)
        os.fchmod(fd, 0o644)


def _other_ours(directory: str, name: str) -> list[str]:
    """The names of our other policies in the directory."""
    names = []
    for other in os.listdir(directory):
        if other == name or not os.path.isfile(f"{directory}/{other}"):
            continue
        with open(f"{directory}/{other}", "rb") as file:
            if file.read(len(logrotate.MARK)) == logrotate.MARK.encode():
                names.append(other)
    return names
