"""Files in /etc/logrotate.d as a spec would declare them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.formats import logrotate as form
from reconciler.kinds.logrotate.kind import FLAGS, SCRIPTS, VALUES
from reconciler.kinds.shared.importing import Asked, Candidate

PLACES = (form.DIRECTORY,)
_NUMBERS = ("rotate", "maxage")
_WITH_THREE, _WITH_TWO = 3, 2


class _CannotSay(Exception):
    """Part of a file that no field of a spec can say."""


def find(view: HostView, asked: Asked) -> Iterator[Candidate]:
    """Yield the regular files that logrotate reads and no package brought. Raises Unreadable, UnsafePath."""
    for name in view.names(form.DIRECTORY):
        path = f"{form.DIRECTORY}/{name}"
        entry = view.entry(path)
        if path in asked.packaged or form.ignored(name) or entry is None or entry.type is not FileType.FILE:
            continue
        try:
            yield Candidate(
                "logrotate", name, dict(_fields(form.parse(view.read(path).decode("utf-8", "replace"))))
            )
        except (_CannotSay, Unreadable, UnsafePath) as problem:
            yield Candidate("logrotate", name, why=str(problem))


def _fields(config: form.Config) -> Iterator[tuple[str, Any]]:
    if config.problems:
        raise _CannotSay(f"line {config.problems[0].line}: {config.problems[0].text}")
    if len(config.stanzas) != 1 or config.directives:
        raise _CannotSay("a policy is one block and nothing beside it; split the file")
    stanza = config.stanzas[0]
    yield "paths", list(stanza.patterns)
    by_flag = {
        word: (name, setting)
        for name, opposite in FLAGS.items()
        for word, setting in ((name, True), (opposite, False))
    }
    for name, value in stanza.directives:
        if name in form.FREQUENCIES:
            yield "frequency", name
        elif name in by_flag:
            yield by_flag[name]
        elif name in VALUES:
            yield name, int(value) if name in _NUMBERS and value.isdecimal() else value
        else:
            yield name, _other(name, value.split())
    for name, lines in stanza.scripts:
        if name not in SCRIPTS:
            raise _CannotSay(f"`{name}` has no field")
        yield name, {"run": _command(name, lines)}


def _other(name: str, words: list[str]) -> Any:
    if name == "nocreate":
        return True
    if name == "create" and len(words) == _WITH_THREE:
        return dict(zip(("mode", "owner", "group"), words, strict=True))
    if name == "su" and len(words) == _WITH_TWO:
        return dict(zip(("user", "group"), words, strict=True))
    raise _CannotSay(f"`{' '.join((name, *words))}` has no field")


def _command(name: str, lines: tuple[str, ...]) -> list[str]:
    try:
        words = shlex.split(lines[0]) if len(lines) == 1 else []
    except ValueError:
        words = []
    if not words or shlex.join(words) != lines[0] or not words[0].startswith("/"):
        raise _CannotSay(f"`{name}` is a shell script; a policy runs one program, by its absolute path")
    return words
