"""Directories with a strict reader: it passes over a file for its name, mode, owner or one wrong line.

Mostly it does so in silence. These checks need no host; the reader's own program judges the content before a
file is put in place (`Check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from reconciler.core.actions import Check
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late

if TYPE_CHECKING:
    from reconciler.formats.schedule.cron_lines import Flaw

_CRON_NAME = Late(r"[A-Za-z0-9_-]+")
_WRITABLE, _EXECUTABLE = 0o022, 0o111
_READS_ALL = "/etc/logrotate.d"
_PLACEHOLDER = ".placeholder"
"""The name of the file that packages keep directories with."""
Trust = Literal["root", "visudo", "executable", ""]
"""The files that a reader takes: those only root can write, those as visudo wants them, programs, or all."""


@frozen
class Reader:
    """The reader of a directory."""

    program: str
    """The name of the program, for messages."""
    check: Check
    """The check of a file's content before it is put in place."""
    misnamed: Callable[[str], str]
    """Why it does not read a file of this name; empty if it does."""
    trust: Trust
    """The files that it takes."""
    flaws: Callable[[str], Iterator[Flaw]]
    """The flaws for which it does not accept a file of this text."""
    sure: bool = True
    """Whether that is so on every host."""


def _nothing(_: str) -> Iterator[Flaw]:
    return iter(())


def _cron_flaws(text: str) -> Iterator[Flaw]:
    from reconciler.formats.schedule import cron_lines  # most files have nothing to do with it

    return cron_lines.flaws(text)


def _tmpfiles_flaws(text: str) -> Iterator[Flaw]:
    from reconciler.formats import tmpfiles  # likewise

    return tmpfiles.flaws(text)


def _sudo_name(name: str) -> str:
    return (
        "a name with a dot, or with ~ at its end, is passed over" if "." in name or name.endswith("~") else ""
    )


def _cron_name(name: str) -> str:
    return "" if _CRON_NAME.fullmatch(name) else "only letters, digits, _ and - may be in a name"


def _logrotate_name(name: str) -> str:
    from reconciler.formats import logrotate  # likewise

    # Release 3.22 passes over .old as well.
    passed_over = logrotate.ignored(name) or (name.endswith(".old") and not name.startswith("."))
    return "names with such an ending are passed over (tabooext)" if passed_over else ""


def _conf_name(name: str) -> str:
    return "" if name.endswith(".conf") else "only names that end in .conf are read"


READERS = {
    "/etc/sudoers.d": Reader("sudo", Check.SUDOERS, _sudo_name, "visudo", _nothing),
    "/etc/cron.d": Reader("cron", Check.NONE, _cron_name, "root", _cron_flaws),
    "/etc/logrotate.d": Reader("logrotate", Check.LOGROTATE_FILE, _logrotate_name, "root", _nothing),
    "/etc/tmpfiles.d": Reader("systemd-tmpfiles", Check.TMPFILES, _conf_name, "", _tmpfiles_flaws),
    **dict.fromkeys(
        (f"/etc/cron.{often}" for often in ("hourly", "daily", "weekly", "monthly")),
        Reader("run-parts", Check.NONE, _cron_name, "executable", _nothing),
    ),
    **dict.fromkeys(
        (
            f"/etc/{name}.d"
            for name in ("sysctl", "modprobe", "modules-load", "sysusers", "binfmt", "security/limits")
        ),
        Reader("its reader", Check.NONE, _conf_name, "", _nothing, sure=False),
    ),
    "/etc/ssh/sshd_config.d": Reader("sshd", Check.NONE, _conf_name, "", _nothing, sure=False),
}


def reader_of(path: str) -> Reader | None:
    """The reader of a file at this path; None where it has no strict one.

    Only logrotate reads files whose names begin with a dot.
    """
    directory, _, name = path.rpartition("/")
    return READERS.get(directory) if not name.startswith(".") or directory == _READS_ALL else None


def hidden_from(path: str) -> str:
    """A sentence about a reader that passes over a file because its name begins with a dot; else empty."""
    directory, _, name = path.rpartition("/")
    reader = READERS.get(directory)
    if reader is None or directory == _READS_ALL or not name.startswith(".") or name == _PLACEHOLDER:
        return ""
    return f"{reader.program} does not read it: its name begins with a dot."


def check_of(path: str) -> Check:
    """The check of a file before it is put at this path."""
    reader = reader_of(path)
    return reader.check if reader is not None else Check.NONE


def complaints(
    path: str, content: bytes, *, mode: str, owner: str, group: str, sensitive: bool
) -> Iterator[str]:
    """Yield why the reader would not take the file, in sentences that say what to do.

    A complaint about a line of a sensitive file would quote it, so it has only the number of the line.
    """
    reader = reader_of(path)
    if reader is None:
        return
    directory, _, name = path.rpartition("/")
    if why := reader.misnamed(name):
        yield f"{reader.program} would not read it: {why}. Give it another name in {directory}."
    yield from _untrusted(reader, mode, owner, group)
    for flaw in reader.flaws(content.decode("utf-8", "replace")):
        where = f" (line {flaw.line})" if flaw.line else ""
        why = "a line cannot be read" if sensitive and flaw.line else flaw.why
        yield f"{reader.program} would pass over it: {why}{where}."


def _untrusted(reader: Reader, mode: str, owner: str, group: str) -> Iterator[str]:
    bits = int(mode, 8)
    if reader.trust == "visudo":
        if (mode, owner, group) != ("0440", "root", "root"):
            yield (
                f"visudo asks for mode 0440 and root:root, and this would be {mode} {owner}:{group}. Write"
                ' `mode: "0440"`, and no owner.'
            )
        return
    if reader.trust == "executable" and not bits & _EXECUTABLE:
        yield (
            f"{reader.program} runs only what may be run, and this would have mode {mode}. Write `mode:"
            ' "0755"`.'
        )
    if reader.trust != "root":
        return
    if owner != "root":
        yield f"{reader.program} takes only files of root's, and this would be {owner}'s. Leave `owner` out."
    if bits & _WRITABLE:
        yield (
            f"{reader.program} takes no file that others can write, and this would have mode {mode}. Write"
            ' `mode: "0644"`.'
        )
