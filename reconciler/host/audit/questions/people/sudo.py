"""Sudo: what it says of its own files, and its settings without their values."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reconciler.core.host import FileType, HostError
from reconciler.formats.audit.people.sudo import redact_hostname, redact_visudo
from reconciler.formats.sudo import answers, policy
from reconciler.host.audit.question import File, Files, Program, Reader

_SUDOERS = "/etc/sudoers"


def _defaults(files: Files, _: str) -> str:
    """The settings of the files of rules as JSON: `formats.audit.people.sudo.parse_defaults` reads it."""
    texts: dict[str, str] = {_SUDOERS: files.read(_SUDOERS).decode("utf-8", "replace")}

    def include(path: str) -> str | None:
        try:
            entry = files.entry(path)
            if entry is None or entry.type is not FileType.FILE:
                return None
            texts[path] = files.read(path).decode("utf-8", "replace")
        except (HostError, FileNotFoundError):
            return None
        return texts[path]

    def names(path: str) -> Sequence[str]:
        try:
            return files.names(path)
        except HostError:
            return ()

    policy.parse(texts[_SUDOERS], "", include, names)
    return json.dumps([row for path, text in texts.items() for row in _settings(path, text)])


def _settings(path: str, text: str) -> list[tuple[str, str, bool, str]]:
    own = policy.parse(text, "", lambda _: None, lambda _: ())
    return [
        (f"{default.scope}{','.join(default.names)}", name, sign != "!", path)
        for default in own.defaults
        for name, sign, _ in answers.settings_of(default)
    ]


QUESTIONS = {
    "hostname": File("/etc/hostname", redact_hostname),
    "sudo-defaults": Reader(_defaults),
    "sudo-version": Program(("sudo", "-V")),
    "visudo": Program(("visudo", "--check"), exits=(0, 1), errors=True, redact=redact_visudo),
}
