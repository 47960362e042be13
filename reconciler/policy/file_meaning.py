"""The part of a text that decides about access, as far as its reader's format is known: without remarks, the
order of a set, and the times at which something runs.

Two texts with the same lines here differ in nothing that a reviewer of access has to read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.core.basics.lazy_regex import Late
from reconciler.formats.ssh import sshd_config

Lines = list[tuple[str, ...]]
_MEANT = Late(r"#(?:!|include|\d).*")
"""A line that begins as a remark and is none: an interpreter, a directive or a number of sudoers(5)."""
_ASSIGNMENT = Late(r"[ \t]*[A-Za-z_]\w*[ \t]*=.*")
_JOB = Late(r"[ \t]*(?:@(?!reboot)[a-z]+|[-\d*/,a-zA-Z]+(?:[ \t]+[-\d*/,a-zA-Z]+){4})[ \t]+(?P<job>\S.*)")
_ANACRON = Late(r"[ \t]*(?:\d+|@\w+)[ \t]+\d+[ \t]+(?P<job>\S.*)")
_WHEN = Late(
    r"(?:Description|Documentation|On(?:Calendar|Active|Boot|Startup|UnitActive|UnitInactive)(?:Sec)?"
    r"|AccuracySec|RandomizedDelaySec|Persistent)[ \t]*=.*"
)
_SETS = frozenset(("allowusers", "denyusers", "allowgroups", "denygroups", "acceptenv"))
"""Keywords of sshd_config(5) whose words may stand in any order."""


def meaning(text: str, reader: str) -> Lines:
    """The lines of a text that count; `reader` as in a Place of `policy.root_reach`."""
    return list(_READERS.get(reader, _without_remarks)(text))


def _without_remarks(text: str, remarks: str = "#") -> Iterator[tuple[str, ...]]:
    for line in map(str.strip, text.split("\n")):
        if line and (not line.startswith(tuple(remarks)) or _MEANT.fullmatch(line)):
            yield (line,)


def _jobs(text: str) -> Iterator[tuple[str, ...]]:
    yield from _without_times(text, _JOB)


def _anacron(text: str) -> Iterator[tuple[str, ...]]:
    yield from _without_times(text, _ANACRON)


def _without_times(text: str, times: Late) -> Iterator[tuple[str, ...]]:
    """Yield the lines, and of those with jobs the job alone."""
    for (line,) in _without_remarks(text):
        job = None if _ASSIGNMENT.fullmatch(line) else times.fullmatch(line)
        yield (line,) if job is None else ("job", job["job"])


def _unit(text: str) -> Iterator[tuple[str, ...]]:
    is_continued = "\\\n" in text  # then a line may belong to the value before it
    for (line,) in _without_remarks(text, "#;"):
        if is_continued or not _WHEN.fullmatch(line):
            yield (line,)


def _sshd(text: str) -> Iterator[tuple[str, ...]]:
    lines = sshd_config.parse("", text, lambda _: ())
    if any(line.problem for line in lines):
        yield from _without_remarks(text)
        return
    for line in lines:
        words = line.arguments
        if line.keyword == "match":
            words = tuple(",".join(sorted(word.split(","))) for word in words)
        yield (line.keyword, *(sorted(words) if line.keyword in _SETS else words))


_READERS: Mapping[str, Callable[[str], Iterator[tuple[str, ...]]]] = {
    "anacron": _anacron,
    "cron": _jobs,
    "crontab": _jobs,
    "sshd": _sshd,
    "unit": _unit,
}
