"""logrotate's own judgement of a policy file, before it is put in place: `logrotate -d` over the whole tree
with it.

Its exit code says little in either direction (a missing log is 1, an ignored line is 0): lines that begin
with `error:` decide, and that the policy is seen at all.
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
_SKIPPED = Late(r"error: found error in ")
_SEEN = "rotating pattern: "
_DUPLICATE = "duplicate log entry for"
_NAMED = 3
"""Lines of logrotate that are passed on."""


def judge(action: WriteFile) -> None:
    """Raise ActionFailed unless logrotate takes the file as it is meant."""
    directory, _, name = action.path.rpartition("/")
    new = {name: action.content}
    found, seen = _errors(directory, new)
    if any(_DUPLICATE in line for line in found):
        # Between two policies of ours the spec has decided; the other file is about to be changed or removed.
        found, seen = _errors(directory, new, _other_ours(directory, name))
    if found:
        before, _ = _errors(directory, {})
        found = [line for line in found if line not in before]
    if found:
        words = [line for line in found if not _SKIPPED.match(line)] or found
        raise ActionFailed("logrotate does not accept the policy", "; ".join(words[:_NAMED]))
    if unseen := _unseen(action.content, seen):
        raise ActionFailed(
            "logrotate does not see the policy", f"{unseen} is not among the patterns that it would rotate"
        )


def accepted(actions: Sequence[WriteFile]) -> frozenset[WriteFile]:
    """Those of several files that logrotate takes as they are meant when it is asked once about all of them.

    All or none: with the least doubt each is to be judged by itself, and says what is wrong with it.
    """
    directories = {action.path.rpartition("/")[0] for action in actions}
    if len(actions) < 2 or len(directories) != 1:
        return frozenset()
    try:
        found, seen = _errors(
            directories.pop(), {action.path.rpartition("/")[2]: action.content for action in actions}
        )
    except ActionFailed:
        return frozenset()
    clean = not found and not any(_unseen(action.content, seen) for action in actions)
    return frozenset(actions) if clean else frozenset()


def _unseen(content: bytes, seen: Sequence[str]) -> str:
    """A pattern of the policy that logrotate has not named; empty if there is none."""
    # It prints the patterns as they stand in the file: of several lines, the first.
    patterns = (stanza.patterns[0] for stanza in logrotate.parse(content.decode()).stanzas)
    return next((pattern for pattern in patterns if not any(line.startswith(pattern) for line in seen)), "")


def _errors(
    directory: str, new: Mapping[str, bytes], without: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The errors that logrotate finds with these files in the directory, and the patterns that it sees.

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
    found = [escape(line) for line in lines if line.startswith("error:")]
    seen = [escape(line.removeprefix(_SEEN).lstrip('"')) for line in lines if line.startswith(_SEEN)]
    return [line for line in found if not _MISSING_LOG.match(line)], seen


@contextmanager
def _stage(directory: str, new: Mapping[str, bytes], without: Collection[str]) -> Iterator[str]:
    """A directory that only we can enter: the main file including a twin of `directory`, in which the new
    files are as they shall be.

    The others are links, so that logrotate judges their own mode and owner as well, in the order of their
    names.
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


def _including(directory: str, instead: str) -> bytes:
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
    text, count = pattern.subn(rb"\g<1>" + instead.encode(), main)
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
    found = []
    for other in os.listdir(directory):
        if other == name or not os.path.isfile(f"{directory}/{other}"):
            continue
        with open(f"{directory}/{other}", "rb") as file:
            if file.read(len(logrotate.MARK)) == logrotate.MARK.encode():
                found.append(other)
    return found
